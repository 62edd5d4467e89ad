import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readModuleIndex, resolveModules, run } from '@exuvia/sys';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  bootEarly,
  compileEarlyInit,
  EARLY_RESTORE_SOURCE,
  findEarlyKernels,
  moduleLines,
  SOME_VM,
} from './testing/early-machine.ts';

const UUID = '5d4a7c6e-0000-4000-8000-00000000000a';

const { kernels, missing } = await findEarlyKernels();
if (missing !== null) console.warn(`That guests get a userland is not tested: ${missing}`);

/** The early restore in an emulated machine, whose root file system has an init or not. */
describe.skipIf(missing !== null)('the host’s init', () => {
  let directory: string;
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'exuvia-early-init-'));
    await compileEarlyInit(EARLY_RESTORE_SOURCE, directory);
  });
  afterAll(() => rm(directory, { recursive: true }));

  test('no guest runs on above a root file system without one', async () => {
    expect(await said({ init: false })).toContain("the host's init is not there; resetting the machine");
  });

  test('with one it is what process 1 becomes', async () => {
    const text = await said({ init: true });
    expect(text).not.toContain('is not there');
    // It is no program that could be executed: what matters is that it was tried.
    expect(text).toContain("the host's init could not be started");
  });

  /** What the early restore wrote to the kernel's log until it reset the machine. */
  async function said({ init }: { init: boolean }): Promise<string> {
    const [kernel] = kernels;
    if (kernel === undefined) throw new Error('There is no kernel.');
    const modules = resolveModules(await readModuleIndex(kernel.release, kernel.root), [
      'virtio_blk',
      'ext4',
    ]);
    const lines = await bootEarly(kernel, directory, {
      plan: [...moduleLines('disk', modules), `root ${UUID} ext4 rw`, 'manifest /m', ...SOME_VM],
      modules,
      append: 'loglevel=6',
      devices: ['-drive', `if=virtio,format=raw,file=${await rootDisk(init)}`],
    });
    return lines.filter((line) => line.includes('exuvia: ')).join('\n');
  }

  async function rootDisk(init: boolean): Promise<string> {
    const tree = join(directory, init ? 'with' : 'without');
    for (const name of ['proc', 'sys', 'dev', 'run', 'sbin']) {
      await mkdir(join(tree, name), { recursive: true });
    }
    if (init) {
      await writeFile(join(tree, 'sbin/init'), 'no program\n');
      await chmod(join(tree, 'sbin/init'), 0o755);
    }
    const disk = `${tree}.ext4`;
    await run('truncate', ['-s', '16M', disk]);
    await run('/usr/sbin/mkfs.ext4', ['-q', '-U', UUID, '-d', tree, disk]);
    return disk;
  }
});
