export { closeUpdate } from './closing.ts';
export { createContext } from './context.ts';
export { createEngine, type Engine, outcomeOfUndo } from './engine.ts';
export { createFaultGate, FINISH } from './faults.ts';
export { finishUpdate } from './finishing.ts';
export type { Ledger } from './ledger.ts';
export { createReportStore, type ReportStore, reportWithoutJump } from './reports.ts';
export { sentenceOf, undoSteps } from './transaction.ts';
