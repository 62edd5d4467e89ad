import type { AgentConfig, ExuviaError } from '@exuvia/contract';
import { probeQemu, probeQemus } from '@exuvia/qemu';
import { bootId, kernelRelease } from '@exuvia/sys';
import { CRASH_KERNEL_ARGUMENT, createCrashRecovery } from '../crash/index.ts';
import { doctor } from '../doctor/index.ts';
import type { HandoverDependencies } from '../handover/dependencies.ts';
import { createKexecHandover } from '../handover/kexec/index.ts';
import { createModuleHandover, keepLoadedModules } from '../handover/module/index.ts';
import { createRebootHandover } from '../handover/reboot/index.ts';
import { withLeftOut } from '../handover/shared/left-out.ts';
import { withRefusals } from '../handover/shared/refusals.ts';
import { createVmmHandover } from '../handover/vmm/index.ts';
import type { Log } from '../http/services.ts';
import { createInventory } from '../inventory/inventory.ts';
import { loadedLivepatches } from '../inventory/livepatches.ts';
import { asTarget, createSoftware, heldModules } from '../inventory/software.ts';
import { aptLineForKernel } from '../planner/index.ts';
import { createSetup } from '../setup/index.ts';
import { createDaxStore } from '../store/dax/index.ts';
import { createHostVms, cutLogs, QEMU_BINARY, VM_LOGS } from '../workload/vm/index.ts';
import { configCheck, livepatchCheck, specChecks, withChecks } from './checks.ts';
import type { Parts } from './parts.ts';

/**
 * Puts the parts of a real host together. Nothing is started and nothing on the host is changed by this.
 *
 * @param written what the configuration's file says now, or what is wrong with it.
 */
export async function wire(
  config: () => AgentConfig,
  written: () => Promise<AgentConfig | ExuviaError>,
  log: Log,
): Promise<Parts> {
  const store = createDaxStore();
  const vms = createHostVms({ store, config, log });
  const setup = createSetup(store, undefined, () => (config().crashRecovery ? [CRASH_KERNEL_ARGUMENT] : []));
  const qemus = async () => (await probeQemus(config().qemus)).map(asTarget);
  const inventory: Parts['inventory'] = (currentUpdate) =>
    createInventory({ store, currentUpdate, qemuVersion, qemus });
  const given: HandoverDependencies = {
    vms,
    store,
    config,
    host: () => inventory(() => null).host(),
    heartbeat: (name) => vms.readHeartbeat(name),
  };
  const crash = createCrashRecovery({
    ...{ vms, config },
    now: () => new Date(),
    log: (message) => log.warn({}, message),
  });
  const handovers = [
    withLeftOut(createVmmHandover(given), given),
    withLeftOut(createModuleHandover(given), given),
    createKexecHandover(given),
    withLeftOut(createRebootHandover(given), given),
  ].map((handover) => withRefusals(handover, given));
  return {
    store,
    vms,
    crash,
    inventory,
    handovers: new Map(handovers.map((handover) => [handover.kind, handover])),
    bootId: await bootId(),
    kernel: kernelRelease(),
    setup: (bytes) => setup.run(bytes),
    undoSetup: () => setup.undo(),
    doctor: async () =>
      withChecks(await doctor({ store, vms, probeQemu: () => probeQemu(QEMU_BINARY) }), [
        configCheck(config(), await written()),
        livepatchCheck(await loadedLivepatches()),
        ...specChecks(await vms.specProblems(), await vms.list()),
      ]),
    close: () => vms.close(),
    software: createSoftware({ qemu: QEMU_BINARY, config }),
    keepModules: async () => keepLoadedModules(await heldModules()),
    aptLine: aptLineForKernel,
    cutLogs: () => cutLogs(VM_LOGS, log),
    kill: () => process.kill(process.pid, 'SIGKILL'),
  };
}

async function qemuVersion(): Promise<string | null> {
  return await probeQemu(QEMU_BINARY).then(
    (features) => features.version,
    () => null,
  );
}
