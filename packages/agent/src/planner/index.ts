export { aptLineForKernel } from './apt.ts';
export { createPlanner, type Planner } from './planner.ts';
export { createPlanStore } from './store.ts';
