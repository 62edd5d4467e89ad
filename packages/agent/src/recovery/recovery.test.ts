import { execFile } from 'node:child_process';
import { appendFile, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { Fault, Update } from '@exuvia/contract';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { renderRecord } from '../journal/index.ts';
import { startTestAgent, type TestAgent, type TestAgentOptions } from '../testing/agent.ts';
import { ask } from '../testing/ask.ts';
import { FAKE_STEPS, FakeHandover } from '../testing/fake-handover.ts';
import { FakeVms, fakeHost, fakeReport, fakeVm } from '../testing/fakes.ts';
import { temporaryFolder } from '../testing/folder.ts';

let folder: string;
let agent: TestAgent | null;
beforeEach(async () => {
  folder = await temporaryFolder();
  agent = null;
});
afterEach(() => agent?.stop());

const NAMES = FAKE_STEPS.map(([name]) => name);

/** Runs an update in an agent of its own, which the fault ends by a real SIGKILL. */
async function killedBy(fault: Fault): Promise<Update> {
  const script = fileURLToPath(new URL('../testing/killed-agent.ts', import.meta.url));
  const args = [script, '--folder', folder, '--fault', JSON.stringify(fault)];
  await expect(promisify(execFile)(process.execPath, args)).rejects.toMatchObject({ signal: 'SIGKILL' });
  const [line = ''] = (await readFile(join(folder, 'state/journal.jsonl'), 'utf8')).split('\n');
  return { id: JSON.parse(line).update } as Update;
}

/** The pause program's own line. */
async function commit(update: string): Promise<void> {
  const record = { v: 1, at: '2026-11-21T10:00:00.000Z', bootId: 'boot-1', update, kind: 'commit' } as const;
  await appendFile(join(folder, 'state/journal.jsonl'), renderRecord(record));
}

async function restart(options: TestAgentOptions = {}): Promise<TestAgent> {
  agent = await startTestAgent({ folder, ...options });
  return agent;
}

async function updateOf(running: TestAgent, id: string): Promise<Update> {
  return (await ask(running.socket, 'GET', `/v1/updates/${id}`)).body as Update;
}

const moments = NAMES.flatMap((name) =>
  (name === 'jump' ? (['before'] as const) : (['before', 'after'] as const)).map(
    (when) => [when, name] as const,
  ),
);

test.each(moments)(
  'an agent that is killed %s step %s is followed by one that undoes what may have begun',
  async (when, name) => {
    const { id } = await killedBy({ step: name, action: 'kill', when });
    const running = await restart();
    // The records of the pause are lost with the agent: every step of it may have begun.
    const paused = FAKE_STEPS.some(([step, phase]) => step === name && phase !== null);
    const begun = paused ? NAMES : NAMES.slice(0, NAMES.indexOf(name) + 1);
    expect(running.handover.events).toEqual(begun.toReversed().map((step) => `undo ${step}`));
    expect(running.vms.events).toEqual(['resume web']);
    const update = await updateOf(running, id);
    expect(update).toMatchObject({ state: 'aborted', reason: `The agent ended in step ${begun.at(-1)}.` });
    const report = await ask(running.socket, 'GET', `/v1/updates/${id}/report`);
    expect(report.body).toMatchObject({
      outcome: 'aborted',
      phases: [],
      host: { sources: fakeHost().sources },
    });
  },
  20_000,
);

test('what an older agent has begun is undone without the steps that this one has beside them', async () => {
  const { id } = await killedBy({ step: 'save', action: 'kill', when: 'after' });
  const handover = new FakeHandover('kexec', [
    ...FAKE_STEPS.slice(0, 4),
    ['added-since', 'QEMU shutdown'],
    ...FAKE_STEPS.slice(4),
  ]);
  const running = await restart({ handover });
  expect(handover.events).toEqual(NAMES.toReversed().map((step) => `undo ${step}`));
  expect(await updateOf(running, id)).toMatchObject({ state: 'aborted' });
});

test('a commit record in the same boot is no jump: everything is undone', async () => {
  const { id } = await killedBy({ step: 'jump', action: 'kill', when: 'before' });
  await commit(id);
  const { handover, vms, socket } = await restart();
  expect(handover.events).toEqual(NAMES.toReversed().map((step) => `undo ${step}`));
  expect(vms.events).toEqual(['resume web']);
  expect((await ask(socket, 'GET', `/v1/updates/${id}`)).body).toMatchObject({ state: 'aborted' });
});

test('after the jump the new side finishes the update and keeps the report', async () => {
  const { id } = await killedBy({ step: 'jump', action: 'kill', when: 'before' });
  await commit(id);
  const { handover, vms, store, socket } = await restart({ host: { bootId: 'boot-2' } });
  expect(handover.events).toEqual(['finish']);
  expect(vms.events).toEqual([]);
  expect(store.kept).toEqual(['db', 'web']);
  expect((await ask(socket, 'GET', `/v1/updates/${id}`)).body).toMatchObject({
    state: 'completed',
    reason: null,
    steps: NAMES.map((name) => ({ name, state: 'done' })),
  });
  expect((await ask(socket, 'GET', `/v1/updates/${id}/report`)).body).toMatchObject({
    outcome: 'completed',
    totalMs: 550,
  });
});

test('an agent that is killed while it finishes is followed by one that finishes', async () => {
  const { id } = await killedBy({ step: 'jump', action: 'kill', when: 'before' });
  await commit(id);
  const dying = new FakeHandover();
  dying.deeds.set('finish', () => new Promise(() => {}));
  // It hangs in `finish` for ever, as a killed one would have: only its files are left to the next.
  const first = startTestAgent({ folder, handover: dying, host: { bootId: 'boot-2' } });
  while (!dying.events.includes('finish')) await new Promise(setImmediate);
  void first;
  const second = new FakeHandover();
  const other = { folder: await copyOf(folder), handover: second, host: { bootId: 'boot-2' } };
  agent = await startTestAgent(other);
  expect(second.events).toEqual(['finish']);
  expect(await updateOf(agent, id)).toMatchObject({ state: 'completed' });
});

test('a fault after the jump kills once', async () => {
  const { id } = await killedBy({ step: 'jump', action: 'kill', when: 'before' });
  await commit(id);
  const { keepFault } = await import('./recover.ts');
  const { createReportStore } = await import('../engine/index.ts');
  const reports = createReportStore(join(folder, 'state/updates'));
  await keepFault(reports, id, { step: 'finish', action: 'kill', when: 'before' });
  const { kills, handover } = await restart({ host: { bootId: 'boot-2' } });
  // The kill is only counted here, so that the same process goes on.
  expect(kills.count).toBe(1);
  expect(handover.events).toEqual(['finish']);
  expect(await reports.read(id)).not.toBeNull();
  await expect(readFile(join(folder, 'state/updates', id, 'fault.json'))).rejects.toMatchObject({
    code: 'ENOENT',
  });
});

test('lost VMs make the update a failed one that names them', async () => {
  const { id } = await killedBy({ step: 'jump', action: 'kill', when: 'before' });
  await commit(id);
  const handover = new FakeHandover();
  handover.report = (plan) => {
    const report = fakeReport(plan);
    return { ...report, vms: report.vms.map((vm) => ({ ...vm, outcome: 'lost' as const })) };
  };
  const running = await restart({ handover, host: { bootId: 'boot-2' } });
  const reason = '1 of 1 VMs were lost: web.';
  expect(await updateOf(running, id)).toMatchObject({ state: 'failed', reason });
  expect((await ask(running.socket, 'GET', `/v1/updates/${id}/report`)).body).toMatchObject({
    outcome: 'failed',
    reason,
    totalMs: 550,
  });
});

test('a new side that cannot be verified fails the update and says why', async () => {
  const { id } = await killedBy({ step: 'jump', action: 'kill', when: 'before' });
  await commit(id);
  const handover = new FakeHandover();
  handover.deeds.set('finish', () => {
    throw new Error('The stamps are missing.');
  });
  const running = await restart({ handover, host: { bootId: 'boot-2' } });
  expect(await updateOf(running, id)).toMatchObject({
    state: 'failed',
    reason: 'The new side could not be verified: The stamps are missing.',
  });
});

test('a host that died before the commit starts its VMs as after any power failure', async () => {
  const { id } = await killedBy({ step: 'save', action: 'kill', when: 'after' });
  const auto = fakeVm('auto', { state: 'stopped' });
  const vms = new FakeVms(fakeVm('web', { state: 'stopped' }), {
    ...auto,
    spec: { ...auto.spec, autostart: true },
  });
  const running = await restart({ vms, host: { bootId: 'boot-2' } });
  expect(running.handover.events).toEqual([]);
  expect(running.store.kept).toEqual([]);
  expect(vms.events).toEqual(['start auto']);
  expect(await updateOf(running, id)).toMatchObject({
    state: 'failed',
    reason:
      'The host went down before the point of no return; its VMs ended with it, as in any other power failure.',
  });
});

async function copyOf(from: string): Promise<string> {
  const { cp } = await import('node:fs/promises');
  const to = await temporaryFolder();
  await cp(join(from, 'state'), join(to, 'state'), { recursive: true });
  return to;
}

test('a reset after the commit is no jump: states are kept, not restored, and VMs start as after a power failure', async () => {
  const { id } = await killedBy({ step: 'jump', action: 'kill', when: 'before' });
  await commit(id);
  const auto = fakeVm('auto', { state: 'stopped' });
  const vms = new FakeVms(
    { ...fakeVm('web', { state: 'failed' }), saved: true },
    { ...auto, spec: { ...auto.spec, autostart: true } },
  );
  const handover = new FakeHandover();
  handover.wasReset = true;
  const running = await restart({ vms, handover, host: { bootId: 'boot-2' } });
  expect(handover.events).toEqual([]);
  expect(running.store.kept).toEqual(['web']);
  expect(vms.events).toEqual(['start auto']);
  expect(await updateOf(running, id)).toMatchObject({
    state: 'failed',
    reason:
      'The machine was reset after the point of no return, or the new kernel did not come up. Saved states are kept, but are not restored by themselves: the memory that belongs to them may have been lost.',
  });
});

test.each([
  ['went back to the old kernel: nothing is started by itself', true, []],
  ['was reset: VMs start as after a power failure, but none of which a state is kept', false, ['start auto']],
] as const)('what a handover salvages is the update’s end; the host %s', async (_, wentBack, started) => {
  const { id } = await killedBy({ step: 'jump', action: 'kill', when: 'before' });
  await commit(id);
  const auto = fakeVm('auto', { state: 'stopped' });
  const kept = fakeVm('kept', { state: 'failed', saved: true });
  const autostart = { autostart: true };
  const vms = new FakeVms(
    { ...auto, spec: { ...auto.spec, ...autostart } },
    { ...kept, spec: { ...kept.spec, ...autostart } },
  );
  const handover = new FakeHandover();
  handover.wasReset = true;
  handover.salvage = async ({ plan }) => ({
    report: fakeReport(plan),
    reason: 'Two of three run.',
    wentBack,
  });
  const running = await restart({ vms, handover, host: { bootId: 'boot-2' } });
  expect(vms.events).toEqual(started);
  expect(await updateOf(running, id)).toMatchObject({ state: 'failed', reason: 'Two of three run.' });
});

test('a salvage that fails ends the update as well, and says why', async () => {
  const { id } = await killedBy({ step: 'jump', action: 'kill', when: 'before' });
  await commit(id);
  const handover = new FakeHandover();
  handover.wasReset = true;
  handover.salvage = () => Promise.reject(new Error('The store is gone.'));
  const running = await restart({ handover, host: { bootId: 'boot-2' } });
  const { state, reason } = await updateOf(running, id);
  expect(state).toBe('failed');
  expect(reason).toMatch(/What is left could not be taken up: The store is gone\.$/);
});
