import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { TEST_PLAN } from '../journal/records.testing.ts';
import { fakeReport, fakeVm } from '../testing/fakes.ts';
import { createMetrics, type MetricsSource } from './metrics.ts';

const update = (state: 'completed' | 'aborted' | 'failed' | 'jumping') => ({
  id: 'u1',
  state,
  handover: 'kexec' as const,
  from: 'a',
  to: 'b',
  startedAt: '',
  finishedAt: null,
  reason: null,
  steps: [],
});

/** A host on which nothing has happened. */
const NOTHING: MetricsSource = {
  updates: () => [],
  reports: async () => [],
  vms: async () => [],
  store: async () => null,
  kernel: () => '7.2.12',
  currentUpdate: () => null,
};

test('metrics say what the journal, the reports, the VMs and the store say', async () => {
  const observation = {
    observer: 'lab',
    clock: 'own',
    vms: [
      {
        name: 'web',
        blackoutMs: 2500,
        bootIdSame: true,
        sequenceMonotonic: true,
        integrity: 'ok' as const,
        gaps: [],
      },
    ],
  };
  const metrics = createMetrics({
    updates: () => [
      ...[update('completed'), update('completed'), update('aborted'), update('jumping')],
      { ...update('failed'), handover: 'vmm' },
    ],
    reports: async () => [
      fakeReport(TEST_PLAN, { phases: [{ name: 'VM save', ms: 999 }] }),
      fakeReport(TEST_PLAN, { observation }),
      fakeReport(TEST_PLAN, { outcome: 'aborted', phases: [{ name: 'VM save', ms: 777 }] }),
    ],
    vms: async () => [
      fakeVm('web'),
      fakeVm('db', { state: 'stopped' }),
      fakeVm('x', { state: 'failed', saved: true }),
    ],
    store: async () => ({
      ...{ kind: 'dax', device: '/dev/pmem0', mountPoint: '/var/lib/exuvia/store', physicalStart: 0 },
      ...{ sizeBytes: 2 ** 31, freeBytes: 2 ** 30 },
    }),
    kernel: () => '7.2.12',
    currentUpdate: () => 'u1',
  });
  const lines = (await metrics.render()).split('\n');
  expect(lines).toContain('exuvia_agent_info{version="0.1.0",kernel="7.2.12"} 1');
  expect(lines).toContain('exuvia_updates_total{handover="kexec",outcome="completed"} 2');
  expect(lines).toContain('exuvia_updates_total{handover="kexec",outcome="aborted"} 1');
  expect(lines).toContain('exuvia_updates_total{handover="reboot",outcome="failed"} 0');
  expect(lines).toContain('exuvia_updates_total{handover="vmm",outcome="failed"} 1');
  expect(lines).toContain('exuvia_updates_total{handover="module",outcome="completed"} 0');
  expect(lines).toContain('exuvia_update_running 1');
  expect(lines).toContain('exuvia_update_phase_seconds{handover="kexec",phase="VM save"} 0.02');
  expect(lines).toContain('exuvia_vm_blackout_seconds{vm="web",handover="kexec"} 2.5');
  expect(lines).toContain('exuvia_vms{state="running"} 1');
  expect(lines).toContain('exuvia_vms{state="stopped"} 1');
  expect(lines).toContain('exuvia_vms_saved 1');
  expect(lines).toContain('exuvia_vm_paused_seconds{vm="web",handover="kexec"} 0.55');
  expect(lines).toContain('exuvia_store_bytes 2147483648');
  expect(lines).toContain('exuvia_store_free_bytes 1073741824');
  expect(await metrics.render()).toBe(lines.join('\n'));
});

test('the newest update that says how long a VM was held is what counts', async () => {
  const held = (pausedMs: number | null) => {
    const report = fakeReport(TEST_PLAN);
    return { ...report, vms: report.vms.map((vm) => ({ ...vm, pausedMs })) };
  };
  const bound = { ...held(90_000), phases: [] };
  const metrics = createMetrics({
    ...NOTHING,
    reports: async () => [held(900), held(400), held(null), bound],
  });
  expect(samplesOf(await metrics.render(), 'exuvia_vm_paused_seconds')).toEqual([
    'exuvia_vm_paused_seconds{vm="web",handover="kexec"} 0.4',
  ]);
});

test('there is no sample for what is not known', async () => {
  const metrics = createMetrics(NOTHING);
  for (const _ of ['first', 'second']) {
    const text = await metrics.render();
    for (const name of ['exuvia_store_bytes', 'exuvia_store_free_bytes', 'exuvia_vm_paused_seconds']) {
      expect(samplesOf(text, name)).toEqual([]);
    }
    expect(samplesOf(text, 'exuvia_vms_saved')).toEqual(['exuvia_vms_saved 0']);
  }
});

test('docs/daemon-behavior.md has every metric, and no other', async () => {
  const page = await readFile(join(import.meta.dirname, '../../../../docs/daemon-behavior.md'), 'utf8');
  const documented = [...page.matchAll(/^\| `(exuvia_\w+)`/gm)].map(([, name]) => name);
  const rendered = (await createMetrics(NOTHING).render()).matchAll(/^# TYPE (\w+) /gm);
  expect(documented.sort()).toEqual([...rendered].map(([, name]) => name).sort());
});

function samplesOf(text: string, name: string): string[] {
  return text.split('\n').filter((line) => line.startsWith(`${name} `) || line.startsWith(`${name}{`));
}
