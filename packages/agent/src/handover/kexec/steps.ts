import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ExuviaError, HOST_PATHS, type Plan, STORE_LABEL } from '@exuvia/contract';
import {
  installedKernels,
  loadKexec,
  mountAt,
  mountFileSystem,
  mounts,
  readIfExists,
  run,
  startUnits,
  stopUnits,
  unloadKexec,
  unmountFileSystem,
  writeFileDurably,
} from '@exuvia/sys';
import { z } from 'zod';
import { renderRecord } from '../../journal/index.ts';
import type { Step, StepContext } from '../../kinds.ts';
import type { HandoverDependencies } from '../dependencies.ts';
import { runningVms } from '../shared/running-vms.ts';
import { noteHeartbeats } from '../shared/verify.ts';
import { clockReadingSchema, readClock } from './clock.ts';
import { nextCommandLine } from './command-line.ts';
import { unneededFileSystems } from './file-systems.ts';
import { buildInitramfs, earlyModuleFile } from './initramfs.ts';
import { handoverFiles, RESTORE_QMP_FD } from './layout.ts';
import { type EarlyNeeds, earlyNeeds } from './needs.ts';
import { renderPausePlan } from './pause-plan.ts';
import { pauseSteps } from './pause-steps.ts';
import { installRuntime, type QemuRuntime } from './runtime.ts';
import { stoppableUnits } from './services.ts';
import { tscKhz } from './stamps.ts';

const PAUSE_TIMEOUT_MS = 60_000;
const RESTORE_TIMEOUT_MS = 60_000;

/** What the later steps of one update take from the earlier ones; all of it can be computed again. */
interface Prepared {
  needs?: EarlyNeeds;
  runtime?: QemuRuntime;
}

/** The steps of an update by kexec. Everything up to `arm-pause` happens while the VMs run. */
export function kexecSteps(
  dependencies: HandoverDependencies,
  plan: Pick<Plan, 'id' | 'target' | 'vms'>,
): readonly Step[] {
  const prepared: Prepared = {};
  return [
    noteVms(dependencies),
    copyQemu(prepared),
    buildRestore(dependencies, prepared),
    loadKernel(dependencies),
    stopServices(dependencies, plan),
    unmountUnneeded(prepared),
    syncFileSystems(),
    ...pauseSteps({ planFile: (context) => join(context.directory, 'pause-plan') }),
  ];
}

/** Changes nothing on the host; dying after it leaves two small files. */
function noteVms(dependencies: HandoverDependencies): Step {
  return {
    name: 'note-vms',
    phase: null,
    description: 'note the VMs’ heartbeats and the clock’s rate',
    async run(context) {
      const vms = await runningVms(dependencies, context.plan);
      await context.remember('clock', await readClock());
      await noteHeartbeats(dependencies, context, vms);
    },
  };
}

/** The copy is kept for the next update; a half-made one has another name and is removed by a later update. */
function copyQemu(prepared: Prepared): Step {
  return {
    name: 'copy-qemu',
    phase: null,
    description: 'copy QEMU into the store, where the new kernel executes it in place',
    async run() {
      prepared.runtime = await installRuntime('/usr/bin/qemu-system-x86_64');
    },
  };
}

/** Files in the update's own directories only; dying after it leaves them to `undo`, which removes them. */
function buildRestore(dependencies: HandoverDependencies, prepared: Prepared): Step {
  return {
    name: 'build-restore',
    phase: null,
    description: 'write the restore plan and build the early-restore initramfs',
    async run(context) {
      const { plan } = context;
      const vms = await runningVms(dependencies, plan);
      const needs = await earlyNeeds(plan.target.kernel, vms);
      const runtime = prepared.runtime ?? (await installRuntime('/usr/bin/qemu-system-x86_64'));
      prepared.needs = needs;
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
          vms: await Promise.all(
            byPriority(plan).map(async (name) => ({
              name,
              argv: restoreArgv(await dependencies.vms.restoreArguments(name), runtime),
              environment: runtime.environment,
            })),
          ),
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
    },
  };
}

/** A loaded kernel changes nothing until the jump; `kexec -u` frees it, a reboot as well. */
function loadKernel({ config }: HandoverDependencies): Step {
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

/** The list is durable before the first unit stops: a later process can start them all again. */
function stopServices({ config }: HandoverDependencies, plan: Pick<Plan, 'vms'>): Step {
  return {
    name: 'stop-services',
    phase: null,
    description: 'stop services that no VM needs',
    async run(context) {
      const units = await stoppableUnits(
        config().keepServices,
        plan.vms.map(({ name }) => name),
      );
      await context.remember('stopped-units', units);
      if (units.length > 0) context.log(`stopping ${units.join(', ')}`);
      await stopUnits(units);
    },
    async undo(context) {
      const units =
        z
          .array(z.string())
          .optional()
          .parse(await context.recall('stopped-units')) ?? [];
      await startUnits(units.toReversed());
    },
  };
}

const unmountedSchema = z.array(
  z.object({ source: z.string(), mountPoint: z.string(), type: z.string(), options: z.array(z.string()) }),
);

/** The list is durable before the first one is unmounted. */
function unmountUnneeded(prepared: Prepared): Step {
  return {
    name: 'unmount-file-systems',
    phase: null,
    description: 'unmount file systems that no VM needs',
    async run(context) {
      const needs = prepared.needs ?? {
        mounts: [],
        store: { label: STORE_LABEL, path: HOST_PATHS.store, options: '' },
      };
      const unneeded = await unneededFileSystems(needs);
      await context.remember('unmounted', unneeded);
      for (const { mountPoint } of unneeded) {
        // One that is in use ends with the old kernel, its data synced: no reason to give up an update.
        await unmountFileSystem(mountPoint).catch((error: unknown) =>
          context.log(`${mountPoint} stays: ${String(error)}`),
        );
      }
    },
    async undo(context) {
      const unmounted = unmountedSchema.optional().parse(await context.recall('unmounted')) ?? [];
      for (const request of unmounted.toReversed()) {
        if (mountAt(await mounts(), request.mountPoint) === null) await mountFileSystem(request);
      }
    },
  };
}

/** Leaves little to write for the sync inside the pause. */
function syncFileSystems(): Step {
  return {
    name: 'sync',
    phase: null,
    description: 'write everything to the disks while the VMs run',
    async run() {
      await run('sync', [], { timeoutMs: 300_000 });
    },
  };
}

function pausePlan(plan: Plan, needs: EarlyNeeds) {
  const commit = renderRecord({
    v: 1,
    kind: 'commit',
    at: new Date().toISOString(),
    bootId: plan.host.bootId,
    update: plan.id,
  });
  return {
    update: plan.id,
    vms: byPriority(plan),
    syncs: [needs.store.path, '/', ...needs.mounts.map(({ path }) => path)],
    commitRecord: commit.trimEnd(),
    timeoutMs: PAUSE_TIMEOUT_MS,
  };
}

function byPriority({ vms }: Pick<Plan, 'vms'>): string[] {
  return vms
    .toSorted((a, b) => a.priority - b.priority || a.name.localeCompare(b.name))
    .map(({ name }) => name);
}

/**
 * QEMU from the copy in the store, led through a socket that the early restore holds. Mode and events are
 * properties, not QMP commands, because QEMU 10.0 reads QMP byte by byte.
 */
function restoreArgv([, ...rest]: readonly string[], runtime: QemuRuntime): string[] {
  return [
    runtime.binary,
    '-L',
    runtime.firmware,
    ...rest,
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
