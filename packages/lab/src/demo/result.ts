import type { Accelerator } from '../host/state.ts';
import type { ObservedUpdate } from '../update/observed-update.ts';

/** The last line of `npm run demo -- --json`. */
export interface DemoResult {
  readonly ok: boolean;
  readonly accelerator: Accelerator;
  readonly host: { readonly kernelBefore: string; readonly kernelAfter: string; readonly qemu: string };
  readonly vms: readonly {
    readonly name: string;
    readonly survived: boolean;
    readonly bootIdSame: boolean;
    readonly blackoutMs: number;
    readonly integrity: string;
  }[];
  readonly phases: readonly { readonly name: string; readonly ms: number }[];
  readonly totalMs: number | null;
  /** Path of the HTML report. */
  readonly report: string;
}

/** Judges an update by what was seen from outside; `ok` only when nothing at all was lost. */
export function demoResult(
  seen: Omit<ObservedUpdate, 'plan'>,
  accelerator: Accelerator,
  report: string,
): DemoResult {
  const vms = seen.observation.vms.map((vm) => {
    const inReport = seen.report.vms.find(({ name }) => name === vm.name);
    return {
      name: vm.name,
      survived: inReport?.outcome === 'running' && vm.bootIdSame && vm.sequenceMonotonic,
      bootIdSame: vm.bootIdSame,
      blackoutMs: vm.blackoutMs,
      integrity: vm.integrity,
    };
  });
  const changed = seen.after.kernel !== seen.before.kernel && seen.after.kernel === seen.update.to;
  return {
    ok:
      seen.update.state === 'completed' &&
      changed &&
      vms.length > 0 &&
      vms.every(({ survived, integrity }) => survived && integrity === 'ok'),
    accelerator,
    host: {
      kernelBefore: seen.before.kernel,
      kernelAfter: seen.after.kernel,
      qemu: seen.before.qemu ?? 'unknown',
    },
    vms,
    phases: seen.report.phases,
    totalMs: seen.report.totalMs,
    report,
  };
}
