import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { attach } from './attach.ts';

export interface AttachTimes {
  /** Symbols that the kernel has. */
  readonly symbols: number;
  /** Attaching when nothing is known of the kernel, the time to store what was learned included. */
  readonly firstMs: number;
  /** Attaching again, from the cache: every time that it was done. */
  readonly againMs: readonly number[];
}

/** Measures how long attaching to a VM takes, from connecting to the monitor until its kernel is understood. */
export async function measureAttach(monitor: string, times = 10): Promise<AttachTimes> {
  const cache = await mkdtemp(join(tmpdir(), 'exuvia-attach-'));
  try {
    const first = await timed(monitor, cache);
    const againMs: number[] = [];
    for (let count = 0; count < times; count++) againMs.push((await timed(monitor, cache)).ms);
    return { symbols: first.symbols, firstMs: first.ms, againMs };
  } finally {
    await rm(cache, { recursive: true });
  }
}

async function timed(monitor: string, cache: string): Promise<{ ms: number; symbols: number }> {
  const before = performance.now();
  const guest = await attach(monitor, { cache });
  const ms = performance.now() - before;
  guest.detach();
  return { ms, symbols: guest.symbols.count };
}
