import { parentPort, workerData } from 'node:worker_threads';
import { z } from 'zod';
import { addToCorpus, readCorpus } from './corpus.ts';
import type { FuzzCase } from './edits.ts';
import type { FuzzReport } from './main.ts';
import { randomOf } from './random.ts';
import { randomCase, runCase } from './run-case.ts';
import { type FuzzTarget, fuzzTargets } from './targets.ts';

const { seconds, seed, target, keep } = z
  .object({
    seconds: z.number().positive(),
    seed: z.int(),
    target: z.string().optional(),
    keep: z.boolean(),
  })
  .parse(workerData);
const report = (message: FuzzReport) => parentPort?.postMessage(message);

const targets = (await fuzzTargets()).filter(({ name }) => target === undefined || name === target);
const known = new Map<string, Set<string>>();
for (const each of targets) {
  const outcomes = new Set<string>();
  known.set(each.name, outcomes);
  for (const one of await readCorpus(each.name)) outcomes.add((await attempt(each, one)) ?? '');
}
const random = randomOf(seed);
const counts: Record<string, number> = {};
for (const until = performance.now() + seconds * 1000; performance.now() < until; ) {
  for (const each of targets) {
    const found = randomCase(each, random);
    const outcome = await attempt(each, found);
    counts[each.name] = (counts[each.name] ?? 0) + 1;
    if (outcome === undefined || known.get(each.name)?.has(outcome) !== false) continue;
    known.get(each.name)?.add(outcome);
    if (keep) await addToCorpus(each.name, found);
  }
}
report({ kind: 'done', counts });

async function attempt(each: FuzzTarget, found: FuzzCase): Promise<string | undefined> {
  const text = JSON.stringify(found);
  report({ kind: 'case', target: each.name, text });
  try {
    return await runCase(each, found);
  } catch (error) {
    report({
      kind: 'defect',
      target: each.name,
      text,
      error: error instanceof Error ? `${error.stack}` : String(error),
    });
    return undefined;
  }
}
