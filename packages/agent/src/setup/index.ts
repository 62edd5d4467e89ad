export { isFound, rangeOf, readSetupRecord, type SetupRecord, writeSetupRecord } from './record.ts';
export { createSetup } from './setup.ts';
