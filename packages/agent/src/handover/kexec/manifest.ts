import { readFile } from 'node:fs/promises';
import { crc32 } from 'node:zlib';
import { ExuviaError, vmPaths } from '@exuvia/contract';
import { readIfExists } from '@exuvia/sys';
import type { StepContext } from '../../kinds.ts';
import { handoverFiles } from './layout.ts';

/** What exuvia-pause wrote down of every saved state: `state NAME BYTES CRC32`. */
function parseManifest(text: string): ReadonlyMap<string, { readonly bytes: number; readonly crc: number }> {
  const lines = text.matchAll(/^state (\S+) (\d+) ([0-9a-f]{8})$/gm);
  return new Map(
    [...lines].map(([, name = '', bytes, crc = '']) => [
      name,
      { bytes: Number(bytes), crc: Number.parseInt(crc, 16) },
    ]),
  );
}

/** Makes sure that a saved state is what the old side wrote. @throws ExuviaError `vm-state-damaged`. */
export async function requireWhole(name: string, { plan }: Pick<StepContext, 'plan'>): Promise<void> {
  const file = vmPaths(name).deviceState;
  const sealed = parseManifest((await readIfExists(handoverFiles(plan.id).manifest)) ?? '').get(name);
  const state = await readFile(file);
  if (sealed !== undefined && state.length === sealed.bytes && crc32(state) === sealed.crc) return;
  throw new ExuviaError('vm-state-damaged', `${file} is not what was saved: it is not loaded.`, {
    hint: 'Discard it with `exuvia vm stop`, then start the VM from its disks.',
  });
}
