import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { run } from '@exuvia/sys';
import { cached, keyOf, keyOfFiles } from '../support/cache.ts';

const NATIVE = join(import.meta.dirname, '../../../../native');
const FLAGS = ['-std=gnu17', '-O2', '-g0', '-Wall', '-Wextra', '-D_GNU_SOURCE', '-static', '-s'];

export interface GuestProgram {
  readonly path: string;
  readonly key: string;
}

/** Compiles the guests' init (native/guest) and returns its path; compiled once for each state of its sources. */
export function guestProgram(): Promise<GuestProgram> {
  return compiled('guest-program', 'guest/exuvia-guest-init.c', ['guest', 'common']);
}

/** The program that answers tests' questions on a lab host (native/lab-probe). */
export function labProbe(): Promise<GuestProgram> {
  return compiled('lab-probe', 'lab-probe/exuvia-lab-probe.c', ['lab-probe', 'common']);
}

/** The same for the cable to a lab host's second NIC (native/lan); its path ends in `init` too. */
export function lanProgram(): Promise<GuestProgram> {
  return compiled('lan-program', 'lan/exuvia-lan.c', ['lan', 'common']);
}

/** The same for the guests whose kernels are patched (native/kernel-guest). */
export function kernelGuestProgram(): Promise<GuestProgram> {
  return compiled('kernel-guest-program', 'kernel-guest/exuvia-kernel-guest.c', [
    'kernel-guest',
    'guest',
    'common',
  ]);
}

async function compiled(kind: string, main: string, rooms: readonly string[]): Promise<GuestProgram> {
  const key = keyOf(await keyOfFiles(await headersAndSources(rooms)), FLAGS);
  const folder = await cached(kind, key, async (into) => {
    const output = join(into, 'init');
    await run('cc', [...FLAGS, '-I', join(NATIVE, 'common'), '-o', output, join(NATIVE, main), '-lpthread']);
  });
  return { path: join(folder, 'init'), key };
}

async function headersAndSources(rooms: readonly string[]): Promise<string[]> {
  const lists = await Promise.all(
    rooms.map(async (room) => {
      const folder = join(NATIVE, room);
      return (await readdir(folder)).sort().map((name) => join(folder, name));
    }),
  );
  return lists.flat().filter((path) => /\.[ch]$/.test(path));
}
