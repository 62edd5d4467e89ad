import type { Check, Vm } from '@exuvia/contract';
import { probeQemu, type QemuFeatures } from '@exuvia/qemu';
import type { PlanTarget } from '../../kinds.ts';
import type { HandoverDependencies } from '../dependencies.ts';
import { memoryFree, STATE_BYTES, storeSpace, vmRuns } from '../shared/checks.ts';
import { methodOf } from './plan-vms.ts';

/** Memory of a QEMU beside its guest's; generous. */
const QEMU_BYTES = 96 * 2 ** 20;

/** Everything that must hold before VMs get another QEMU. Never throws for a failed check. */
export async function vmmChecks(
  { vms: manager }: HandoverDependencies,
  target: PlanTarget,
  vms: readonly Vm[],
): Promise<Check[]> {
  const features = target.qemu === null ? null : await probeQemu(target.qemu.binary).catch(() => null);
  if (target.qemu === null || features === null) {
    const reason = 'There is no QEMU to move the VMs into.';
    return [
      { id: 'qemu-target', subject: 'host', verdict: 'fail', reason, remedy: 'Name one: --qemu VERSION' },
    ];
  }
  const common = [
    targetWorks(features),
    await memoryFree(vms.length * QEMU_BYTES),
    await storeSpace(vms.length * STATE_BYTES),
  ];
  const each = await Promise.all(
    vms.map(async (vm) => [vmRuns(vm), ...(await vmChecks(manager, target, features, vm))]),
  );
  return [...common, ...each.flat()];
}

function targetWorks({ version, packageVersion, binary }: QemuFeatures): Check {
  const what = packageVersion === '' ? version : `${version} (${packageVersion})`;
  return { id: 'qemu-target', subject: 'host', verdict: 'ok', reason: `QEMU ${what} answers: ${binary}.` };
}

async function vmChecks(
  manager: HandoverDependencies['vms'],
  target: PlanTarget,
  features: QemuFeatures,
  vm: Vm,
): Promise<Check[]> {
  const fail = (id: string, reason: string, remedy: string): Check => {
    return { id, subject: vm.name, verdict: 'fail', reason, remedy };
  };
  const chosen = await methodOf({ vms: manager }, vm.name, target);
  if (chosen === null) return [fail('vmm-method', 'Its QEMU does not answer.', 'See its log.')];
  if (!features.machines.includes(vm.spec.machine)) {
    const reason = `QEMU ${features.version} does not have its machine ${vm.spec.machine}.`;
    return [
      fail('vmm-machine', reason, 'Stop the VM, and start it with a machine type that both QEMUs have.'),
    ];
  }
  const differences = await manager.successors.differences(vm.name, features.binary);
  if (differences.length > 0) {
    const reason = `The new QEMU would not be the same machine: ${differences.join('; ')}.`;
    return [fail('vmm-machine', reason, 'Stop and start the VM.')];
  }
  const { method, reason, obstacle, from } = chosen;
  if (obstacle !== null) return [fail('vmm-method', `Not by ${method}: ${obstacle}`, 'Leave --method out.')];
  const how = `It goes from QEMU ${from} to ${features.version} by ${method}. ${reason}`;
  return [
    {
      id: 'vmm-machine',
      subject: vm.name,
      verdict: 'ok',
      reason: 'Both QEMUs build the same machine for it.',
    },
    { id: 'vmm-method', subject: vm.name, verdict: 'ok', reason: how },
  ];
}
