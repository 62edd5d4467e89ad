import { HOST_PATHS } from '@exuvia/contract';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { GUEST_NAMES } from '../src/guests/specs.ts';
import { waitForAgent } from '../src/host/agent.ts';
import { labCopy, labRun } from '../src/host/ssh.ts';
import { builtPackage } from '../src/image/image.ts';
import { expectGuestsLivedOn } from './support/expect-guests.ts';
import { ask, freshLab, qemusByVm, snapshotOf, untilRebooted, watchedGuests } from './support/lab.ts';

/** The package as an administrator upgrades, removes and purges it, with VMs running; nothing of it is left in the end. */
const lab = await freshLab({ withStore: true });
const observer = await watchedGuests(lab);
afterAll(() => observer.stop());

const AGENT_LIMIT_MS = 240_000;
const LIMIT_MS = 300_000;
const DEB = '/root/exuvia.deb';
const LEFT = [HOST_PATHS.specs, '/var/lib/exuvia', HOST_PATHS.logs, '/etc/default/grub.d/exuvia.cfg'];

beforeAll(async () => {
  await labCopy(lab, (await builtPackage()) ?? '', DEB);
});

/** What dpkg and the package's scripts say. */
const dpkg = async (...args: readonly string[]) =>
  (await labRun(lab, `DEBIAN_FRONTEND=noninteractive dpkg ${args.join(' ')} 2>&1`, { timeoutMs: LIMIT_MS }))
    .stdout;

const agentPid = async () =>
  (await labRun(lab, 'systemctl show -P MainPID exuvia-agent', { allowFailure: true })).stdout;

const qemus = async () => (await snapshotOf(lab)).qemus;

test('an upgrade starts another agent, and touches no VM', async () => {
  const { now: from } = await observer.peek();
  const [before, agent] = [await qemus(), await agentPid()];
  await dpkg('--install', DEB);
  await waitForAgent(lab, AGENT_LIMIT_MS);
  expect(await agentPid()).not.toBe(agent);
  expect(await qemus()).toEqual(before);
  await expectGuestsLivedOn(observer, from);
});

test('a removal leaves the VMs alone, and the agent of another installation takes them up', async () => {
  const { now: from } = await observer.peek();
  const before = await qemus();
  expect(await dpkg('--remove', 'exuvia')).toContain(
    'These VMs keep running without the agent: busy, disk, tiny.',
  );
  expect(['', '0']).toContain(await agentPid());
  expect(await qemus()).toEqual(before);
  await expectGuestsLivedOn(observer, from);

  await dpkg('--install', DEB);
  await waitForAgent(lab, AGENT_LIMIT_MS);
  expect(await qemus()).toEqual(before);
  const vms = await ask(lab, (client) => client.vms());
  expect(vms.map(({ name, state }) => `${name} ${state}`)).toEqual(
    [...GUEST_NAMES].sort().map((name) => `${name} running`),
  );
  expect(await qemusByVm(lab)).toEqual({ tiny: 1, disk: 1, busy: 1 });
  await expectGuestsLivedOn(observer, from);
});

test('a purge deletes nothing of VMs that run, even if that was agreed to', async () => {
  const { now: from } = await observer.peek();
  const before = await qemus();
  const specs = `ls ${HOST_PATHS.specs}`;
  const { stdout: names } = await labRun(lab, specs);
  await labRun(lab, "echo 'exuvia exuvia/purge-state boolean true' | debconf-set-selections");
  expect(await dpkg('--purge', 'exuvia')).toContain(
    'These VMs are running: busy, disk, tiny. Nothing of theirs was deleted.',
  );
  expect((await labRun(lab, specs)).stdout).toBe(names);
  expect(await qemus()).toEqual(before);
  await expectGuestsLivedOn(observer, from);
});

test('a purge that is agreed to leaves nothing behind, and the memory of the store is the host’s after a restart', async () => {
  await labRun(lab, "systemctl stop 'exuvia-vm-*.scope'", { timeoutMs: LIMIT_MS });
  await dpkg('--install', DEB);
  await labRun(lab, "echo 'exuvia exuvia/purge-state boolean true' | debconf-set-selections");
  await dpkg('--purge', 'exuvia');
  const { stdout } = await labRun(lab, `ls -d ${LEFT.join(' ')} 2>/dev/null; true`);
  expect(stdout).toBe('');
  const { stdout: boot } = await labRun(lab, 'cat /proc/sys/kernel/random/boot_id');
  await labRun(lab, 'systemctl reboot --no-block', { allowFailure: true });
  await untilRebooted(lab, boot);
  expect((await labRun(lab, 'cat /proc/cmdline')).stdout).not.toContain('memmap=');
});
