import { HOST_PATHS, vmPaths } from '@exuvia/contract';
import { withChecksum } from './checksum.ts';
import { handoverFiles } from './layout.ts';

export interface PausePlan {
  readonly update: string;
  /** In the order of priority. `leave`: when it cannot be saved, the others go on without it. */
  readonly vms: readonly { readonly name: string; readonly leave: boolean }[];
  /** Mount points to sync between the last save and the jump. */
  readonly syncs: readonly string[];
  /** The journal's commit record, one line of JSON without its line break. */
  readonly commitRecord: string;
  readonly timeoutMs: number;
  /** Armed right before the jump. */
  readonly watchdog: { readonly device: string; readonly seconds: number } | null;
}

/** Renders the plan that exuvia-pause executes; its format is documented in native/pause/exuvia-pause.c. */
export function renderPausePlan(plan: PausePlan): string {
  const files = handoverFiles(plan.update);
  const lines = [
    'exuvia-pause 2',
    ...plan.vms.map(vmLine),
    `manifest ${files.manifest}`,
    `stamps ${files.stamps}`,
    ...plan.syncs.map((mountPoint) => `sync ${mountPoint}`),
    `journal ${HOST_PATHS.journal}`,
    `commit ${plan.commitRecord}`,
    `timeout-ms ${plan.timeoutMs}`,
    ...(plan.watchdog === null ? [] : [`watchdog ${plan.watchdog.device} ${plan.watchdog.seconds}`]),
  ];
  return withChecksum(lines);
}

function vmLine({ name, leave }: PausePlan['vms'][number]): string {
  const { handoverQmp, deviceState, ram } = vmPaths(name);
  return `vm ${name} ${handoverQmp} ${deviceState} ${ram}${leave ? ' leave' : ''}`;
}
