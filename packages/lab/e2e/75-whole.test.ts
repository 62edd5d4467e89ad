import type { Report, Vm } from '@exuvia/contract';
import { vmPaths } from '@exuvia/contract';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { labProbe } from '../src/guests/program.ts';
import { GUEST_FILES, guestOfRole } from '../src/guests/specs.ts';
import { initramfsWithAgent } from '../src/guests/with-agent.ts';
import { labCopy, labRun } from '../src/host/ssh.ts';
import { buildBase } from '../src/image/base.ts';
import { machineMirror } from '../src/image/mirror.ts';
import { observeLab } from '../src/observer/lab.ts';
import type { Observer } from '../src/observer/observer.ts';
import { observedUpdate } from '../src/update/observed-update.ts';
import { expectGuestsLivedOn } from './support/expect-guests.ts';
import { ask, otherKernel, progress, sharedLab } from './support/lab.ts';

/** A guest with everything that a VM can have, through every kind of update. */
const lab = await sharedLab();
const OLD_QEMU = '/usr/bin/qemu-system-x86_64';
const LIMIT_MS = 240_000;
const CID = 42;
const PROBE = `${GUEST_FILES}/probe`;
const NAMES = ['whole', 'plain'];
const PATHS = vmPaths('whole');
let observer: Observer;

const host = async (command: string) => (await labRun(lab, command, { timeoutMs: LIMIT_MS })).stdout;

beforeAll(async () => {
  const base = await buildBase({ mirror: await machineMirror(), refresh: false }, progress);
  await labCopy(lab, await initramfsWithAgent(base), `${GUEST_FILES}/initrd-agent`);
  await labCopy(lab, (await labProbe()).path, PROBE);
  await host(`chmod 755 ${PROBE}`);
  const plain = guestOfRole('tiny', { name: 'plain', memory: '128M', priority: 20 });
  const { boot } = plain;
  const whole = guestOfRole('tiny', {
    ...{ name: 'whole', memory: '224M', priority: 10, guestAgent: true, vsockCid: CID, nice: 5 },
    ...{ cpuAffinity: '2', limits: { cpuWeight: 250, cpuQuota: '180%', memoryHigh: '1G' } },
    boot: {
      ...boot,
      initrd: `${GUEST_FILES}/initrd-agent`,
      cmdline: 'console=ttyS0 quiet panic=-1 role=tiny name=whole',
    },
  });
  for (const spec of [whole, plain]) {
    await ask(lab, async (client) => {
      await client.createVm(spec);
      await client.startVm(spec.name);
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

/** Everything of the VM that the host has, but for what is another one each time: its process and its QEMU. */
async function everything(): Promise<object> {
  const vms = await ask(lab, (client) => client.vms());
  const vm = vms.find(({ name }) => name === 'whole');
  const cgroup = `/sys/fs/cgroup/exuvia.slice/${PATHS.scope}`;
  const threads = `/proc/${vm?.pid}/task/*`;
  return {
    vms: vms.map(({ pid: _, qemu: __, ...rest }: Vm) => rest),
    list: await host('exuvia vm list'),
    scope: await host(
      `systemctl show ${PATHS.scope} -p ActiveState,Slice,CPUWeight,CPUQuotaPerSecUSec,MemoryHigh,ControlGroup`,
    ),
    cgroup: await host(`cat ${cgroup}/cpu.weight ${cgroup}/cpu.max ${cgroup}/memory.high`),
    // Of every thread; the kernel's own helpers of a VM (kvm-nx-lpage-re) keep those of their maker.
    cpus: await host(`grep -h Cpus_allowed_list ${threads}/status | sort -u`),
    nice: await host(`awk '{ print $19 }' /proc/${vm?.pid}/stat`),
    files: await host(`ls ${PATHS.runtime}`),
    vsock: await host(`${PROBE} vsock ${CID} 1024`),
    logStart: await host(`head -c 400 ${PATHS.consoleLog}`),
  };
}

/** By how much a guest's wall clock is behind the host's, in ms, read from its memory. */
const behindMs = async (name: string) => Number(await host(`${PROBE} clock ${vmPaths(name).ram}`)) / 1000;

const clockOf = (report: Report, name: string) => report.vms.find((vm) => vm.name === name)?.clock ?? null;

test('the VM has what its spec says', async () => {
  expect(await everything()).toMatchObject({
    scope: expect.stringContaining('CPUWeight=250'),
    cgroup: '250\n180000 100000\n1073741824',
    cpus: 'Cpus_allowed_list:\t2',
    nice: '5',
    files: 'console.sock\nguest-agent.sock\nhandover.sock\nqemu.pid\nqmp.sock',
    vsock: `whole ${CID}`,
  });
});

test.each<[string, () => Promise<Parameters<typeof observedUpdate>[2]>]>([
  ['an update of QEMU', async () => ({ qemu: '11.1', handover: 'vmm', parallel: 2 })],
  ['the way back', async () => ({ qemu: OLD_QEMU, handover: 'vmm' })],
  ['an update of the kernel', async () => ({ kernel: await otherKernel(lab), handover: 'kexec' })],
  ['an update of its modules', async () => ({ modules: ['kvm'] })],
  ['a restart of the host', async () => ({ kernel: await otherKernel(lab), handover: 'reboot' })],
])('through %s it keeps all of it, and its clock is right', async (_, request) => {
  const before = await everything();
  const logged = Number(await host(`stat -c %s ${PATHS.consoleLog}`));
  const { now: from } = await observer.peek();
  const lateBefore = await behindMs('plain');
  const { report, update } = await observedUpdate(lab, observer, await request(), progress);
  expect(update).toMatchObject({ state: 'completed', reason: null });
  await expectGuestsLivedOn(observer, from, NAMES);
  expect(await everything()).toEqual(before);
  expect(Number(await host(`stat -c %s ${PATHS.consoleLog}`))).toBeGreaterThanOrEqual(logged);

  const clock = clockOf(report, 'whole');
  expect(clock).not.toBeNull();
  // Seen in its memory, whatever its agent says.
  expect(Math.abs(await behindMs('whole'))).toBeLessThan(10);
  // Without an agent: by as much as the report says that it was paused.
  const paused = report.vms.find(({ name }) => name === 'plain')?.pausedMs ?? Number.NaN;
  expect(clockOf(report, 'plain')).toBeNull();
  expect((await behindMs('plain')) - lateBefore).toBeGreaterThan(paused * 0.9 - 10);
});

test('console and guest agent answer at the same places', async () => {
  const connects = (socket: string) =>
    host(`/usr/lib/exuvia/node/bin/node -e '
      const socket = require("net").connect("${socket}", () => { console.log("connected"); process.exit(0); });
      socket.on("error", () => process.exit(1));'`);
  expect(await connects(PATHS.console)).toBe('connected');
  expect(await connects(PATHS.guestAgent)).toBe('connected');
});
