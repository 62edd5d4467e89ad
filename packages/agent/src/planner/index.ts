export { aptLineForKernel } from './apt.ts';
export { createPlanner, type Planner } from './planner.ts';
export type { InstalledQemu, Software } from './software.ts';
export { createPlanStore } from './store.ts';
