import type { Report } from '@exuvia/contract';
import { expect, test } from 'vitest';
import { TEST_PLAN as plan } from '../journal/records.testing.ts';
import { fakeReport } from '../testing/fakes.ts';
import { withPauses } from './pauses.ts';

const measured = fakeReport(plan);
const unmeasured: Report = {
  ...measured,
  phases: [],
  totalMs: null,
  vms: measured.vms.map((vm) => ({ ...vm, pausedMs: null })),
};
const STOPPED = '2026-12-01T10:00:00.000Z';
const LATER = new Date('2026-12-01T10:01:30.000Z');
const begun = { load: '2026-12-01T09:59:00.000Z', save: STOPPED };
const pauses = (report: Report) => report.vms.map(({ pausedMs }) => pausedMs);

test('VMs that a reset has kept standing stood from the first step that stopped one', () => {
  expect(pauses(withPauses(unmeasured, { plan, begun }, LATER))).toEqual(measured.vms.map(() => 90_000));
});

test('nothing is added where pauses were measured, nor to what does not run', () => {
  const [first, ...others] = measured.vms;
  const partly: Report =
    first === undefined ? measured : { ...measured, vms: [{ ...first, pausedMs: null }, ...others] };
  for (const report of [measured, partly]) expect(withPauses(report, { plan, begun }, LATER)).toEqual(report);
  const lost = { ...unmeasured, vms: unmeasured.vms.map((vm) => ({ ...vm, outcome: 'lost' as const })) };
  expect(withPauses(lost, { plan, begun }, LATER)).toEqual(lost);
});

test('nothing is said when no step has stopped a VM, or the clock was set back', () => {
  expect(withPauses(unmeasured, { plan, begun: {} }, LATER)).toEqual(unmeasured);
  expect(withPauses(unmeasured, { plan, begun }, new Date(STOPPED))).toEqual(unmeasured);
});
