import { QmpIllegalTransitionError } from '../errors.ts';
import type { QmpGreeting } from './messages.ts';

/**
 * The life of a QMP connection:
 *
 *   connecting --greeting--> negotiating --capabilities accepted--> ready
 *        |                        |                                   |
 *        +------------------------+-----------> closed <--------------+
 */
export type QmpState =
  | { readonly kind: 'connecting' }
  | { readonly kind: 'negotiating'; readonly greeting: QmpGreeting }
  | { readonly kind: 'ready'; readonly greeting: QmpGreeting }
  | { readonly kind: 'closed'; readonly reason: QmpCloseReason };

/**
 * `quit`: QEMU ended because we asked it to. `ended`: QEMU closed the connection (it ended, or died).
 * `closed-by-us`: we let go of a QEMU that lives on. `failed`: what came was not QMP.
 */
export type QmpCloseReason =
  | { readonly kind: 'quit' }
  | { readonly kind: 'ended'; readonly cause?: unknown }
  | { readonly kind: 'closed-by-us' }
  | { readonly kind: 'failed'; readonly error: Error };

export type QmpInput =
  | { readonly kind: 'greeting'; readonly greeting: QmpGreeting }
  | { readonly kind: 'negotiated' }
  | { readonly kind: 'close'; readonly reason: QmpCloseReason };

export const INITIAL_STATE: QmpState = Object.freeze({ kind: 'connecting' });

/**
 * The state after `input`. Closing a closed connection changes nothing: the first reason stands.
 *
 * @throws QmpIllegalTransitionError naming both states.
 */
export function transition(state: QmpState, input: QmpInput): QmpState {
  switch (input.kind) {
    case 'greeting':
      if (state.kind !== 'connecting') throw new QmpIllegalTransitionError(state.kind, 'negotiating');
      return { kind: 'negotiating', greeting: input.greeting };
    case 'negotiated':
      if (state.kind !== 'negotiating') throw new QmpIllegalTransitionError(state.kind, 'ready');
      return { kind: 'ready', greeting: state.greeting };
    case 'close':
      return state.kind === 'closed' ? state : { kind: 'closed', reason: input.reason };
  }
}
