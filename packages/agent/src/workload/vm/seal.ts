import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { ExuviaError } from '@exuvia/contract';
import {
  listIfExists,
  type MemoryChecksum,
  readIfExists,
  removeDurably,
  sampleMemory,
  sampleStride,
  writeFileDurably,
} from '@exuvia/sys';
import { sizeOf } from './text-file.ts';

/** What a saved state, and the memory that belongs to it, must look like to be loaded. */
interface Seal {
  readonly bytes: number;
  readonly crc: number;
  /** `null` for a state that holds the memory itself. */
  readonly memory: { readonly bytes: number; readonly stride: number; readonly crc: number } | null;
}

const HEAD = 'exuvia-manifest 1';

/** Beside a state that the agent saved; those of exuvia-pause are in the manifest of the update. */
function sealFile(stateFile: string): string {
  return `${stateFile}.seal`;
}

/**
 * Writes down, durably, what a state file is, and the memory that belongs to it: without it nobody ever loads the state.
 *
 * @param memory what the memory is; absent: the state holds it
 */
export async function sealState(name: string, stateFile: string, memory?: MemoryChecksum): Promise<void> {
  const { bytes, crc } = await checksumOf(stateFile);
  const lines = [HEAD, `state ${name} ${bytes} ${hex(crc)}`];
  if (memory !== undefined) lines.push(`ram ${name} ${memory.bytes} ${memory.stride} ${hex(memory.crc)}`);
  await writeFileDurably(sealFile(stateFile), `${lines.join('\n')}\n`, { mode: 0o600 });
}

/** Samples of memory that stands still. */
export async function sampledMemory(ram: string): Promise<MemoryChecksum> {
  const { size: bytes } = await stat(ram);
  const stride = sampleStride(bytes);
  return { bytes, stride, crc: await sampleMemory(ram, bytes, stride) };
}

/** Removes a saved state that is stale, durably, and then its seal. */
export async function removeState(stateFile: string): Promise<void> {
  await removeDurably(stateFile);
  await removeDurably(sealFile(stateFile));
}

/**
 * Makes sure that a saved state is what was saved and, where it belongs to memory in the store, that the memory
 * is still the one that it belongs to.
 *
 * @param updates directory of the updates' manifests in the store
 * @throws ExuviaError `vm-state-unsealed`, `vm-state-damaged`, `vm-memory-damaged`.
 */
export async function requireWhole(
  name: string,
  files: { readonly state: string; readonly ram: string },
  updates: string,
): Promise<void> {
  const seal = await findSeal(name, files.state, updates);
  if (seal === null) {
    throw new ExuviaError(
      'vm-state-unsealed',
      `${files.state} is not sealed: the update was undone or interrupted before the state was complete. It is not loaded.`,
      { hint: giveUp(name) },
    );
  }
  const found = await checksumOf(files.state);
  if (found.bytes !== seal.bytes || found.crc !== seal.crc) {
    throw new ExuviaError('vm-state-damaged', `${files.state} is not what was saved: it is not loaded.`, {
      hint: giveUp(name),
    });
  }
  if (seal.memory === null || (await memoryIsWhole(files.ram, seal.memory))) return;
  throw new ExuviaError(
    'vm-memory-damaged',
    `The memory of VM ${name} is not what it was when the VM was saved (the machine was reset, or lost power): it is not used.`,
    { hint: giveUp(name) },
  );
}

async function memoryIsWhole(ram: string, memory: NonNullable<Seal['memory']>): Promise<boolean> {
  if ((await sizeOf(ram)) !== memory.bytes) return false;
  return (await sampleMemory(ram, memory.bytes, memory.stride)) === memory.crc;
}

async function findSeal(name: string, stateFile: string, updates: string): Promise<Seal | null> {
  const own = parseSeal((await readIfExists(sealFile(stateFile))) ?? '', name);
  if (own !== null) return own;
  // The newest first: ids begin with the time.
  for (const update of (await listIfExists(updates)).sort().reverse()) {
    const seal = parseSeal((await readIfExists(join(updates, update, 'manifest'))) ?? '', name);
    if (seal !== null) return seal;
  }
  return null;
}

/** A manifest that was voided, because VMs ran on, has another first line. */
function parseSeal(text: string, name: string): Seal | null {
  const lines = text.split('\n');
  if (lines[0] !== HEAD) return null;
  const fields = (word: string) =>
    lines
      .find((line) => line.startsWith(`${word} ${name} `))
      ?.split(' ')
      .slice(2) ?? [];
  const [bytes, crc] = fields('state');
  if (bytes === undefined || crc === undefined) return null;
  const [ramBytes, stride, ramCrc] = fields('ram');
  const memory =
    ramBytes === undefined || stride === undefined || ramCrc === undefined
      ? null
      : { bytes: Number(ramBytes), stride: Number(stride), crc: Number.parseInt(ramCrc, 16) };
  return { bytes: Number(bytes), crc: Number.parseInt(crc, 16), memory };
}

async function checksumOf(file: string): Promise<{ bytes: number; crc: number }> {
  const { size } = await stat(file);
  let crc = 0;
  if (size > 0)
    for await (const block of createReadStream(file, { highWaterMark: 2 ** 20 })) crc = crc32(block, crc);
  return { bytes: size, crc };
}

function hex(crc: number): string {
  return crc.toString(16).padStart(8, '0');
}

function giveUp(name: string): string {
  return `To give it up: \`exuvia vm stop ${name}\`; \`exuvia vm start ${name}\` then starts the VM from its disks.`;
}
