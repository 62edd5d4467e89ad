import { expect, test } from 'vitest';
import { TEST_PLAN } from '../journal/records.testing.ts';
import { fakeReport, fakeVm } from '../testing/fakes.ts';
import { createMetrics } from './metrics.ts';

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

test('metrics say what the journal, the reports and the VMs say', async () => {
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
    vms: async () => [fakeVm('web'), fakeVm('db', { state: 'stopped' }), fakeVm('x', { state: 'stopped' })],
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
  expect(lines).toContain('exuvia_vms{state="stopped"} 2');
  expect(await metrics.render()).toBe(lines.join('\n'));
});
