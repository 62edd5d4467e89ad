import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ExuviaError, HOST_PATHS, type Plan, parseSize, type Vm } from '@exuvia/contract';
import { installedKernels, loadKexec, readIfExists, unloadKexec, writeFileDurably } from '@exuvia/sys';
import type { Step, StepContext } from '../../kinds.ts';
import type { HandoverDependencies } from '../dependencies.ts';
import { commitRecord } from '../shared/commit-record.ts';
import { endRehearsal, rehearseRestore } from '../shared/rehearse.ts';
import { runningVms } from '../shared/running-vms.ts';
import { tscKhz } from '../shared/stamp-lines.ts';
import { noteHeartbeats } from '../shared/verify.ts';
import { clockReadingSchema, readClock } from './clock.ts';
import { nextCommandLine } from './command-line.ts';
import { buildInitramfs, earlyModuleFile } from './initramfs.ts';
import { handoverFiles, RESTORE_QMP_FD } from './layout.ts';
import { type EarlyNeeds, earlyNeeds } from './needs.ts';
import { notePanicTimeout } from './panic-timeout.ts';
import { renderPausePlan } from './pause-plan.ts';
import type { Prepared } from './prepared.ts';
import type { EarlyVm } from './restore-plan.ts';
import { installBootFiles, type QemuRuntime, removeBootFiles } from './runtime.ts';
import { installRuntimes, otherSaver } from './runtimes.ts';

const PAUSE_TIMEOUT_MS = 60_000;
const RESTORE_TIMEOUT_MS = 60_000;

/** Changes nothing on the host; dying after it leaves two small files. */
export function noteVms(dependencies: HandoverDependencies): Step {
  return {
    name: 'note-vms',
    phase: null,
    description: 'note the VMs’ heartbeats and the clock’s rate',
    async run(context) {
      const vms = await runningVms(dependencies, context.plan);
      await context.remember('clock', await readClock());
      await notePanicTimeout(context);
      await noteHeartbeats(dependencies, context, vms);
    },
  };
}

/** The copy is kept for the next update; a half-made one has another name and is removed by a later update. */
export function copyQemu(dependencies: HandoverDependencies, prepared: Prepared): Step {
  return {
    name: 'copy-qemu',
    phase: null,
    description: 'copy QEMU into the store, where the new kernel executes it in place',
    async run({ plan }) {
      prepared.runtimes = await installRuntimes(dependencies, plan);
    },
  };
}

/** Files in the update's own directories only; dying after it leaves them to `undo`, which removes them. */
export function buildRestore(dependencies: HandoverDependencies, prepared: Prepared): Step {
  return {
    name: 'build-restore',
    phase: null,
    description: 'write the restore plan and build the early-restore initramfs',
    async run(context) {
      const { plan } = context;
      const vms = await runningVms(dependencies, plan);
      const needs = await earlyNeeds(plan.target.kernel, vms);
      const runtimes = prepared.runtimes ?? (await installRuntimes(dependencies, plan));
      prepared.needs = needs;
      prepared.vms = await earlyVms(dependencies, plan, vms, runtimes);
      const initramfs = await buildInitramfs(
        {
          update: plan.id,
          modules: needs.modules.map(({ group, name, options }) => ({
            group,
            file: earlyModuleFile(name),
            options,
          })),
          root: needs.root,
          mounts: needs.mounts,
          store: needs.store,
          vmCpus: dependencies.config().vmCpus,
          vms: prepared.vms,
          timeoutMs: RESTORE_TIMEOUT_MS,
        },
        needs,
      );
      await writeFile(join(context.directory, 'initramfs'), initramfs, { mode: 0o600 });
      await context.remember('initramfs-bytes', initramfs.length);
      await mkdir(handoverFiles(plan.id).directory, { recursive: true, mode: 0o700 });
      await writeFile(join(context.directory, 'pause-plan'), renderPausePlan(pausePlan(plan, needs)), {
        mode: 0o600,
      });
    },
    async undo(context) {
      await rm(join(context.directory, 'initramfs'), { force: true });
      await rm(join(context.directory, 'pause-plan'), { force: true });
      await rm(handoverFiles(context.plan.id).directory, { recursive: true, force: true });
      await removeBootFiles();
    },
  };
}

/** When the agent dies in it, a directory in /run and a QEMU that executes nothing stay behind, until `undo`. */
export function rehearse(dependencies: HandoverDependencies, prepared: Prepared): Step {
  return {
    name: 'rehearse',
    phase: null,
    description: 'save and restore a machine like each VM with the QEMU in the store',
    async run(context) {
      for (const vm of prepared.vms ?? []) {
        const { spec } = await dependencies.vms.get(vm.name);
        if (spec.extraArgs.length > 0) {
          context.log(
            `VM ${vm.name} is not rehearsed: its extra arguments may name things that exist only once`,
          );
          continue;
        }
        const savedBy = await otherSaver(dependencies, context.plan, vm.name);
        await rehearseRestore(savedBy === null ? vm : { ...vm, savedBy }, {
          record: join(HOST_PATHS.runtime, 'rehearsed'),
          directory: rehearsalDirectory(vm.name),
          memoryBytes: parseSize(spec.memory) ?? 0,
          cpus: dependencies.config().vmCpus,
          signal: context.signal,
        });
      }
    },
    async undo({ plan }) {
      await Promise.all(plan.vms.map(({ name }) => endRehearsal(rehearsalDirectory(name))));
    },
  };
}

function rehearsalDirectory(name: string): string {
  return join(HOST_PATHS.runtime, 'rehearsal', name);
}

/** A loaded kernel changes nothing until the jump; `kexec -u` frees it, a reboot as well. */
export function loadKernel({ config }: HandoverDependencies): Step {
  return {
    name: 'load-kernel',
    phase: null,
    description: 'load the new kernel and the initramfs into memory',
    async run(context) {
      const release = context.plan.target.kernel;
      const kernel = (await installedKernels()).find((installed) => installed.release === release);
      if (kernel === undefined) {
        throw new ExuviaError('kernel-unknown', `Kernel ${release} is no longer installed.`, {
          hint: 'Make a new plan.',
        });
      }
      const commandLine = nextCommandLine(
        (await readIfExists('/proc/cmdline')) ?? '',
        context.plan.id,
        await measuredTscKhz(context),
        config().kernelArguments,
      );
      await writeFileDurably(join(context.directory, 'kernel-command-line'), `${commandLine}\n`);
      await loadKexec({ kernel: kernel.image, initrd: join(context.directory, 'initramfs'), commandLine });
    },
    undo: () => unloadKexec(),
  };
}

function pausePlan(plan: Plan, needs: EarlyNeeds) {
  return {
    update: plan.id,
    vms: byPriority(plan),
    syncs: [needs.store.path, '/', ...needs.mounts.map(({ path }) => path)],
    commitRecord: commitRecord(plan).trimEnd(),
    timeoutMs: PAUSE_TIMEOUT_MS,
  };
}

function byPriority({ vms }: Pick<Plan, 'vms'>): string[] {
  return vms
    .toSorted((a, b) => a.priority - b.priority || a.name.localeCompare(b.name))
    .map(({ name }) => name);
}

async function earlyVms(
  { vms }: HandoverDependencies,
  plan: Plan,
  found: readonly Vm[],
  runtimes: ReadonlyMap<string, QemuRuntime>,
): Promise<EarlyVm[]> {
  const bootFiles = found.flatMap(({ spec: { boot } }) =>
    'kernel' in boot ? [boot.kernel, ...(boot.initrd === undefined ? [] : [boot.initrd])] : [],
  );
  const copies = await installBootFiles(bootFiles);
  return Promise.all(
    byPriority(plan).map(async (name) => {
      const argv = await vms.restoreArguments(name);
      const runtime = runtimes.get(plan.target.qemu?.binary ?? argv[0] ?? '');
      if (runtime === undefined) throw new ExuviaError('internal', `The QEMU of VM ${name} was not copied.`);
      return { name, argv: restoreArgv(argv, runtime, copies), environment: runtime.environment };
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

async function measuredTscKhz(context: StepContext): Promise<number | null> {
  const before = clockReadingSchema.safeParse(await context.recall('clock'));
  if (!before.success) return null;
  const now = await readClock();
  return tscKhz(
    { tsc: BigInt(before.data.tsc), ns: BigInt(before.data.ns) },
    { tsc: BigInt(now.tsc), ns: BigInt(now.ns) },
  );
}
