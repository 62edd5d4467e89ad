export { type SetupHost, setupHost } from './host.ts';
export { planSetup, type SetupFacts, type SetupPlan } from './plan.ts';
export { readSetupRecord, type SetupRecord, writeSetupRecord } from './record.ts';
export { createSetup, type Setup } from './setup.ts';
