// Feeds everything that reads a guest's memory or a patch file with hostile data, until the time is up or a
// defect is found: anything thrown that is no refusal, too many reads, or no end. `npm run fuzz -- --help`
// says with which options. Exits with 1 for a defect, 2 for options that are wrong.

import { argv, exit, stderr, stdout } from 'node:process';
import { Worker } from 'node:worker_threads';
import { toErrorBody } from '@exuvia/contract';
import { type FuzzOptions, fuzzOptions } from './options.ts';
import { fuzzTargets } from './targets.ts';

/** A case takes milliseconds. */
const CASE_LIMIT_MS = 30_000;

const targets = await fuzzTargets();
const options = optionsOrEnd(targets.map(({ name }) => name));

export type FuzzReport =
  | { readonly kind: 'case'; readonly target: string; readonly text: string }
  | { readonly kind: 'done'; readonly counts: Readonly<Record<string, number>> }
  | { readonly kind: 'defect'; readonly target: string; readonly text: string; readonly error: string };

const worker = new Worker(new URL('./worker.ts', import.meta.url), { workerData: options });
let current: { target: string; text: string } = { target: 'none', text: '' };
let timer = watch();
worker.on('message', (report: FuzzReport) => {
  clearTimeout(timer);
  if (report.kind === 'defect') fail(report.target, report.text, report.error);
  if (report.kind === 'case') {
    current = report;
    timer = watch();
    return;
  }
  for (const [target, count] of Object.entries(report.counts))
    stdout.write(`${target.padEnd(10)} ${count} cases\n`);
  exit(0);
});
worker.on('error', (error) => fail(current.target, current.text, String(error.stack)));

function optionsOrEnd(names: readonly string[]): FuzzOptions {
  try {
    return fuzzOptions(argv.slice(2), names);
  } catch (thrown) {
    stderr.write(`${toErrorBody(thrown).error.message}\n`);
    exit(2);
  }
}

function watch(): NodeJS.Timeout {
  return setTimeout(() => fail(current.target, current.text, 'It does not end.'), CASE_LIMIT_MS);
}

function fail(target: string, text: string, error: string): never {
  stderr.write(`A defect (seed ${options.seed}), target ${target}:\n${text}\n${error}\n`);
  stderr.write('Add the line to the corpus of that target, and mend the reader.\n');
  exit(1);
}
