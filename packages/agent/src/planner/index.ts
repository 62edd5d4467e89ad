export { aptLineForKernel } from './apt.ts';
export { createPlanner, type Planner, type PlannerDependencies } from './planner.ts';
export { createPlanStore, type PlanStore } from './store.ts';
