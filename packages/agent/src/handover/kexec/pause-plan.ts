import { HOST_PATHS, vmPaths } from '@exuvia/contract';
import { handoverFiles } from './layout.ts';

export interface PausePlan {
  readonly update: string;
  /** Names, in the order of priority. */
  readonly vms: readonly string[];
  /** Mount points to sync between the last save and the jump. */
  readonly syncs: readonly string[];
  /** The journal's commit record, one line of JSON without its line break. */
  readonly commitRecord: string;
  readonly timeoutMs: number;
}

/** Renders the plan that exuvia-pause executes; its format is documented in native/pause/exuvia-pause.c. */
export function renderPausePlan(plan: PausePlan): string {
  const files = handoverFiles(plan.update);
  const lines = [
    'exuvia-pause 1',
    ...plan.vms.map((name) => `vm ${name} ${vmPaths(name).handoverQmp} ${vmPaths(name).deviceState}`),
    `manifest ${files.manifest}`,
    `stamps ${files.stamps}`,
    ...plan.syncs.map((mountPoint) => `sync ${mountPoint}`),
    `journal ${HOST_PATHS.journal}`,
    `commit ${plan.commitRecord}`,
    `timeout-ms ${plan.timeoutMs}`,
  ];
  return `${lines.join('\n')}\n`;
}
