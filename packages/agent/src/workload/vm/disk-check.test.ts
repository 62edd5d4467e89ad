import { existsSync } from 'node:fs';
import { copyFile, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { QmpClient } from '@exuvia/qemu';
import { findQemu } from '@exuvia/qemu/testing';
import { run } from '@exuvia/sys';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { QemuVms } from './manager.ts';
import { createVm, makeTestHost, type TestHost } from './test-room.ts';

const qemu = await findQemu();
const binary = 'binary' in qemu ? qemu.binary : '';
const beside = join(dirname(binary), 'qemu-img');
const qemuImg = existsSync(beside) ? beside : 'qemu-img';

let host: TestHost;
let vms: QemuVms;
beforeEach(async () => {
  host = await makeTestHost(binary);
  vms = host.manager();
});
afterEach(() => host.remove());

const image = (name: string) => join(host.dependencies.specs, '..', name);

/** A VM with an image on another one on a third, a raw one, and one that it only reads. */
async function startVm(): Promise<void> {
  await run(qemuImg, ['create', '-f', 'raw', image('base.raw'), '8M']);
  await run(qemuImg, ['create', '-f', 'qcow2', '-b', 'base.raw', '-F', 'raw', image('golden.qcow2')]);
  await run(qemuImg, ['create', '-f', 'qcow2', '-b', 'golden.qcow2', '-F', 'qcow2', image('top.qcow2')]);
  await run(qemuImg, ['create', '-f', 'raw', image('data.raw'), '8M']);
  await run(qemuImg, ['create', '-f', 'raw', image('seed.raw'), '1M']);
  const disks = [
    { file: image('top.qcow2'), cache: 'writeback' },
    { file: image('data.raw'), format: 'raw', cache: 'directsync' },
    { file: image('seed.raw'), format: 'raw', cache: 'writethrough', readOnly: true },
  ];
  await createVm(vms, host.spec('web', { disks }));
  await vms.start('web');
}

const diskCheck = async () => (await vms.checks('web')).find(({ id }) => id === 'vm-disks');

/** What opening an image for writing says; an empty text where it can be opened. */
async function openForWriting(name: string): Promise<string> {
  const format = name.endsWith('.qcow2') ? 'qcow2' : 'raw';
  const { stderr } = await run(qemuImg, ['resize', '-f', format, image(name), '16M'], { allowFailure: true });
  return stderr;
}

describe.skipIf('missing' in qemu)('the disks of a VM with a real QEMU', () => {
  test('are those that it has open, with all that they are based on', async () => {
    await startVm();
    const images = (await vms.images('web')).toSorted((a, b) => a.path.localeCompare(b.path));
    expect(images).toEqual([
      { path: image('base.raw'), driver: 'file', readOnly: true },
      { path: image('data.raw'), driver: 'file', readOnly: false },
      { path: image('golden.qcow2'), driver: 'file', readOnly: true },
      { path: image('seed.raw'), driver: 'file', readOnly: true },
      { path: image('top.qcow2'), driver: 'file', readOnly: false },
    ]);
    expect(await diskCheck()).toMatchObject({
      verdict: 'ok',
      reason: expect.stringContaining(`${image('golden.qcow2')} (read only)`),
    });
  });

  test('are locked against others, before and after it was saved and taken up again', async () => {
    await startVm();
    const locked = async () => {
      expect(await openForWriting('top.qcow2')).toContain('Failed to get "write" lock');
      expect(await openForWriting('golden.qcow2')).toContain('Failed to get "write" lock');
      expect(await openForWriting('data.raw')).toContain('Failed to get "write" lock');
    };
    await locked();
    await vms.saveInPlace('web');
    await vms.endSaved('web');
    await vms.restoreInPlace('web');
    await locked();
    await createVm(vms, host.spec('thief', { disks: [{ file: image('data.raw'), format: 'raw' }] }));
    await expect(vms.start('thief')).rejects.toMatchObject({
      code: 'vm-start-failed',
      message: expect.stringContaining('Failed to get "write" lock'),
    });
  });

  test('a backing file that is missing, or an image of another format, is an error of the start', async () => {
    await run(qemuImg, ['create', '-f', 'raw', image('base.raw'), '8M']);
    await run(qemuImg, ['create', '-f', 'qcow2', '-b', 'base.raw', '-F', 'raw', image('top.qcow2')]);
    await createVm(vms, host.spec('web', { disks: [{ file: image('base.raw') }] }));
    await expect(vms.start('web')).rejects.toThrow('Image is not in qcow2 format');
    await rm(image('base.raw'));
    await createVm(vms, host.spec('two', { disks: [{ file: image('top.qcow2') }] }));
    await expect(vms.start('two')).rejects.toThrow(
      `Could not open backing file: Could not open '${image('base.raw')}': No such file or directory`,
    );
  });

  test('a file that was replaced while it is open fails the check: another QEMU would open another file', async () => {
    await startVm();
    await copyFile(image('base.raw'), image('copy.raw'));
    await rm(image('base.raw'));
    await copyFile(image('copy.raw'), image('base.raw'));
    expect(await diskCheck()).toMatchObject({
      verdict: 'fail',
      reason: `${image('base.raw')} was removed or replaced while it has it open.`,
    });
  });

  test('a disk that was moved to a snapshot fails the check: another QEMU would open the old image', async () => {
    await startVm();
    const monitor = await QmpClient.connect(host.dependencies.paths('web').handoverQmp);
    // Others take snapshots; Exuvia has no use for the command, and so no types of it.
    const snapshot = { 'node-name': 'disk0', 'snapshot-file': image('snapshot.qcow2') };
    await monitor.execute(
      'blockdev-snapshot-sync' as 'stop',
      { ...snapshot, 'snapshot-node-name': 's' } as never,
    );
    monitor.close();
    expect(await diskCheck()).toMatchObject({
      verdict: 'fail',
      reason:
        'Since its start disks were moved to other images (number 1): the next QEMU would open the old ones.',
    });
  });
});
