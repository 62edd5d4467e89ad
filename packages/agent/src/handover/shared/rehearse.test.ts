import { access, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type VmSpec, vmPaths, vmSpecSchema } from '@exuvia/contract';
import { commandLineFor, restoreCommandLine, startCommandLine } from '@exuvia/qemu';
import { findQemu } from '@exuvia/qemu/testing';
import { run } from '@exuvia/sys';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { findNewQemu, writeQemuScript } from '../../testing/new-qemu.ts';
import { rehearseRestore } from './rehearse.ts';

const qemu = await findQemu();
const newQemu = await findNewQemu();

describe.skipIf('missing' in qemu)(`a rehearsal (skipped without QEMU: ${JSON.stringify(qemu)})`, () => {
  let directory: string;
  let launcher: string;

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'exuvia-rehearse-'));
    launcher = join(directory, 'exuvia-launch');
    const source = join(import.meta.dirname, '../../../../../native/launch/exuvia-launch.c');
    await run('cc', ['-O2', '-D_GNU_SOURCE', '-I', join(source, '../../common'), '-o', launcher, source]);
  });
  afterAll(() => rm(directory, { recursive: true }));

  /** A VM whose paths are those of a real host, none of which exists here, and must not. */
  function machine(fields: Partial<VmSpec> = {}, name = 'db') {
    const spec = vmSpecSchema.parse({
      name,
      memory: '64M',
      boot: { kernel: '/bin/true' },
      disks: [{ file: '/nonexistent/db.qcow2' }, { file: '/dev/nonexistent', format: 'raw' }],
      ...fields,
    });
    const boot = 'binary' in qemu ? qemu.binary : '';
    const argv = startCommandLine(spec, vmPaths(name), { binary: boot, accelerator: 'tcg' });
    const firmware = argv.indexOf('-kernel');
    return { name, argv: restoreCommandLine(argv.toSpliced(firmware, 2)), environment: {} };
  }

  const options = () => ({
    launcher,
    record: join(directory, 'record'),
    directory: join(directory, 'room'),
    memoryBytes: 64 * 2 ** 20,
    cpus: undefined,
    signal: new AbortController().signal,
  });

  test('saves and restores a machine with the VM’s devices, and leaves nothing behind', async () => {
    await rehearseRestore(machine(), options());
    expect(await readdir(directory)).toEqual(['exuvia-launch', 'record']);
    await expect(access('/run/exuvia/vms/db')).rejects.toMatchObject({ code: 'ENOENT' });
  });

  test('what has been rehearsed in this boot is not again', async () => {
    await rehearseRestore(machine(), { ...options(), launcher: '/nonexistent' });
    // Nor is another VM that is the same machine.
    await rehearseRestore(machine({}, 'web'), { ...options(), launcher: '/nonexistent' });
    const other = machine({ vcpus: 2 });
    await expect(rehearseRestore(other, { ...options(), launcher: '/nonexistent' })).rejects.toMatchObject({
      code: 'rehearsal-failed',
    });
  });

  test('a machine that this QEMU does not know fails it, with what QEMU said', async () => {
    await expect(rehearseRestore(machine({ machine: 'pc-q35-99.0' }), options())).rejects.toMatchObject({
      code: 'rehearsal-failed',
      message: 'VM db could not be restored in a rehearsal: QEMU ended with 1.',
      hint: expect.stringContaining('unsupported machine type'),
    });
    expect(await readdir(directory)).toEqual(['exuvia-launch', 'record']);
  });

  test('taps are left out: the machine has its NICs, on which nobody is', async () => {
    const networks = vmSpecSchema.shape.networks.parse([
      { bridge: 'br0' },
      { bridge: 'br0', model: 'vmxnet3' },
      { bridge: 'br1' },
      { user: true },
    ]);
    await rehearseRestore(machine({ networks, guestAgent: 'virtio-serial' }), options());
  });

  test.skipIf(newQemu === null)(
    'a virtio NIC whose rings the new QEMU does not take fails it, with what to do',
    async () => {
      const script = join(directory, 'new', 'qemu-system-x86_64');
      await writeQemuScript(script, newQemu ?? '');
      const between = (model: 'virtio' | 'vmxnet3') => {
        const { argv, ...rest } = machine({ disks: [], networks: [{ bridge: 'br0', model }] });
        return { ...rest, argv: commandLineFor(script, argv), savedBy: { argv, environment: {} } };
      };
      await expect(rehearseRestore(between('virtio'), options())).rejects.toMatchObject({
        code: 'rehearsal-failed',
        hint: expect.stringMatching(
          /vring\.num 1024 exceeds allocated max 256.*give its NICs `model: vmxnet3`/,
        ),
      });
      await rehearseRestore(between('vmxnet3'), options());
    },
  );
});
