export { decideRecovery, type Recovery, startedSteps } from './decide.ts';
export { keepFault, type RecoveryDependencies, recover } from './recover.ts';
