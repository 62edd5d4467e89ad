import { HOST_PATHS } from '@exuvia/contract';
import { afterAll, beforeEach, expect, test } from 'vitest';
import { otherKernel } from '../src/host/agent.ts';
import { configureAgent } from '../src/host/configure-agent.ts';
import { resetMachine } from '../src/host/reset.ts';
import { labRun } from '../src/host/ssh.ts';
import { expectAllLivedOn } from './support/expect-guests.ts';
import { ask, endOf, heldAfter, sharedLab, snapshotOf, watchedGuests } from './support/lab.ts';

/** Faults while VMs stand still that 80-failures.test.ts leaves out: what is changed by hand, and restores that hang. */
const lab = await sharedLab();
const observer = await watchedGuests(lab);
afterAll(() => observer.stop());

let from: number;
let before: string;
beforeEach(async () => {
  from = (await observer.peek()).now;
  before = (await labRun(lab, 'uname -r')).stdout;
});

const allLivedOn = () => expectAllLivedOn(lab, observer, from);

async function setClock(to: string): Promise<void> {
  await labRun(lab, `date -s '${to}'`);
}

async function setClockRight(): Promise<void> {
  await setClock(`@${Math.round(Date.now() / 1000)}`);
}

async function wentBackBecause(id: string, why: string): Promise<void> {
  expect(await endOf(lab, id)).toMatchObject({
    state: 'failed',
    reason: `The new kernel could not restore the VMs: ${why}. The host went back to ${before}. All 3 VMs run.`,
  });
  expect((await labRun(lab, 'uname -r')).stdout).toBe(before);
  await allLivedOn();
}

/** A QEMU that is given another machine than it is asked for, and takes up no VM. */
function withAnotherMachine(qemu: string): string {
  return `#!/bin/sh
for word; do shift; set -- "$@" "$(echo "$word" | sed s/pc-q35/pc-i440fx/)"; done
exec ${qemu} "$@"
`;
}

test('a clock that jumps a day while VMs stand still, and the update is aborted: all run', async () => {
  const snapshot = await snapshotOf(lab);
  const id = await heldAfter(lab, 'suspend-vms');
  await setClock('+1 day');
  await ask(lab, (client) => client.abort(id));
  expect(await endOf(lab, id)).toMatchObject({ state: 'aborted' });
  await setClockRight();
  expect((await snapshotOf(lab)).qemus).toEqual(snapshot.qemus);
  await allLivedOn();
});

test('a clock that jumps a day with all states sealed, and again when the guests run: all run', async () => {
  const id = await heldAfter(lab, 'seal-state');
  await setClock('+1 day');
  await ask(lab, (client) => client.continue(id));
  expect(await endOf(lab, id)).toMatchObject({ state: 'completed' });
  await setClock('-1 day');
  await allLivedOn();
  await setClockRight();
});

test('a QEMU that is killed when its state is sealed: its VM is restored from that', async () => {
  const id = await heldAfter(lab, 'seal-state');
  await labRun(lab, 'pkill -KILL exuvia-tiny');
  await ask(lab, (client) => client.continue(id));
  expect(await endOf(lab, id)).toMatchObject({ state: 'completed' });
  await allLivedOn();
});

test('a new QEMU that refuses every VM after the jump: the old kernel restores them with the old one', async () => {
  const id = await heldAfter(lab, 'seal-state', async () => ({
    kernel: await otherKernel(lab),
    qemu: '11.1',
  }));
  // Not what was rehearsed.
  const wrapper = withAnotherMachine('"$0.whole"');
  await labRun(
    lab,
    `for qemu in ${HOST_PATHS.store}/runtime/*/qemu-system-x86_64; do
      LD_LIBRARY_PATH=$(dirname $qemu)/lib $qemu --version | grep -q 'version 11[.]' || continue
      mv $qemu $qemu.whole; printf %s '${wrapper}' > $qemu; chmod 755 $qemu
    done; ls ${HOST_PATHS.store}/runtime/*/*.whole`,
  );
  await ask(lab, (client) => client.continue(id));
  await wentBackBecause(id, 'no VM could be restored');
  expect((await ask(lab, (client) => client.vms())).map(({ qemu }) => qemu)).toEqual(
    Array(3).fill(expect.stringMatching(/^10\./)),
  );
});

test('VMs do not give up their QEMU for one that a package has put in its place and that cannot take them up', async () => {
  const binary = '/usr/bin/qemu-system-x86_64';
  const snapshot = await snapshotOf(lab);
  const wrapper = withAnotherMachine(`/opt/qemu-11.1${binary}`);
  await labRun(
    lab,
    `mv ${binary} ${binary}.before && printf %s '${wrapper}' > ${binary} && chmod 755 ${binary}`,
  );
  try {
    const { id } = await ask(lab, (client) => client.startUpdate({ modules: ['kvm'] }));
    expect(await endOf(lab, id)).toMatchObject({
      state: 'aborted',
      reason: expect.stringMatching(/^Step rehearse failed: VM \w+ could not be restored in a rehearsal/),
    });
  } finally {
    await labRun(lab, `mv ${binary}.before ${binary}`);
  }
  expect((await snapshotOf(lab)).qemus).toEqual(snapshot.qemus);
  await allLivedOn();
});

test('a module whose new file does not load is loaded again as it was: all run', async () => {
  const id = await heldAfter(lab, 'end-vms', async () => ({ modules: ['kvm'] }));
  await labRun(lab, 'file=$(modinfo -n kvm) && mv $file $file.whole && head -c 100000 $file.whole > $file');
  try {
    await ask(lab, (client) => client.continue(id));
    expect(await endOf(lab, id)).toMatchObject({
      state: 'aborted',
      reason: expect.stringMatching(/^Step reload-modules failed: The module kvm cannot be loaded/),
    });
  } finally {
    await labRun(lab, 'file=$(modinfo -n kvm) && mv $file.whole $file');
  }
  await allLivedOn();
});

test('a machine that is reset while its modules are loaded anew brings every VM back', async () => {
  const id = await heldAfter(lab, 'end-vms', async () => ({ modules: ['kvm'] }));
  await resetMachine();
  expect(await endOf(lab, id)).toMatchObject({
    state: 'failed',
    reason: 'The machine went down in the update. All 3 VMs run.',
  });
  await allLivedOn();
});

test('an early restore that hangs goes back to the old kernel by itself', async () => {
  await configureAgent(lab, 'watchdogSeconds', '300');
  const kernel = await otherKernel(lab);
  const fault = { step: 'early-restore', action: 'stall', when: 'after', at: 'restore' } as const;
  const { id } = await ask(lab, (client) => client.startUpdate({ kernel, fault }));
  await wentBackBecause(id, 'the early restore hangs');
});
