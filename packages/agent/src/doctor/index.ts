export { type DoctorDependencies, diagnose, doctor, hostChecks } from './doctor.ts';
export { type DoctorFacts, doctorFacts, type QemuAbilities } from './facts.ts';
export { kernelConfigCheck } from './kernel-checks.ts';
