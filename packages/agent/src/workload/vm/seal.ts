import { readFile, rm } from 'node:fs/promises';
import { crc32 } from 'node:zlib';
import { ExuviaError } from '@exuvia/contract';
import { readIfExists, removeDurably, writeFileDurably } from '@exuvia/sys';

/** Writes down, beside a saved state, what it must look like when it is loaded: `BYTES CRC32`. */
export async function sealState(stateFile: string): Promise<void> {
  await writeFileDurably(sealOf(stateFile), `${await fingerprint(stateFile)}\n`, { mode: 0o600 });
}

/** A damaged state is never loaded. One without a seal is not judged here. @throws ExuviaError `vm-state-damaged`. */
export async function requireSealed(stateFile: string): Promise<void> {
  const sealed = (await readIfExists(sealOf(stateFile)))?.trim();
  if (sealed === undefined || sealed === (await fingerprint(stateFile))) return;
  throw new ExuviaError('vm-state-damaged', `${stateFile} is not what was saved: it is not loaded.`, {
    hint: 'Discard it with `exuvia vm stop`, then start the VM from its disks.',
  });
}

/** Removes a saved state that is stale, durably, and then its seal. */
export async function removeState(stateFile: string): Promise<void> {
  await removeDurably(stateFile);
  await rm(sealOf(stateFile), { force: true });
}

function sealOf(stateFile: string): string {
  return `${stateFile}.seal`;
}

async function fingerprint(stateFile: string): Promise<string> {
  const state = await readFile(stateFile);
  return `${state.length} ${crc32(state).toString(16)}`;
}
