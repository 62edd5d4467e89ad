export { type Journal, openJournal } from './journal.ts';
export type { Ledger, LedgerPatch, Phase } from './ledger.ts';
export type { Area, JournalRecord, PatchPlan, Restore, Site, Window } from './records.ts';
