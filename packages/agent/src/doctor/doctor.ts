import { type Check, type Doctor, ExuviaError, reasonOf } from '@exuvia/contract';
import type { Store, VmManager } from '../kinds.ts';
import { type DoctorFacts, doctorFacts, type QemuAbilities } from './facts.ts';
import {
  commandLineCheck,
  kernelConfigCheck,
  kexecAllowedCheck,
  kexecSignatureCheck,
  secureBootCheck,
} from './kernel-checks.ts';
import {
  bootLoaderCheck,
  clockCheck,
  kvmCheck,
  memoryCheck,
  qemuCheck,
  rootFileSystemCheck,
} from './machine-checks.ts';

export interface DoctorDependencies {
  readonly store: Pick<Store, 'checks'>;
  readonly vms: Pick<VmManager, 'list' | 'checks'>;
  /** What the host's QEMU can do, by introspection. @throws ExuviaError */
  probeQemu(): Promise<QemuAbilities>;
}

/** Examines the host and its VMs: what can be updated how, and if not, why and what to do. Never changes anything. */
export async function doctor(dependencies: DoctorDependencies): Promise<Doctor> {
  const facts = await doctorFacts(await abilities(dependencies));
  const store = await dependencies.store.checks();
  const vms = await dependencies.vms.list();
  const vmChecks = await Promise.all(vms.map((vm) => dependencies.vms.checks(vm.name)));
  return diagnose([...hostChecks(facts), ...store, ...vmChecks.flat()]);
}

/** Every check of the host itself, in the order in which they are shown. */
export function hostChecks(facts: DoctorFacts): Check[] {
  return [
    kernelConfigCheck(facts.kernel, facts.config),
    commandLineCheck(facts),
    kexecAllowedCheck(facts),
    kexecSignatureCheck(facts),
    secureBootCheck(facts),
    bootLoaderCheck(facts),
    kvmCheck(facts),
    qemuCheck(facts),
    memoryCheck(facts),
    rootFileSystemCheck(facts),
    clockCheck(facts),
  ];
}

/** What an update over a reboot does without: it boots as ever, and saves VMs to disk if need be. */
const KEXEC_ONLY = new Set([
  'kernel-config',
  'kernel-command-line',
  'kexec-allowed',
  'kexec-signature',
  'memory',
  'root-file-system',
  'store-content',
]);

/** What an update needs that leaves the kernel alone: memory in the store, and a QEMU. */
const NEEDS_NEW_BOOT = new Set([...KEXEC_ONLY, 'boot-loader', 'secure-boot', 'clock']);

/** Draws the conclusion: which handover is possible. */
export function diagnose(checks: readonly Check[]): Doctor {
  const failed = checks.filter((check) => check.verdict === 'fail');
  const kexec = failed.map(reasonOf);
  const reboot = failed.filter((check) => !KEXEC_ONLY.has(check.id)).map(reasonOf);
  const sameBoot = failed.filter((check) => !NEEDS_NEW_BOOT.has(check.id)).map(reasonOf);
  return {
    checks: [...checks],
    handovers: [
      { handover: 'vmm', possible: sameBoot.length === 0, reasons: sameBoot },
      { handover: 'module', possible: sameBoot.length === 0, reasons: sameBoot },
      { handover: 'kexec', possible: kexec.length === 0, reasons: kexec },
      { handover: 'reboot', possible: reboot.length === 0, reasons: reboot },
    ],
  };
}

async function abilities(dependencies: DoctorDependencies): Promise<QemuAbilities | ExuviaError> {
  try {
    return await dependencies.probeQemu();
  } catch (error) {
    return error instanceof ExuviaError
      ? error
      : new ExuviaError('qemu-unusable', 'QEMU could not be examined.', { cause: error });
  }
}
