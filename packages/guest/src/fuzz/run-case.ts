import { type FuzzCase, randomEdits } from './edits.ts';
import { Outcome } from './outcome.ts';
import type { Random } from './random.ts';
import type { FuzzTarget } from './targets.ts';

/** A new case of a target. */
export function randomCase(target: FuzzTarget, random: Random): FuzzCase {
  const variant = random.below(target.variants);
  const { bytes, areas } = target.subject(variant);
  return { variant, edits: randomEdits(random, bytes, areas) };
}

/**
 * Runs a case.
 *
 * @returns what it did, for telling cases apart. @throws whatever is no refusal: a defect.
 */
export async function runCase(target: FuzzTarget, { variant, edits }: FuzzCase): Promise<string> {
  const outcome = new Outcome();
  await target.subject(variant % target.variants).run(edits, outcome);
  return outcome.text;
}
