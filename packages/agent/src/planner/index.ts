export { aptLineForKernel } from './apt.ts';
export { vmProcessors } from './at-once.ts';
export { outlook } from './outlook.ts';
export { createPlanner, type Planner } from './planner.ts';
export type { InstalledQemu, Software } from './software.ts';
export { createPlanStore } from './store.ts';
