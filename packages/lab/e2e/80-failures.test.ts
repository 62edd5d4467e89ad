import { HOST_PATHS, PHASE_SUM_TOLERANCE_PCT, vmPaths } from '@exuvia/contract';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { otherKernel, waitForAgent } from '../src/host/agent.ts';
import { configureAgent } from '../src/host/configure-agent.ts';
import { resetMachine } from '../src/host/reset.ts';
import { labRun } from '../src/host/ssh.ts';
import type { Observer } from '../src/observer/observer.ts';
import { expectAllLivedOn, expectGuestsLivedOn } from './support/expect-guests.ts';
import { ask, endOf, heldAfter, sharedLab, snapshotOf, untilAtStep, watchedGuests } from './support/lab.ts';

/** Faults that VMs must live through, on the new side or back on the old one; each is injected for real. */
const AGENT_LIMIT_MS = 240_000;
const lab = await sharedLab();
const guests = await watchedGuests(lab);
let observer: Observer;
let from: number;
let before: string;

beforeAll(() => {
  observer = guests;
});
afterAll(() => observer.stop());

beforeEach(async () => {
  from = (await observer.peek()).now;
  before = (await labRun(lab, 'uname -r')).stdout;
});

const allLivedOn = () => expectAllLivedOn(lab, observer, from);

async function bootLoaderIsAsItWas(): Promise<void> {
  expect((await labRun(lab, 'grub-editenv list')).stdout).not.toContain('next_entry');
}

test('a disk that is full from the middle of the preparations on: aborted, every VM runs on', async () => {
  const snapshot = await snapshotOf(lab);
  const id = await heldAfter(lab, 'copy-qemu');
  await labRun(lab, 'dd if=/dev/zero of=/filler bs=1M 2>/dev/null; sync; true', { timeoutMs: 240_000 });
  await ask(lab, (client) => client.continue(id));
  const update = await endOf(lab, id);
  await labRun(lab, 'rm /filler');
  // Whatever needs room first: a file of the update, or the growing image of the guest's disk.
  expect(update).toMatchObject({
    state: 'aborted',
    reason: expect.stringMatching(
      /^Step build-restore failed: (ENOSPC: no space left on device|VM disk is failed, no longer running)/,
    ),
  });
  expect(await snapshotOf(lab)).toEqual(snapshot);
  const { state } = await ask(lab, (client) => client.vm('disk'));
  if (state === 'failed') await labRun(lab, 'exuvia vm start disk');
  await allLivedOn();
});

test('a new kernel that cannot restore goes back to the old one, the clock having jumped a day', async () => {
  const kernel = await otherKernel(lab);
  const { id } = await ask(lab, (client) =>
    client.startUpdate({
      kernel,
      fault: { step: 'early-restore', action: 'fail', when: 'after', at: 'restore' },
    }),
  );
  await labRun(lab, "date -s '+1 day'");
  expect(await endOf(lab, id)).toMatchObject({
    state: 'failed',
    reason: `The new kernel could not restore the VMs: a fault was injected. The host went back to ${before}. All 3 VMs run.`,
  });
  expect((await labRun(lab, 'uname -r')).stdout).toBe(before);
  const report = await ask(lab, (client) => client.report(id));
  expect(report.vms.map(({ outcome, bootIdSame }) => [outcome, bootIdSame])).toEqual(
    Array(3).fill(['running', true]),
  );
  expect(report.deviationPct).toBeLessThanOrEqual(PHASE_SUM_TOLERANCE_PCT);
  await bootLoaderIsAsItWas();
  await allLivedOn();
});

test('two failures in a row end there: the states are kept, and `exuvia recover` brings every VM back', async () => {
  const kernel = await otherKernel(lab);
  const hide = 'mv /usr/bin/qemu-system-x86_64 /usr/bin/qemu-hidden';
  const { id } = await ask(lab, (client) =>
    client.startUpdate({
      kernel,
      fault: { step: 'early-restore', action: 'kill', when: 'after', at: 'restore' },
    }),
  );
  await untilAtStep(lab, id, 'load-kernel');
  // The agent's own attempt must not succeed either.
  await labRun(lab, hide);
  const update = await endOf(lab, id);
  const kept = await ask(lab, (client) => client.vms());
  await labRun(lab, 'mv /usr/bin/qemu-hidden /usr/bin/qemu-system-x86_64');
  expect(update.state).toBe('failed');
  expect(update.reason).toBe(
    `The new kernel could not restore the VMs: no VM could be restored. The host went back to ${before}. 0 of 3 VMs run. The saved state is kept of: tiny, disk, busy; see \`exuvia recover\`.`,
  );
  expect(kept.map(({ state, saved }) => [state, saved])).toEqual(Array(3).fill(['failed', true]));

  const { stdout } = await labRun(lab, 'exuvia recover --json', { timeoutMs: 120_000 });
  expect(JSON.parse(stdout)).toEqual({
    vms: ['busy', 'disk', 'tiny'].map((name) => ({ name, recovered: true, refused: false, error: null })),
  });
  await allLivedOn();
});

test.each([
  ['panics', 'panic', 'start'],
  ['hangs, and the watchdog resets the machine', 'hang', 'restore'],
] as const)(
  'a new kernel that %s: the boot loader starts the old one, which restores the VMs',
  async (_, action, at) => {
    const kernel = await otherKernel(lab);
    await configureAgent(lab, 'watchdogSeconds', '45');
    const { id } = await ask(lab, (client) =>
      client.startUpdate({ kernel, fault: { step: 'early-restore', action, when: 'after', at } }),
    );
    expect(await endOf(lab, id)).toMatchObject({
      state: 'failed',
      reason: 'The machine was reset in the update, or its new kernel did not come up. All 3 VMs run.',
    });
    expect((await labRun(lab, 'uname -r')).stdout).toBe(before);
    await bootLoaderIsAsItWas();
    await allLivedOn();
  },
);

test('a machine that is reset inside the pause, all states sealed, brings every VM back', async () => {
  const id = await heldAfter(lab, 'seal-state');
  await resetMachine();
  expect(await endOf(lab, id)).toMatchObject({
    state: 'failed',
    reason: expect.stringMatching(/All 3 VMs run\.$/),
  });
  await allLivedOn();
});

test.each([
  ['fails alone in the early restore', 'kill'],
  ['is restored, but is not let run on', 'hold'],
] as const)('a VM that %s holds up nobody, and the agent brings it back', async (_, action) => {
  const kernel = await otherKernel(lab);
  const fault = { step: 'early-restore', action, when: 'after', at: 'restore', vm: 'tiny' } as const;
  const { id } = await ask(lab, (client) => client.startUpdate({ kernel, fault }));
  expect(await endOf(lab, id)).toMatchObject({ state: 'completed', to: kernel });
  await waitForAgent(lab, AGENT_LIMIT_MS);
  await bootLoaderIsAsItWas();
  await allLivedOn();
});

test('damaged states are never loaded: the other VMs run on, these are kept until they are given up', async () => {
  const id = await heldAfter(lab, 'seal-state');
  const stateOf = (name: string) => vmPaths(name).deviceState;
  await labRun(lab, `printf X | dd of=${stateOf('disk')} bs=1 seek=5000 conv=notrunc 2>/dev/null`);
  await labRun(lab, `truncate -s -1 ${stateOf('tiny')}`);
  await ask(lab, (client) => client.continue(id));
  expect(await endOf(lab, id)).toMatchObject({
    state: 'failed',
    reason: '2 of 3 VMs were lost: tiny, disk.',
  });
  await expectGuestsLivedOn(observer, from, ['busy']);
  const { stdout, exitCode } = await labRun(lab, 'exuvia recover --json', { allowFailure: true });
  expect(exitCode).toBe(3);
  const refused = (name: string) => ({
    name,
    recovered: false,
    refused: true,
    error: {
      code: 'vm-state-damaged',
      message: `${stateOf(name)} is not what was saved: it is not loaded.`,
      hint: `To give it up: \`exuvia vm stop ${name}\`; \`exuvia vm start ${name}\` then starts the VM from its disks.`,
    },
  });
  expect(JSON.parse(stdout)).toEqual({ vms: [refused('disk'), refused('tiny')] });
  await labRun(lab, 'for vm in disk tiny; do exuvia vm stop $vm && exuvia vm start $vm; done', {
    timeoutMs: 240_000,
  });
  expect((await labRun(lab, `ls ${HOST_PATHS.store}/vms/disk`)).stdout).toBe('instance.json\nram');
});
