import { join } from 'node:path';
import { findQemu } from '@exuvia/qemu/testing';
import { run } from '@exuvia/sys';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { QemuVms } from './manager.ts';
import { createVm, makeTestHost, type TestHost } from './test-room.ts';

const qemu = await findQemu();

let host: TestHost;
let vms: QemuVms;
beforeEach(async () => {
  host = await makeTestHost('binary' in qemu ? qemu.binary : '');
  vms = host.manager();
});
afterEach(async () => {
  await host.remove();
});

test.skipIf('missing' in qemu)(
  'a VM whose disk somebody holds when it is restored stands still, whole, and runs on when it is resumed',
  async () => {
    const file = join(host.dependencies.specs, 'disk.raw');
    await run('truncate', ['-s', '1M', file]);
    for (const name of ['one', 'other']) {
      await createVm(vms, host.spec(name, { disks: [{ file, format: 'raw' }] }));
    }
    await vms.start('one');
    const saved = `${file}.saved`;
    await vms.saveTo('one', saved);
    await vms.endSaved('one');
    await vms.start('other');

    await expect(vms.restoreFrom('one', saved)).rejects.toMatchObject({
      code: 'vm-not-resumed',
      message: expect.stringMatching(/^VM one is restored, but stands still: .*lock/),
      hint: 'Free what it waits for, then: exuvia vm resume one',
    });
    expect(await vms.get('one')).toMatchObject({ state: 'paused' });

    await vms.stop('other', { timeoutMs: 0 });
    await vms.resume('one');
    expect(await vms.get('one')).toMatchObject({ state: 'running' });
  },
);
