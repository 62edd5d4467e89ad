import type { QmpEvents } from '../generated/qapi.ts';

/**
 * An event of QEMU. Events that this QEMU has but the one of the generated types had not arrive too, under
 * their name; code that does not know them passes them over.
 */
export type QmpEvent = {
  [Name in keyof QmpEvents]: {
    readonly name: Name;
    readonly data: QmpEvents[Name];
    /** Milliseconds since 1970 by the host's clock. */
    readonly atMs: number;
  };
}[keyof QmpEvents];

/** Gives an event its type. Members are QEMU's word: what matters is checked where it is used. */
export function toEvent(name: string, data: Readonly<Record<string, unknown>>, atMs: number): QmpEvent {
  return { name, data, atMs } as QmpEvent;
}
