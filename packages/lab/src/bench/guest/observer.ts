import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { run } from '@exuvia/sys';
import { cached, keyOf, keyOfFiles } from '../../support/cache.ts';

/** A time in which the guest's counter stood, in nanoseconds of the clock of `process.hrtime`. */
export interface Gap {
  readonly from: bigint;
  readonly to: bigint;
}

export interface GapObserver {
  /** All gaps so far. */
  readonly gaps: readonly Gap[];
  stop(): Promise<void>;
}

const SOURCE = join(import.meta.dirname, '../../../../../native/observe/exuvia-observe.c');
const FLAGS = ['-std=gnu17', '-O2', '-Wall', '-D_GNU_SOURCE', '-static', '-s'];
/** Above QEMU and the tool, which it must not wait for; it sleeps between its looks. */
const PRIORITY = '20';
/** Shorter gaps than this are the observer's own rhythm: 50 us of sleep, and waking up. */
export const SHORTEST_SEEN_US = 150;

/** Watches the fine heartbeat at an offset of a RAM file. */
export async function observeGaps(file: string, offset: number): Promise<GapObserver> {
  const folder = await cached('observer', keyOf(await keyOfFiles([SOURCE]), FLAGS), async (into) => {
    await run('cc', [...FLAGS, '-o', join(into, 'exuvia-observe'), SOURCE]);
  });
  const program = join(folder, 'exuvia-observe');
  const child = spawn('chrt', ['--fifo', PRIORITY, program, file, String(offset), String(SHORTEST_SEEN_US)], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const gaps: Gap[] = [];
  createInterface({ input: child.stdout }).on('line', (line) => {
    const [from = '0', to = '0'] = line.split(' ');
    gaps.push({ from: BigInt(from), to: BigInt(to) });
  });
  return {
    gaps,
    async stop() {
      const exited = once(child, 'exit');
      child.stdin.end();
      await exited;
    },
  };
}

/**
 * Microseconds of the longest gap that a stop lies in or touches; `null` when none was seen: the guest stood
 * for less than the observer can see.
 */
export function gapAround(gaps: readonly Gap[], stop: Gap): number | null {
  const touching = gaps.filter(({ from, to }) => from <= stop.to && to >= stop.from);
  if (touching.length === 0) return null;
  return Math.max(...touching.map(({ from, to }) => Number(to - from) / 1000));
}
