import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { GUEST_FILES, guestOfRole } from '../src/guests/specs.ts';
import { otherKernel, waitForAgent } from '../src/host/agent.ts';
import { DATA_DISK } from '../src/host/qemu-command.ts';
import { labRun } from '../src/host/ssh.ts';
import { HOST_QEMU, newQemuOf } from '../src/image/qemus.ts';
import { observeLab } from '../src/observer/lab.ts';
import type { Observer } from '../src/observer/observer.ts';
import { patience } from '../src/support/patience.ts';
import { type ObservedUpdate, observedUpdate } from '../src/update/observed-update.ts';
import { expectGuestsLivedOn } from './support/expect-guests.ts';
import { ask, endOf, freshLab, progress, untilHeld } from './support/lab.ts';

/** Guests that write without rest, each to another kind of disk, and read everything back again. */
const lab = await freshLab({ withStore: true, dataDisk: true });
const LIMIT_MS = 240_000;
const DATA = `/dev/disk/by-id/scsi-0QEMU_QEMU_HARDDISK_${DATA_DISK}`;
const IMAGES = '/srv/images';
const RAW = `${IMAGES}/raw.img`;
const TOP = `${GUEST_FILES}/top.qcow2`;
const DEVICE = `${DATA}-part2`;
const DISKS = {
  // On another file system than everything else, past the host's page cache.
  raw: { file: RAW, format: 'raw', cache: 'none' },
  // What it is based on lies on the other file system.
  chain: { file: TOP, format: 'qcow2', cache: 'writeback' },
  device: { file: DEVICE, format: 'raw', cache: 'directsync' },
} as const;
const NAMES = Object.keys(DISKS);
let observer: Observer;

const host = (command: string) => labRun(lab, command, { timeoutMs: LIMIT_MS });

beforeAll(async () => {
  const empty = `${GUEST_FILES}/disk.qcow2`;
  await host(`set -e
    mkfs.ext4 -q ${DATA}-part1; mkdir -p ${IMAGES}; mount ${DATA}-part1 ${IMAGES}
    echo "UUID=$(blkid -s UUID -o value ${DATA}-part1) ${IMAGES} ext4 nofail 0 2" >> /etc/fstab
    qemu-img convert -O raw ${empty} ${RAW}
    qemu-img convert -n -O raw ${empty} ${DEVICE}
    cp ${empty} ${IMAGES}/base.qcow2
    qemu-img create -q -f qcow2 -b ${IMAGES}/base.qcow2 -F qcow2 ${TOP}`);
  for (const [name, disk] of Object.entries(DISKS)) {
    const spec = guestOfRole('disk', { name, memory: '160M', disks: [disk] });
    await ask(lab, async (client) => {
      await client.createVm(spec);
      await client.startVm(name);
    });
  }
  observer = observeLab(lab, await ask(lab, (client) => client.host()), NAMES);
  await observer.waitForBeats(LIMIT_MS, 200);
  await observer.waitForWork(LIMIT_MS);
});
afterAll(async () => {
  await observer.stop();
  for (const name of NAMES) await ask(lab, (client) => client.destroyVm(name));
});

/** One update, in which every guest lives on and finds nothing wrong on its disk. */
async function update(request: Parameters<typeof observedUpdate>[2]): Promise<ObservedUpdate> {
  const { now: from } = await observer.peek();
  const seen = await observedUpdate(lab, observer, request, progress);
  expect(seen.update).toMatchObject({ state: 'completed', reason: null });
  await expectGuestsLivedOn(observer, from, NAMES);
  return seen;
}

/** Nobody else can write to the images; nor to one that others are based on. */
async function imagesAreLocked(): Promise<void> {
  const files = [`raw ${RAW}`, `qcow2 ${TOP}`, `qcow2 ${IMAGES}/base.qcow2`, `raw ${DEVICE}`];
  const open = (file: string) =>
    `qemu-io -f ${file} -c 'write 0 0' 2>&1 | grep -c 'Failed to get "write" lock'`;
  const { stdout } = await host(`${files.map((file) => open(file)).join('; ')}; true`);
  expect(stdout.split('\n')).toEqual(files.map(() => '1'));
}

test('the plan knows what every disk lies on, backing files and devices included', async () => {
  await imagesAreLocked();
  const kernel = await otherKernel(lab);
  const { checks } = await ask(lab, (client) => client.makePlan({ kernel }));
  const reason = (id: string, subject: string) =>
    checks.find((check) => check.id === id && check.subject === subject)?.reason;
  expect(reason('vm-disks', 'chain')).toContain(`${IMAGES}/base.qcow2 (read only)`);
  expect(reason('vm-disks-there', 'chain')).toBe(`Its disks are there (/, ${IMAGES}) when it is restored.`);
  expect(reason('vm-disks-there', 'device')).toBe(`Its disks are there (${DEVICE}) when it is restored.`);
  expect(reason('early-restore', 'host')).toMatch(
    new RegExp(`mounts /, ${IMAGES} and the store, and finds ${DEVICE}\\.$`),
  );
});

test.each([
  [
    'of device mapper',
    '/dev/mapper/exuvia-test',
    'it is made by LVM, LUKS or multipath, which only the host’s userland can put together',
  ],
  ['by a name of its driver', '/dev/sda3', 'the new kernel may give that name to another device'],
])('a disk %s is refused for a kexec, for its VM alone', async (_, file, why) => {
  await host(`modprobe dm_mod; echo 0 32768 linear ${DATA}-part3 0 | dmsetup create exuvia-test; true`);
  const spec = guestOfRole('tiny', { name: 'odd', memory: '96M', disks: [{ file, format: 'raw' }] });
  await ask(lab, async (client) => {
    await client.createVm(spec);
    await client.startVm('odd');
  });
  const plan = await ask(lab, async (client) =>
    client.makePlan({ kernel: await otherKernel(lab), handover: 'kexec' }),
  );
  await ask(lab, (client) => client.destroyVm('odd'));
  await host('dmsetup remove exuvia-test; true');
  expect(plan.executable).toBe(false);
  expect(plan.checks.filter(({ verdict }) => verdict === 'fail')).toMatchObject([
    {
      id: 'vm-disks-there',
      subject: 'odd',
      reason: `${file} is not there before the host’s userland: ${why}.`,
    },
  ]);
});

test('kernels are replaced under load, forth and back', async () => {
  for (const _ of ['forth', 'back']) {
    const kernel = await otherKernel(lab);
    const { report } = await update({ kernel, handover: 'kexec' });
    // By the early restore, not by the agent afterwards.
    expect(report.vms.map(({ phases }) => phases.length > 0)).toEqual(NAMES.map(() => true));
    expect((await host('uname -r')).stdout).toBe(kernel);
    await imagesAreLocked();
  }
});

test.each(Array.from({ length: 10 }, (_, round) => round))(
  'updates of QEMU under load, forth and back, round %d of ten: nothing that was fsync’ed is missing',
  async (round) => {
    await update({ qemu: newQemuOf(lab), handover: 'vmm', parallel: 3 });
    if (round === 0) await imagesAreLocked();
    await update({ qemu: HOST_QEMU, handover: 'vmm', parallel: 3 });
    if (round === 0) await imagesAreLocked();
  },
);

test('kernel modules are replaced under load', async () => {
  await update({ modules: ['kvm'] });
  await imagesAreLocked();
});

test('a host disk that is full in the middle of an update of QEMU costs nothing', async () => {
  const { now: from } = await observer.peek();
  const fault = { step: 'compare-machines', action: 'hold', when: 'after' } as const;
  const { id } = await ask(lab, (client) =>
    client.startUpdate({ qemu: newQemuOf(lab), handover: 'vmm', fault }),
  );
  await untilHeld(lab, id, 'compare-machines');
  await host(
    `dd if=/dev/zero of=/filler bs=1M 2>/dev/null; dd if=/dev/zero of=${IMAGES}/filler bs=1M 2>/dev/null; true`,
  );
  await ask(lab, (client) => client.continue(id));
  const { state } = await endOf(lab, id);
  await host(`rm /filler ${IMAGES}/filler`);
  expect(['completed', 'aborted']).toContain(state);
  // QEMU stops a guest whose image needs room, rather than let a write fail.
  for (const vm of await ask(lab, (client) => client.vms())) {
    if (vm.state === 'failed') await ask(lab, (client) => client.startVm(vm.name));
  }
  await expectGuestsLivedOn(observer, from, NAMES);
});

test('an ordinary reboot finds the disks again', async () => {
  await update({ kernel: await otherKernel(lab), handover: 'reboot' });
  await imagesAreLocked();
});

test('QEMUs that are killed take no record with them that was acknowledged', async () => {
  await host('for vm in raw chain device; do kill -9 $(cat /run/exuvia/vms/$vm/qemu.pid); done; sleep 2');
  const beats = await ask(lab, (client) => Promise.all(NAMES.map((name) => client.heartbeat(name))));
  for (const [index, name] of NAMES.entries()) {
    const written = Number(beats[index]?.written);
    expect(beats[index]).toMatchObject({ errors: '0' });
    expect(written).toBeGreaterThan(100);
    await host(`: > /var/log/exuvia/vms/${name}.console.log`);
    await ask(lab, (client) => client.startVm(name));
    // The second line comes when each of them was read: an error among the newest is counted by then.
    const said = /disk: records (\d+) to (\d+) are there.*disk: all of them are read/s;
    let found: RegExpExecArray | null = null;
    for (let tries = 0; found === null && tries < 60 * patience; tries++) {
      await sleep(2000);
      found = said.exec((await host(`cat /var/log/exuvia/vms/${name}.console.log`)).stdout);
    }
    expect(Number(found?.[2])).toBeGreaterThanOrEqual(written);
  }
  await waitForAgent(lab, LIMIT_MS);
  const fresh = observeLab(lab, await ask(lab, (client) => client.host()), NAMES);
  await fresh.waitForWork(LIMIT_MS);
  const { vms } = await fresh.peek();
  await fresh.stop();
  expect(vms.map(({ name, errors }) => [name, errors])).toEqual(NAMES.map((name) => [name, 0]));
});
