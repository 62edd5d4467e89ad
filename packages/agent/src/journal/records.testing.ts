import type { JournalRecord, Plan } from '@exuvia/contract';
import type { RecordBody } from '../engine/ledger.ts';

/** Records of an update `u1` for tests. */
export const TEST_PLAN: Plan = {
  version: 1,
  id: 'u1',
  createdAt: '2026-11-21T10:00:00.000Z',
  host: { hostname: 'h', bootId: 'boot-1', kernel: '6.12.107', qemu: '10.0.13' },
  target: { kernel: '7.2.12', qemu: null, modules: [] },
  handover: 'kexec',
  store: 'dax',
  vms: [{ name: 'web', priority: 100, memoryBytes: 2 ** 27, onFailure: 'abort', qemu: null, method: null }],
  leftOut: [],
  parallel: 1,
  alternatives: [],
  livepatches: [],
  checks: [],
  steps: [
    { name: 'load', phase: null, description: 'does load' },
    { name: 'save', phase: 'VM suspend', description: 'does save' },
    { name: 'jump', phase: 'kernel shutdown', description: 'does jump' },
  ],
  expectedBlackoutMs: null,
  aptLine: null,
  executable: true,
};

type Body = RecordBody extends infer One ? (One extends unknown ? Omit<One, 'update'> : never) : never;

export function record(body: Body, stamp: { at?: string; bootId?: string } = {}): JournalRecord {
  const { at = '2026-11-21T10:00:00.000Z', bootId = 'boot-1' } = stamp;
  return { v: 1, at, bootId, update: 'u1', ...body } as JournalRecord;
}

export function begin(): JournalRecord {
  return record({ kind: 'begin', plan: TEST_PLAN });
}
