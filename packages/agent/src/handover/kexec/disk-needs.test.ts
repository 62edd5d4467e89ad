import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { run } from '@exuvia/sys';
import { temporaryDirectory } from '@exuvia/sys/testing';
import { expect, test } from 'vitest';
import { diskNeeds } from './disk-needs.ts';

test('an image in memory ends with the kernel: it is refused by name', async () => {
  const path = join(await temporaryDirectory('/dev/shm'), 'web.qcow2');
  await writeFile(path, '');
  await expect(diskNeeds([{ path, driver: 'file', readOnly: false }])).rejects.toMatchObject({
    code: 'disk-unsupported',
    message: `${path} is not there before the host’s userland: it lies in memory (tmpfs), which ends with the kernel.`,
    hint: 'Use `--handover reboot` for this host, or onFailure in the VM’s spec.',
  });
});

test('an image that is no file of this host is refused with the driver that reaches it', async () => {
  await expect(
    diskNeeds([{ path: 'nbd://10.0.0.1:10809/a', driver: 'nbd', readOnly: false }]),
  ).rejects.toThrow(
    'nbd://10.0.0.1:10809/a is not there before the host’s userland: QEMU reaches it by nbd.',
  );
});

const device = (await run('findmnt', ['-no', 'SOURCE', '/'])).stdout;

test.skipIf(!/^\/dev\/(vd|sd|nvme)/.test(device))(
  'a device by a name that its driver counts out is refused, with the name to use instead',
  async () => {
    await expect(diskNeeds([{ path: device, driver: 'host_device', readOnly: false }])).rejects.toMatchObject(
      {
        code: 'disk-unsupported',
        message: `${device} is not there before the host’s userland: the new kernel may give that name to another device.`,
        hint: 'Name it by one of its links below /dev/disk/by-id in the spec; stop and start the VM.',
      },
    );
  },
);

test('no images need nothing', async () => {
  expect(await diskNeeds([])).toEqual({ mounts: [], devices: [] });
});
