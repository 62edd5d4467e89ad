export { type Journal, openJournal } from './journal.ts';
export { isEnded } from './machine.ts';
export { renderRecord } from './render.ts';
export { applyRecord, type UpdateState, verifying } from './states.ts';
