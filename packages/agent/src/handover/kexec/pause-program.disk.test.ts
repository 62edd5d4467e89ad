import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { run } from '@exuvia/sys';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { withChecksum } from './checksum.ts';
import { PAUSE_STEPS, type PauseProgram, type PauseStep, startPause } from './pause-program.ts';

const directory = await mkdtemp(join(tmpdir(), 'exuvia-pause-journals-'));
const image = join(directory, 'image');
const mountPoint = join(directory, 'mounted');
const mounted = await mountImage();

afterAll(async () => {
  if (mounted) await run('umount', [mountPoint]);
  await rm(directory, { recursive: true });
});

async function mountImage(): Promise<boolean> {
  await writeFile(image, Buffer.alloc(32 * 2 ** 20));
  await run('mkfs.ext4', ['-q', '-F', image]);
  await mkdir(mountPoint);
  return (await run('mount', ['-o', 'loop', image, mountPoint], { allowFailure: true })).exitCode === 0;
}

/** Where the journal begins that a mount would replay; 0: it is empty. */
async function journalStart(): Promise<number> {
  const { stdout } = await run('dumpe2fs', ['-h', image]);
  return Number(/^Journal start: +(\d+)$/m.exec(stdout)?.[1] ?? Number.NaN);
}

describe.skipIf(!mounted)('exuvia-pause and a disk (skipped where an image cannot be mounted)', () => {
  let program: string;
  let pause: PauseProgram;

  beforeAll(async () => {
    program = join(directory, 'exuvia-pause');
    const native = join(import.meta.dirname, '../../../../../native');
    const source = `${native}/pause/exuvia-pause.c`;
    await run('cc', ['-O2', '-D_GNU_SOURCE', `-I${native}/common`, '-o', program, source]);
  });
  afterEach(() => pause.abort());

  /** Without a VM: what is written to disks is the same. */
  async function start(holdAfter: PauseStep, timeoutMs: number): Promise<void> {
    const file = (name: string) => join(directory, name);
    const journal = join(mountPoint, 'journal');
    await writeFile(journal, '');
    await writeFile(
      file('plan'),
      withChecksum([
        'exuvia-pause 2',
        `manifest ${file('manifest')}`,
        `stamps ${file('stamps')}`,
        `sync ${mountPoint}`,
        `journal ${journal}`,
        'commit {"kind":"commit"}',
        `timeout-ms ${timeoutMs}`,
      ]),
    );
    pause = startPause({ plan: file('plan'), holdAfter, program, log: () => {} });
  }

  test('what an ext4’s journal holds is in its place before the pause', async () => {
    await mkdir(join(mountPoint, 'before'));
    await run('sync', ['-f', mountPoint]);
    expect(await journalStart()).toBeGreaterThan(0);
    await start('suspend-vms', 20_000);
    await pause.ready();
    expect(await journalStart()).toBe(0);
  });

  test.each([
    [
      'nobody waits longer than a step may take',
      1000,
      /^the commit record was not written within 1000 ms\.$/,
    ],
    ['an abort does not wait for it', 60_000, /ended/],
  ])('a disk that takes nothing any more holds nobody up: %s', async (_, timeoutMs, why) => {
    await start('sync-file-systems', timeoutMs);
    await pause.ready();
    for (const step of PAUSE_STEPS.slice(0, PAUSE_STEPS.indexOf('commit'))) await pause.complete(step);
    await run('fsfreeze', ['--freeze', mountPoint]);
    try {
      const committed = expect(pause.complete('commit')).rejects.toThrow(why);
      if (timeoutMs > 1000) await Promise.all([committed, pause.abort()]);
      else await committed;
      expect(await pause.abort()).toEqual([]);
    } finally {
      await run('fsfreeze', ['--unfreeze', mountPoint]);
    }
  });
});
