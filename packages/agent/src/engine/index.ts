export { type Closing, closeUpdate } from './closing.ts';
export { createContext } from './context.ts';
export { createEngine, type Engine, type EngineDependencies, outcomeOfUndo } from './engine.ts';
export { createFaultGate, FINISH } from './faults.ts';
export type { Ledger, UpdateListener } from './ledger.ts';
export { createReportStore, type ReportStore, reportWithoutJump } from './reports.ts';
export { sentenceOf, undoSteps } from './transaction.ts';
