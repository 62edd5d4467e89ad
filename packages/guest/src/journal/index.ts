export { type Journal, openJournal } from './journal.ts';
export type { LedgerPatch } from './ledger.ts';
export type { Area, PatchPlan, Restore, Site } from './records.ts';
