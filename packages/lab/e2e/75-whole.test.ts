import { type Report, type Vm, type VmSpec, vmPaths } from '@exuvia/contract';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { GUEST_FILES, guestOfRole } from '../src/guests/specs.ts';
import { CHRONY, GUEST_AGENT, initramfsWith } from '../src/guests/with-daemon.ts';
import { otherKernel, waitForAgent } from '../src/host/agent.ts';
import { waitUntil } from '../src/host/machine.ts';
import { labCopy, labRun } from '../src/host/ssh.ts';
import { buildBase } from '../src/image/base.ts';
import { machineMirror } from '../src/image/mirror.ts';
import { HOST_QEMU, newQemuOf } from '../src/image/qemus.ts';
import { observeLab } from '../src/observer/lab.ts';
import type { Observer } from '../src/observer/observer.ts';
import { observedUpdate } from '../src/update/observed-update.ts';
import { expectGuestsLivedOn } from './support/expect-guests.ts';
import { ask, endOf, progress, sharedLab, untilRebooted } from './support/lab.ts';
import { clockBehindMs, expectNeverPaused, PROBE, putProbe } from './support/paused.ts';

/** A guest with everything that a VM can have, through every kind of update. */
const lab = await sharedLab();
const LIMIT_MS = 240_000;
const CID = 42;
let observer: Observer;

const host = async (command: string) => (await labRun(lab, command, { timeoutMs: LIMIT_MS })).stdout;

beforeAll(async () => {
  const base = await buildBase({ mirror: await machineMirror(), refresh: false }, progress);
  await labCopy(lab, await initramfsWith(GUEST_AGENT, base), `${GUEST_FILES}/initrd-agent`);
  await labCopy(lab, await initramfsWith(CHRONY, base), `${GUEST_FILES}/initrd-chrony`);
  await putProbe(lab);
  await start(guestOfRole('tiny', { name: 'plain', memory: '128M', priority: 20 }));
  await start(withDaemon('chrony', { name: 'ptp', memory: '160M' }));
  await start(
    withDaemon('agent', { name: 'serial', guestAgent: 'isa-serial', nice: -3, limits: { cpuWeight: 40 } }),
  );
  observer = await watch(['plain', 'ptp', 'serial']);
  await untilAgentAnswers('serial');
});
afterAll(async () => {
  await observer.stop();
  for (const { name } of await ask(lab, (client) => client.vms())) {
    await ask(lab, (client) => client.destroyVm(name));
  }
});

/** A guest in which a daemon of Debian's runs: qemu-guest-agent, or chrony with the clock of ptp_kvm. */
function withDaemon(daemon: 'agent' | 'chrony', part: { name: string } & Record<string, unknown>): VmSpec {
  const cmdline = `console=ttyS0 quiet panic=-1 role=tiny name=${part.name}`;
  const { boot, ...rest } = guestOfRole('tiny', { memory: '224M', priority: 10, ...part });
  const initrd = `${GUEST_FILES}/initrd-${daemon}`;
  return { ...rest, boot: { ...boot, initrd, cmdline } as VmSpec['boot'] };
}

async function watch(names: readonly string[]): Promise<Observer> {
  const watching = observeLab(lab, await ask(lab, (client) => client.host()), names);
  await watching.waitForBeats(LIMIT_MS, 200);
  return watching;
}

async function start(spec: VmSpec): Promise<void> {
  await ask(lab, async (client) => {
    await client.createVm(spec);
    await client.startVm(spec.name);
  });
}

/** Everything of a VM that the host has, but for what is another one each time: its process and its QEMU. */
async function everything(name: string): Promise<object> {
  const vms = await ask(lab, (client) => client.vms());
  const pid = vms.find((vm) => vm.name === name)?.pid;
  const { scope, runtime, consoleLog } = vmPaths(name);
  const cgroup = `/sys/fs/cgroup/exuvia.slice/${scope}`;
  return {
    vms: vms.map(({ pid: _, qemu: __, ...rest }: Vm) => rest),
    list: await host('exuvia vm list'),
    scope: await host(
      `systemctl show ${scope} -p ActiveState,Slice,CPUWeight,CPUQuotaPerSecUSec,MemoryHigh,ControlGroup`,
    ),
    cgroup: await host(`cat ${cgroup}/cpu.weight ${cgroup}/cpu.max ${cgroup}/memory.high`),
    cpus: await host(`grep -h Cpus_allowed_list /proc/${pid}/task/*/status | sort -u`),
    nice: await host(`awk '{ print $19 }' /proc/${pid}/stat`),
    files: await host(`ls ${runtime}`),
    logStart: await host(`head -n 1 ${consoleLog}`),
  };
}

/** What the guest says to a caller by vsock: its name, and the address that it believes to have. */
const answer = () => host(`${PROBE} vsock ${CID} 1024`);

const PING = '{"execute":"guest-ping"}';

/** What comes first from a socket of the host after this was written to it; without a question, whether it is there. */
const saidBy = (socket: string, question: string) =>
  host(`/usr/lib/exuvia/node/bin/node -e '
    const socket = require("net").connect("${socket}", () => {
      if (process.argv[1] !== "") return socket.write(process.argv[1] + "\\n");
      console.log("connected");
      process.exit(0);
    });
    socket.on("data", (said) => { console.log(said.toString().trim()); process.exit(0); });
    socket.on("error", () => process.exit(1));
    setTimeout(() => process.exit(2), 5000);' '${question}'`);

/** A guest's heart beats before its agent is up. */
const untilAgentAnswers = (name: string) =>
  waitUntil(lab, `The guest agent of ${name}`, LIMIT_MS, async () =>
    (await saidBy(vmPaths(name).guestAgent, PING)).includes('return') ? name : null,
  );

const behindMs = (name: string) => clockBehindMs(lab, name);

/** Less than what a guest is behind without it, after any update: chrony looks every four seconds. */
const followsHost = (name: string) =>
  waitUntil(lab, `The clock of ${name}, within 10 ms of its host's`, LIMIT_MS, async () =>
    Math.abs(await behindMs(name)) < 10 ? name : null,
  );

const clockOf = (report: Report, name: string) => report.vms.find((vm) => vm.name === name)?.clock ?? null;

/** One update, through which the VM keeps everything, and after which its clock is right. */
async function keepsAll(name: string, request: Parameters<typeof observedUpdate>[2]): Promise<void> {
  const { consoleLog } = vmPaths(name);
  const before = await everything(name);
  const logged = Number(await host(`stat -c %s ${consoleLog}`));
  const { now: from } = await observer.peek();
  const late = await behindMs('plain');
  const { report, update, plan } = await observedUpdate(lab, observer, request, progress);
  expect(update).toMatchObject({ state: 'completed', reason: null });
  await expectGuestsLivedOn(observer, from, plan.vms.map((vm) => vm.name).sort());
  expect(await everything(name)).toEqual(before);
  expect(Number(await host(`stat -c %s ${consoleLog}`))).toBeGreaterThanOrEqual(logged);

  const clock = clockOf(report, name);
  expect(clock).not.toBeNull();
  // Seen in its memory, whatever its agent says.
  expect(Math.abs(await behindMs(name)), JSON.stringify(clock)).toBeLessThan(10);
  await followsHost('ptp');
  // Without an agent: by as much as the report says that it was paused, or, but for a kexec, by no more.
  const paused = report.vms.find((vm) => vm.name === 'plain')?.pausedMs ?? Number.NaN;
  expect(clockOf(report, 'plain')).toBeNull();
  const more = (await behindMs('plain')) - late;
  expect(more).toBeGreaterThan(plan.handover === 'kexec' ? paused * 0.9 - 10 : 0);
  expect(more).toBeLessThan(paused * 1.1 + 10);
}

test('a guest agent on a serial port is there in another QEMU, and in the old one again', async () => {
  expect(await everything('serial')).toMatchObject({
    scope: expect.stringContaining('CPUWeight=40'),
    nice: '-3',
    files: 'console.sock\nguest-agent.sock\nhandover.sock\nqemu.pid\nqmp.sock',
  });
  await keepsAll('serial', { qemu: newQemuOf(lab), handover: 'vmm', parallel: 2 });
  await keepsAll('serial', { qemu: HOST_QEMU, handover: 'vmm', parallel: 2 });
  await ask(lab, (client) => client.destroyVm('serial'));
});

test('a VM has what its spec says', async () => {
  const limits = { cpuWeight: 250, cpuQuota: '180%', memoryHigh: '1G' };
  const own = { guestAgent: 'virtio-serial', vsockCid: CID, nice: 5, cpuAffinity: '2', limits };
  await start(withDaemon('agent', { name: 'whole', ...own }));
  await observer.stop();
  observer = await watch(['plain', 'ptp', 'whole']);
  await untilAgentAnswers('whole');
  expect(await everything('whole')).toMatchObject({
    scope: expect.stringContaining('CPUWeight=250'),
    cgroup: '250\n180000 100000\n1073741824',
    cpus: 'Cpus_allowed_list:\t2',
    nice: '5',
  });
  expect(await answer()).toBe(`whole ${CID}`);
});

test('what two builds of QEMU do not agree on is found before anything is paused', async () => {
  const { now: from } = await observer.peek();
  const behind = await behindMs('plain');
  const { id } = await ask(lab, (client) => client.startUpdate({ qemu: newQemuOf(lab), handover: 'vmm' }));
  const { state, reason } = await endOf(lab, id);
  expect([state, reason]).toEqual([
    'aborted',
    expect.stringContaining('VM whole could not be restored in a rehearsal'),
  ]);
  await expectGuestsLivedOn(observer, from, ['plain', 'ptp', 'whole']);
  await expectNeverPaused(lab, 'plain', behind);
});

test.each<[string, () => Promise<Parameters<typeof observedUpdate>[2]>]>([
  ['a new process of the same QEMU', async () => ({ qemu: HOST_QEMU, handover: 'vmm' })],
  ['an update of the kernel', async () => ({ kernel: await otherKernel(lab), handover: 'kexec' })],
  ['an update of its modules', async () => ({ modules: ['kvm', 'vhost_vsock'] })],
  ['a restart of the host', async () => ({ kernel: await otherKernel(lab), handover: 'reboot' })],
])('through %s it keeps all of it, and its clock is right', async (_, request) => {
  await keepsAll('whole', await request());
  expect(await answer()).toBe(`whole ${CID}`);
});

test('console and guest agent answer at the same places', async () => {
  expect(await saidBy(vmPaths('whole').console, '')).toBe('connected');
  expect(await saidBy(vmPaths('whole').guestAgent, PING)).toBe('{"return": {}}');
});

test('a host that shuts down powers its guests down before their QEMUs end', async () => {
  const before = await host('mkdir -p /var/log/journal && cat /proc/sys/kernel/random/boot_id');
  await labRun(lab, 'journalctl --flush; systemctl reboot --no-block', { allowFailure: true });
  await untilRebooted(lab, before);
  await waitForAgent(lab, LIMIT_MS);
  const said = await host('journalctl --boot=-1 --unit=exuvia-guests.service --output=cat');
  expect(said).toContain('VM plain is stopped.');
  expect(said).toContain('VM whole is stopped.');
});
