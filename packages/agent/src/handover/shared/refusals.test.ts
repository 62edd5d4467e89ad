import { mkdtemp, readdir, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ExuviaError, type HandoverKind, type OnFailure } from '@exuvia/contract';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { PlanTarget } from '../../kinds.ts';
import { FakeHandover } from '../../testing/fake-handover.ts';
import { FakeVms, fakeVm } from '../../testing/fakes.ts';
import { forgetRefusal, noteRefusal, withRefusals } from './refusals.ts';

let directory: string;
let target: PlanTarget;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'exuvia-refusals-'));
  const binary = join(directory, 'qemu');
  await writeFile(binary, '');
  target = { kernel: '6.12', qemu: { binary, version: '11.1.3', package: '' }, modules: [], method: null };
});
afterEach(() => rm(directory, { recursive: true }));

const REFUSED = new ExuviaError('rehearsal-failed', 'VM web could not be restored.', {
  hint: 'QEMU said: no.',
});
const folder = () => join(directory, 'refused');
const web = (onFailure: OnFailure, pid = 4711) => {
  const vm = fakeVm('web', { pid });
  return { ...vm, spec: { ...vm.spec, onFailure } };
};
const found = (vm: ReturnType<typeof web>, kind: 'vmm' | 'module' = 'vmm') =>
  withRefusals(new FakeHandover(kind), { vms: new FakeVms(vm) }, folder()).checks(target, [vm]);

async function refuse(handover: HandoverKind = 'vmm'): Promise<void> {
  const vm = web('leave');
  const plan = { handover, target: { ...target, modules: [] } };
  await noteRefusal({ vms: new FakeVms(vm) }, plan, vm, REFUSED, folder());
}

test('what only a rehearsal has found out is known to the next plan, and fails where the spec has an answer', async () => {
  expect(await found(web('leave'))).toEqual([]);
  await refuse();
  const known = {
    id: 'vm-rehearsed',
    subject: 'web',
    reason: 'VM web could not be restored. QEMU said: no.',
  };
  expect(await found(web('leave'))).toMatchObject([{ ...known, verdict: 'fail' }]);
  // Another handover restores with another program.
  expect(await found(web('shutdown'), 'module')).toEqual([]);
  await refuse('module');
  expect(await found(web('shutdown'), 'module')).toMatchObject([{ ...known, verdict: 'fail' }]);
  // Its update ends there anyway: it is tried again.
  expect(await found(web('abort'))).toMatchObject([{ ...known, verdict: 'warn' }]);
  expect(await found(web('leave'), 'module')).toMatchObject([{ ...known, verdict: 'warn' }]);
});

test('another QEMU on either side is asked again', async () => {
  await refuse();
  expect(await found(web('leave', 4712))).toEqual([]);
  await utimes(target.qemu?.binary ?? '', 1, 1);
  expect(await found(web('leave'))).toEqual([]);
});

test('it is forgotten when a rehearsal succeeds, and what is not understood is no refusal', async () => {
  await refuse();
  await writeFile(join(folder(), 'web.vmm.json'), '{"pid":4711');
  expect(await found(web('leave'))).toEqual([]);
  await refuse();
  await forgetRefusal('web', 'vmm', folder());
  expect(await readdir(folder())).toEqual([]);
});
