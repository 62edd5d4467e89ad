import { expect, test } from 'vitest';
import { readCorpus } from './corpus.ts';
import { randomOf } from './random.ts';
import { randomCase, runCase } from './run-case.ts';
import { fuzzTargets } from './targets.ts';

const NEW_CASES = 60;
const targets = await fuzzTargets();

test.each(targets)('$name: everything in the corpus is read or refused', async (target) => {
  const corpus = await readCorpus(target.name);
  expect(corpus.length).toBeGreaterThan(0);
  const outcomes = new Set<string>();
  for (const one of corpus) outcomes.add(await runCase(target, one));
  // The corpus is worth its place: its cases do different things.
  expect(outcomes.size).toBeGreaterThan(corpus.length / 2);
});

test.each(targets)('$name: new cases are read or refused', async (target) => {
  const random = randomOf(20_261_121);
  for (let count = 0; count < NEW_CASES; count++) {
    const found = randomCase(target, random);
    await runCase(target, found).catch((error: unknown) => {
      throw new Error(`A defect: ${JSON.stringify(found)}`, { cause: error });
    });
  }
});

test.each(targets)('$name: a sound subject is read without a refusal', async (target) => {
  for (let variant = 0; variant < target.sound; variant++) {
    const outcome = await runCase(target, { variant, edits: [] });
    expect(outcome.split('\n').filter((line) => / (guest|patch)-/.test(line))).toEqual([]);
  }
});
