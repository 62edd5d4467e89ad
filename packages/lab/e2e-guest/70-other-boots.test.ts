import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { run } from '@exuvia/sys';
import { afterAll, expect, test } from 'vitest';
import { toolPath } from '../src/image/toolbox.ts';
import { kernelGuestInitramfs } from '../src/kernel-guests/files.ts';
import { type Bed, testBed } from './support/bed.ts';
import { told } from './support/exuvia.ts';
import { useGuest } from './support/guests.ts';
import { patchFile } from './support/patches.ts';
import { usePatching } from './support/patching.ts';

const bed: Bed = await testBed();
const folder = await mkdtemp(join(tmpdir(), 'exuvia-boots-'));
const snapshots = join(folder, 'snapshots.qcow2');
await run(toolPath(bed.base, 'qemu-img'), ['create', '-q', '-f', 'qcow2', snapshots, '4G']);
afterAll(() => rm(folder, { recursive: true, force: true }));

const kernel = bed.kernels.kernels['6.12'];
const guest = useGuest({
  kernel: '6.12',
  memoryBytes: 768 * 2 ** 20,
  files: [
    { path: 'next-kernel', source: kernel.image },
    { path: 'next-initramfs', source: await kernelGuestInitramfs(bed.kernels, kernel) },
  ],
  extra: ['-blockdev', `driver=qcow2,node-name=snapshots,file.driver=file,file.filename=${snapshots}`],
});
const patching = usePatching(guest);

const list = () => told(guest(), 'patch', 'list', ...patching.options);
const version = () => guest().output('cat /proc/version');

/** Keeps, or takes up again, the guest's whole state (QEMU's `snapshot-save` and `snapshot-load`). */
async function snapshot(what: 'save' | 'load'): Promise<void> {
  await patching.with(async ({ context: { machine } }) => {
    // Commands that Exuvia itself has no use for.
    const execute = (command: string, more: object = {}) =>
      machine.qmp.execute(command as 'query-status', more as never) as Promise<unknown>;
    await machine.release();
    const place = { tag: 'before', vmstate: 'snapshots', devices: ['snapshots'] };
    await execute(`snapshot-${what}`, { 'job-id': what, ...place });
    await expect
      .poll(() => execute('query-jobs'), { timeout: 120_000 })
      .toMatchObject([{ id: what, status: 'concluded' }]);
    expect(await execute('query-jobs')).not.toMatchObject([{ error: expect.any(String) }]);
    await execute('job-dismiss', { id: what });
  });
}

test('a guest that is restored from a snapshot of before has lost its patches, and that is said', async () => {
  await snapshot('save');
  const id = await patching.apply(await patchFile(bed, '6.12', 'version'));
  expect(await version()).toBe('Linux version patched');
  await snapshot('load');
  expect(await list()).toMatchObject({ patches: [], findings: [{ kind: 'guest-restored', ids: [id] }] });
  expect(await version()).toContain(kernel.release);
  expect(await list()).toEqual({ patches: [], findings: [] });
});

test('a guest that has started another kernel by itself has lost its patches, and that is said', async () => {
  const id = await patching.apply(await patchFile(bed, '6.12', 'version'));
  await guest().reboot('kexec /next-kernel /next-initramfs');
  expect(await version()).toContain(kernel.release);
  expect(await list()).toMatchObject({
    patches: [],
    findings: [{ kind: 'guest-restarted', ids: [id], wasRelease: kernel.release }],
  });
  await patching.rollback(await patching.apply(await patchFile(bed, '6.12', 'version')));
});
