import { appendFile } from 'node:fs/promises';
import { join } from 'node:path';
import { readIfExists } from '@exuvia/sys';
import { caseSchema, type FuzzCase } from './edits.ts';

const FOLDER = join(import.meta.dirname, 'corpus');

/** The cases of a target that did something that no case before them did: one JSON document a line. */
export async function readCorpus(target: string): Promise<FuzzCase[]> {
  const text = (await readIfExists(file(target))) ?? '';
  const lines = text.split('\n').filter((line) => line !== '');
  return lines.map((line) => caseSchema.parse(JSON.parse(line)));
}

export async function addToCorpus(target: string, found: FuzzCase): Promise<void> {
  await appendFile(file(target), `${JSON.stringify(found)}\n`);
}

function file(target: string): string {
  return join(FOLDER, `${target}.jsonl`);
}
