import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findQemu } from '@exuvia/qemu/testing';
import {
  CONSOLE_ENTRY,
  type CpioEntry,
  cpioArchive,
  readModule,
  readModuleIndex,
  resolveModules,
  run,
} from '@exuvia/sys';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { findGuestKernels } from '../../testing/linux-guest.ts';
import { renderPlan } from './restore-plan.ts';

const UUID = '5d4a7c6e-0000-4000-8000-00000000000a';
const VM = ['ram /r', 'state /s', 'scope s', 'log /l', 'runtime /v', 'arg /q'];

const qemu = await findQemu();
const kernels = await findGuestKernels();
const missing =
  'missing' in qemu ? qemu.missing : kernels.length === 0 ? 'The lab has no root file system yet.' : null;
if (missing !== null) console.warn(`That guests get a userland is not tested: ${missing}`);

/** The early restore in an emulated machine, whose root file system has an init or not. */
describe.skipIf(missing !== null)('the host’s init', () => {
  let directory: string;
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'exuvia-early-init-'));
    const native = join(import.meta.dirname, '../../../../../native');
    const include = ['common', 'early-restore'].flatMap((room) => ['-I', join(native, room)]);
    const source = join(native, 'early-restore/exuvia-early-restore.c');
    await run('cc', ['-O1', '-D_GNU_SOURCE', '-static', ...include, '-o', join(directory, 'init'), source]);
  });
  afterAll(() => rm(directory, { recursive: true }));

  test('no guest runs on above a root file system without one', async () => {
    expect(await said({ init: false })).toContain("the host's init is not there; resetting the machine");
  });

  test('with one it is what process 1 becomes', async () => {
    const lines = await said({ init: true });
    expect(lines).not.toContain('is not there');
    // It is no program that could be executed: what matters is that it was tried.
    expect(lines).toContain("the host's init could not be started");
  });

  /** What the early restore wrote to the kernel's log until it reset the machine. */
  async function said({ init }: { init: boolean }): Promise<string> {
    const [kernel] = kernels;
    if (kernel === undefined) throw new Error('There is no kernel.');
    const disk = await rootDisk(init);
    const initrd = join(directory, 'initrd');
    await writeFile(initrd, await archive(kernel));
    const { stdout } = await run(
      'binary' in qemu ? qemu.binary : '',
      [
        ...['-M', 'q35', '-accel', 'tcg', '-cpu', 'max,erms=off,fsrm=off', '-m', '512', '-no-reboot'],
        ...['-nodefaults', '-display', 'none', '-serial', 'stdio'],
        ...['-kernel', join(kernel.root, 'boot', `vmlinuz-${kernel.release}`), '-initrd', initrd],
        ...['-append', 'console=ttyS0 loglevel=6 panic=-1'],
        ...['-drive', `if=virtio,format=raw,file=${disk}`],
      ],
      { timeoutMs: 120_000 },
    );
    return stdout
      .split('\n')
      .filter((line) => line.includes('exuvia: '))
      .join('\n');
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

  async function archive({ root, release }: { root: string; release: string }): Promise<Buffer> {
    const own = resolveModules(await readModuleIndex(release, root), ['virtio_blk', 'ext4']);
    const modules = await Promise.all(
      own.map(async ({ name, path }): Promise<CpioEntry> => {
        return { type: 'file', path: `modules/${name}.ko`, data: await readModule(path) };
      }),
    );
    const plan = renderPlan([
      ...own.map(({ name }) => `module disk /modules/${name}.ko`),
      ...[`root ${UUID} ext4 rw`, 'manifest /m', 'vm tiny', ...VM],
    ]);
    return cpioArchive([
      CONSOLE_ENTRY,
      { type: 'file', path: 'init', mode: 0o755, data: await readFile(join(directory, 'init')) },
      { type: 'file', path: 'plan', data: Buffer.from(plan) },
      ...modules,
    ]);
  }
});
