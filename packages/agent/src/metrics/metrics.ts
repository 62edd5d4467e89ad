import { handoverKindSchema, type Report, type Update, VERSION, type Vm } from '@exuvia/contract';
import { Counter, Gauge, Registry } from 'prom-client';
import type { StoreStatus } from '../kinds.ts';

export interface MetricsSource {
  updates(): readonly Update[];
  reports(): Promise<readonly Report[]>;
  vms(): Promise<readonly Vm[]>;
  /** `null` when the host has none. */
  store(): Promise<StoreStatus | null>;
  kernel(): string;
  currentUpdate(): string | null;
}

/** Renders what Prometheus scrapes. Everything is computed anew at each scrape; there is no sample for what is not known. */
export interface Metrics {
  readonly contentType: string;
  render(): Promise<string>;
}

export function createMetrics(source: MetricsSource): Metrics {
  const registry = new Registry();
  const registers = [registry];
  const info = new Gauge({
    name: 'exuvia_agent_info',
    help: 'Always 1; the labels say what runs here.',
    labelNames: ['version', 'kernel'],
    registers,
  });
  const updates = new Counter({
    name: 'exuvia_updates_total',
    help: 'Updates that have ended, by handover and outcome.',
    labelNames: ['handover', 'outcome'],
    registers,
  });
  const running = new Gauge({
    name: 'exuvia_update_running',
    help: '1 while an update is under way.',
    registers,
  });
  const phases = new Gauge({
    name: 'exuvia_update_phase_seconds',
    help: 'Phases of the newest completed update, by its handover.',
    labelNames: ['handover', 'phase'],
    registers,
  });
  const blackouts = new Gauge({
    name: 'exuvia_vm_blackout_seconds',
    help: 'How long a VM stood still in the newest update that somebody observed from outside.',
    labelNames: ['vm', 'handover'],
    registers,
  });
  const pauses = new Gauge({
    name: 'exuvia_vm_paused_seconds',
    help: 'How long the host held a VM in the newest update that says so, by its own clocks: not its blackout.',
    labelNames: ['vm', 'handover'],
    registers,
  });
  const vms = new Gauge({ name: 'exuvia_vms', help: 'VMs by state.', labelNames: ['state'], registers });
  const saved = new Gauge({
    name: 'exuvia_vms_saved',
    help: 'VMs of which a state is kept that was not restored.',
    registers,
  });
  const storeBytes = new Gauge({ name: 'exuvia_store_bytes', help: 'Size of the store.', registers });
  const storeFreeBytes = new Gauge({
    name: 'exuvia_store_free_bytes',
    help: 'What is free of the store.',
    registers,
  });

  return {
    contentType: registry.contentType,
    async render() {
      const [reports, all, store] = await Promise.all([source.reports(), source.vms(), source.store()]);
      registry.resetMetrics();
      info.set({ version: VERSION, kernel: source.kernel() }, 1);
      running.set(source.currentUpdate() === null ? 0 : 1);
      countUpdates(updates, source.updates());
      for (const state of ['running', 'paused', 'stopped', 'failed'] as const) {
        vms.set({ state }, all.filter((vm) => vm.state === state).length);
      }
      saved.set(all.filter((vm) => vm.saved === true).length);
      setIfKnown(storeBytes, store?.sizeBytes);
      setIfKnown(storeFreeBytes, store?.freeBytes);
      // Oldest first, so that the newest one is what stays.
      for (const report of reports) {
        const { handover } = report;
        if (report.outcome === 'completed') {
          for (const { name, ms } of report.phases) phases.set({ handover, phase: name }, ms / 1000);
        }
        for (const { name, pausedMs } of report.vms) {
          // Without phases it is no measure, but a bound by the real-time clock.
          if (pausedMs !== null && report.phases.length > 0)
            pauses.set({ vm: name, handover }, pausedMs / 1000);
        }
        for (const { name, blackoutMs } of report.observation?.vms ?? []) {
          blackouts.set({ vm: name, handover }, blackoutMs / 1000);
        }
      }
      return await registry.metrics();
    },
  };
}

/** A gauge without labels has the value 0 when it was reset. */
function setIfKnown(gauge: Gauge, value: number | undefined): void {
  if (value === undefined) gauge.remove();
  else gauge.set(value);
}

function countUpdates(counter: Counter<'handover' | 'outcome'>, updates: readonly Update[]): void {
  for (const handover of handoverKindSchema.options) {
    for (const outcome of ['completed', 'aborted', 'failed'] as const) {
      const count = updates.filter(
        (update) => update.handover === handover && update.state === outcome,
      ).length;
      counter.inc({ handover, outcome }, count);
    }
  }
}
