export type { Seen, StopPlan } from './actor.ts';
export type { PhysicalRange, PhysicalWrite } from './gdb/script.ts';
export { type GuestMachine, openMachine } from './machine.ts';
