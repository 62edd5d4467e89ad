import { afterAll, beforeAll, expect, test } from 'vitest';
import { otherKernel, waitForAgent } from '../src/host/agent.ts';
import { configureAgent } from '../src/host/configure-agent.ts';
import { labDown } from '../src/host/down.ts';
import { waitUntil } from '../src/host/machine.ts';
import { labRun } from '../src/host/ssh.ts';
import type { Observer } from '../src/observer/observer.ts';
import { expectGuestsLivedOn } from './support/expect-guests.ts';
import { ask, endOf, qemusByVm, sharedLab, untilHeld, untilRebooted, watchedGuests } from './support/lab.ts';

/** The running kernel crashes, for real (sysrq-c), on a host with `crashRecovery: true`. */
const AGENT_LIMIT_MS = 240_000;
const lab = await sharedLab();
let observer: Observer;

const bootId = async () => (await labRun(lab, 'cat /proc/sys/kernel/random/boot_id')).stdout;
const crash = () =>
  labRun(lab, '(sleep 1; echo c > /proc/sysrq-trigger) >/dev/null 2>&1 &', { allowFailure: true });

async function untilArmed(): Promise<void> {
  await waitUntil(lab, 'A crash kernel', AGENT_LIMIT_MS, async () =>
    (await labRun(lab, 'cat /sys/kernel/kexec_crash_loaded')).stdout === '1' ? true : null,
  );
}

beforeAll(async () => {
  await configureAgent(lab, 'crashRecovery', 'true');
  await labRun(lab, 'exuvia setup --memory 2G', { timeoutMs: 240_000 });
  const before = await bootId();
  await labRun(
    lab,
    'for vm in tiny disk busy; do exuvia vm stop $vm --timeout 1; done; systemctl reboot --no-block',
    {
      allowFailure: true,
      timeoutMs: 120_000,
    },
  );
  await untilRebooted(lab, before);
  await waitForAgent(lab, AGENT_LIMIT_MS);
  observer = await watchedGuests(lab);
  await untilArmed();
});
// A host whose kernel has crashed is no host for other tests: its command line and its setup are not what they were.
afterAll(async () => {
  await observer.stop();
  await labDown();
});

test('VMs that an update has saved live through a crash of the kernel inside the pause', async () => {
  const from = (await observer.peek()).now;
  const kernel = await otherKernel(lab);
  const fault = { step: 'seal-state', action: 'hold', when: 'after' } as const;
  const { id } = await ask(lab, (client) => client.startUpdate({ kernel, fault }));
  await untilHeld(lab, id, 'seal-state');
  await crash();
  expect(await endOf(lab, id)).toMatchObject({
    state: 'failed',
    reason: expect.stringMatching(/All 3 VMs run\.$/),
  });
  expect((await labRun(lab, 'cat /proc/cmdline')).stdout).toContain('exuvia.crash=1');
  expect(await qemusByVm(lab)).toEqual({ tiny: 1, disk: 1, busy: 1 });
  await expectGuestsLivedOn(observer, from);
});

test('VMs that ran when the kernel crashed are started again from their disks, and it is said what they lost', async () => {
  await untilArmed();
  const before = await bootId();
  await crash();
  await untilRebooted(lab, before);
  await waitForAgent(lab, AGENT_LIMIT_MS);
  await waitUntil(lab, 'Every VM', AGENT_LIMIT_MS, async () => {
    const vms = await ask(lab, (client) => client.vms());
    return vms.every(({ state }) => state === 'running') ? vms : null;
  });
  expect((await labRun(lab, 'cat /proc/cmdline')).stdout).toContain('exuvia.crash=2');
  const { checks } = await ask(lab, (client) => client.doctor());
  const found = checks.find(({ id }) => id === 'crash-recovery');
  for (const name of ['tiny', 'disk', 'busy']) {
    expect(found?.reason).toContain(
      `VM ${name} ran when the kernel crashed: the state of its vCPUs was lost with that kernel. It was started again from its disks, which are as they were.`,
    );
  }
  await untilArmed();
  // What is in the memory until then is the page of the guest that was.
  await observer.waitForBeats(AGENT_LIMIT_MS);
  const { now: from } = await observer.peek();
  await expectGuestsLivedOn(observer, from);
});
