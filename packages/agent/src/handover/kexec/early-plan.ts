import { EARLY_RESTORE, ExuviaError, nicsOf, type Plan, tapWord, type Vm } from '@exuvia/contract';
import type { StepContext } from '../../kinds.ts';
import type { HandoverDependencies } from '../dependencies.ts';
import { byPriority } from '../shared/parallel.ts';
import { earlyModuleFile } from './initramfs.ts';
import { RESTORE_QMP_FD } from './layout.ts';
import type { EarlyNeeds } from './needs.ts';
import type { EarlyVm, RestorePlan } from './restore-plan.ts';
import { installBootFiles, type QemuRuntime } from './runtime.ts';

/** The copies of QEMU in the store, by the path of what was copied. */
type Runtimes = ReadonlyMap<string, QemuRuntime>;

const RESTORE_TIMEOUT_MS = 60_000;

/** What an early restore does under the kernel that `needs` were found for; without a way back. */
export async function restorePlanOf(
  dependencies: HandoverDependencies,
  { plan, fault }: Pick<StepContext, 'plan' | 'fault'>,
  found: { readonly vms: readonly Vm[]; readonly needs: EarlyNeeds; readonly runtimes: Runtimes },
): Promise<RestorePlan> {
  return {
    ...restoreWithoutVms(plan.id, found.needs),
    vms: await earlyVms(dependencies, plan, found.vms, found.runtimes),
    fault: fault?.step === EARLY_RESTORE ? fault : undefined,
  };
}

/** Takes up file systems and store as the running host has them, and no VM. Pure. */
export function restoreWithoutVms(update: string, needs: EarlyNeeds): RestorePlan {
  return {
    update,
    modules: needs.modules.map(({ group, name, options }) => ({
      group,
      file: earlyModuleFile(name),
      options,
    })),
    root: needs.root,
    mounts: needs.mounts,
    devices: needs.devices,
    store: needs.store,
    cpus: needs.cpus,
    watchdog: needs.watchdog,
    network: needs.network,
    vms: [],
    timeoutMs: RESTORE_TIMEOUT_MS,
    fallback: null,
    fault: undefined,
  };
}

async function earlyVms(
  { vms, config }: Pick<HandoverDependencies, 'vms' | 'config'>,
  plan: Plan,
  found: readonly Vm[],
  runtimes: Runtimes,
): Promise<EarlyVm[]> {
  const bootFiles = found.flatMap(({ spec: { boot } }) =>
    'kernel' in boot ? [boot.kernel, ...(boot.initrd === undefined ? [] : [boot.initrd])] : [],
  );
  const copies = await installBootFiles(bootFiles);
  return Promise.all(
    byPriority(plan).map(async ({ name }) => {
      const argv = await vms.restoreArguments(name);
      const runtime = runtimes.get(plan.target.qemu?.binary ?? argv[0] ?? '');
      if (runtime === undefined) throw new ExuviaError('internal', `The QEMU of VM ${name} was not copied.`);
      const spec = found.find((vm) => vm.name === name)?.spec;
      const { cpuAffinity, nice = 0 } = spec ?? {};
      return {
        name,
        argv: restoreArgv(argv, runtime, copies),
        environment: runtime.environment,
        cpus: cpuAffinity ?? config().vmCpus,
        nice,
        taps: (spec === undefined ? [] : nicsOf(spec)).flatMap((nic) => tapWord(nic) ?? []),
      };
    }),
  );
}

/**
 * QEMU from the copy in the store, led through a socket that the early restore holds. Mode and events are
 * properties, not QMP commands, because QEMU 10.0 reads QMP byte by byte.
 */
function restoreArgv(
  [, ...rest]: readonly string[],
  runtime: QemuRuntime,
  bootFiles: ReadonlyMap<string, string>,
): string[] {
  const moved = rest.map((word, index) =>
    ['-kernel', '-initrd'].includes(rest[index - 1] ?? '') ? (bootFiles.get(word) ?? word) : word,
  );
  return [
    runtime.binary,
    '-L',
    runtime.firmware,
    ...moved,
    '-global',
    'migration.mode=cpr-reboot',
    '-global',
    'migration.x-events=on',
    '-chardev',
    `socket,id=early-restore,fd=${RESTORE_QMP_FD}`,
    '-mon',
    'chardev=early-restore,mode=control',
  ];
}
