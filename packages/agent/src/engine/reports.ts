import { join } from 'node:path';
import { ExuviaError, type Host, type Report, reportSchema, type Update, type Vm } from '@exuvia/contract';
import { readIfExists, writeFileDurably } from '@exuvia/sys';

/** Where the reports of ended updates are kept. */
export interface ReportStore {
  /** The update's own directory. */
  directory(update: string): string;
  /** `null` when there is none. Throws ExuviaError `report-invalid`. */
  read(update: string): Promise<Report | null>;
  write(report: Report): Promise<void>;
}

export function createReportStore(updatesDirectory: string): ReportStore {
  const directory = (update: string) => join(updatesDirectory, update);
  const fileOf = (update: string) => join(directory(update), 'report.json');
  return {
    directory,
    async read(update) {
      const text = await readIfExists(fileOf(update));
      return text === null ? null : parseReport(text, fileOf(update));
    },
    async write(report) {
      await writeFileDurably(fileOf(report.update), `${JSON.stringify(report, null, 2)}\n`);
    },
  };
}

/** The report of an update that has not reached the new side, or not yet. */
export function reportWithoutJump(
  update: Update,
  host: Host,
  planned: readonly string[],
  vms: readonly Vm[],
): Report {
  const paused = update.steps.some((step) => step.phase !== null && step.state !== 'pending');
  const outcome = outcomeOf(update);
  return {
    version: 1,
    update: update.id,
    outcome,
    reason: update.reason,
    handover: update.handover,
    startedAt: update.startedAt,
    finishedAt: update.finishedAt,
    host: {
      hostname: host.hostname,
      kernelBefore: update.from,
      kernelAfter: host.kernel,
      qemu: host.qemu ?? 'none',
      cpuModel: host.cpuModel,
      cpus: host.cpus,
      hypervisor: host.hypervisor,
      packages: host.packages,
      sources: host.sources,
      qemus: host.qemus,
    },
    phases: [],
    vms: planned.map((name) => {
      const running = vms.some((vm) => vm.name === name && vm.state === 'running');
      const survived = paused ? 'running' : 'untouched';
      return {
        name,
        outcome: running || outcome === 'running' ? survived : 'lost',
        phases: [],
        pausedMs: null,
        bootIdSame: null,
        heartbeatContinued: null,
        clock: null,
      };
    }),
    totalMs: null,
    phaseSumMs: null,
    deviationPct: null,
    initramfsBytes: null,
    observation: null,
  };
}

function outcomeOf(update: Update): Report['outcome'] {
  switch (update.state) {
    case 'completed':
    case 'aborted':
    case 'failed':
      return update.state;
    default:
      return 'running';
  }
}

function parseReport(text: string, file: string): Report {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new ExuviaError('report-invalid', `${file} is not JSON.`, { cause, hint: 'Move the file away.' });
  }
  const result = reportSchema.safeParse(value);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  throw new ExuviaError(
    'report-invalid',
    `${file} is no report: ${issue?.path.join('.')} ${issue?.message}.`,
    {
      hint: 'Move the file away.',
    },
  );
}
