import { readSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { setImmediate } from 'node:timers/promises';
import { crc32 } from 'node:zlib';

const SAMPLE_BYTES = 64;
/** The stride with which every byte is looked at. */
export const WHOLE = SAMPLE_BYTES;
const BLOCK_BYTES = 2 ** 20;
const STRIDE = 524_288;
const MAX_SAMPLES = 65_536;
/** Between them other work has its turn. */
const SAMPLES_AT_ONCE = 1024;

/** In how many bytes memory of a size is looked at once; as native/pause/samples.h has it. */
export function sampleStride(bytes: number): number {
  if (Math.floor(bytes / STRIDE) <= MAX_SAMPLES) return STRIDE;
  return Math.floor((Math.floor(bytes / MAX_SAMPLES) + STRIDE) / STRIDE) * STRIDE;
}

/**
 * The checksum of a VM's memory, looked at in one place of each `stride` bytes. The same places as in
 * native/pause/samples.h, which does it while the VM stands still.
 */
export async function sampleMemory(file: string, bytes: number, stride: number): Promise<number> {
  const piece = Buffer.alloc(SAMPLE_BYTES);
  const handle = await open(file, 'r');
  try {
    if (stride === WHOLE) return await wholeMemory(handle.fd, bytes);
    let crc = 0;
    for (let index = 0; index < Math.floor(bytes / stride); index++) {
      const scattered = Math.imul(index, 2654435761) >>> 0;
      const offset = index * stride + (scattered % (stride / SAMPLE_BYTES)) * SAMPLE_BYTES;
      // Synchronous: the store is memory, and a guest stands still for as long as this takes.
      readSync(handle.fd, piece, 0, SAMPLE_BYTES, offset);
      if (index % SAMPLES_AT_ONCE === SAMPLES_AT_ONCE - 1) await setImmediate();
      crc = crc32(piece, crc);
    }
    return crc;
  } finally {
    await handle.close();
  }
}

async function wholeMemory(fd: number, bytes: number): Promise<number> {
  const block = Buffer.alloc(BLOCK_BYTES);
  let crc = 0;
  for (let at = 0; at < bytes; ) {
    const length = readSync(fd, block, 0, Math.min(BLOCK_BYTES, bytes - at), at);
    if (length === 0) break;
    crc = crc32(block.subarray(0, length), crc);
    at += length;
    await setImmediate();
  }
  return crc;
}

/** What memory is that stands still. */
export interface MemoryChecksum {
  readonly bytes: number;
  readonly stride: number;
  readonly crc: number;
}

/**
 * The checksum of every byte of memory that is to outlive a reset, which throws away what is only in the CPUs' caches:
 * it is written back first. fsync of a file that is mapped directly does that (Linux 6.12, fs/dax.c, dax_writeback_one).
 */
export async function settledMemory(file: string): Promise<MemoryChecksum> {
  const handle = await open(file, 'r+');
  try {
    await handle.sync();
    const { size: bytes } = await handle.stat();
    return { bytes, stride: WHOLE, crc: await wholeMemory(handle.fd, bytes) };
  } finally {
    await handle.close();
  }
}
