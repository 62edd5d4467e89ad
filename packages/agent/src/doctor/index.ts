export { doctor, hostChecks } from './doctor.ts';
export { doctorFacts } from './facts.ts';
export { kernelConfigCheck } from './kernel-checks.ts';
