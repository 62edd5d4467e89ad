import type { Area, Edit } from './edits.ts';
import { OBJECTS_TARGET, RACING_TARGET, TABLES_TARGET } from './kernel-target.ts';
import type { Outcome } from './outcome.ts';
import { patchTarget } from './patch-target.ts';
import { TEXT_TARGET } from './text-target.ts';

/** Something that is fed with hostile data. */
export interface FuzzTarget {
  readonly name: string;
  /** How many different subjects it has. */
  readonly variants: number;
  /** So many of them, from the first, are read without a refusal. */
  readonly sound: number;
  /** A new, sound subject. */
  subject(variant: number): Subject;
}

interface Subject {
  readonly bytes: Buffer;
  readonly areas: readonly [Area, ...Area[]];
  /** Makes the changes and reads everything; throws what is no refusal: a defect. */
  run(edits: readonly Edit[], outcome: Outcome): void | Promise<void>;
}

export async function fuzzTargets(): Promise<FuzzTarget[]> {
  return [TABLES_TARGET, OBJECTS_TARGET, RACING_TARGET, await patchTarget(), TEXT_TARGET];
}
