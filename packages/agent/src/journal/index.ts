export { type Journal, openJournal } from './journal.ts';
export {
  IllegalTransition,
  isEnded,
  transition,
  type UpdateStateName,
  type UpdateTransition,
} from './machine.ts';
export { renderRecord } from './render.ts';
export { applyRecord, type UpdateState, updateStates, verifying } from './states.ts';
