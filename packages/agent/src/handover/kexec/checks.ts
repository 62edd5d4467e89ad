import { type Check, ExuviaError, type Vm } from '@exuvia/contract';
import { detectBootLoader, findWatchdog, installedKernels, kernelRelease, kexecFacts } from '@exuvia/sys';
import type { PlanTarget } from '../../kinds.ts';
import type { HandoverDependencies } from '../dependencies.ts';
import { kernelInstalled, memoryFree, STATE_BYTES, storeSpace, vmRuns } from '../shared/checks.ts';
import { diskNeeds } from './disk-needs.ts';
import type { EarlyNetwork } from './early-network.ts';
import { earlyNeeds, restored } from './needs.ts';

/** Room for a copy of QEMU; generous. */
const RUNTIME_BYTES = 96 * 2 ** 20;
/** A guest's kernel and initrd are copied too; generous. */
const BOOT_FILES_BYTES = 64 * 2 ** 20;
/** The way back: the running kernel and its initramfs; generous. */
const FALLBACK_BYTES = 48 * 2 ** 20;
/** The new kernel, its initramfs and the copies that kexec makes of both. */
const KEXEC_BYTES = 256 * 2 ** 20;

/** Everything that must hold before an update by kexec may start. Never throws for a failed check. */
export async function kexecChecks(
  { store, vms: manager }: HandoverDependencies,
  { kernel, qemu }: PlanTarget,
  vms: readonly Vm[],
): Promise<Check[]> {
  const disks = await Promise.all(vms.map((vm) => disksThere(manager, vm)));
  const good = vms.filter((_, index) => disks[index]?.verdict === 'ok');
  return Promise.all([
    ...disks,
    ...(await store.checks()),
    kernelInstalled(kernel),
    kexecAllowed(),
    // Without a store its own check says so; there is no room to look at.
    ...((await store.status()) === null ? [] : [storeSpace(storeBytes(vms.length, qemu === null ? 1 : 2))]),
    memoryFree(KEXEC_BYTES),
    ...(await earlyRestore(manager, kernel, good)),
    wayBack(),
    watchdog(),
    ...vms.map(vmRuns),
  ]);
}

async function kexecAllowed(): Promise<Check> {
  const id = 'kexec-allowed';
  const { loaded, loadDisabled, loadLimit } = await kexecFacts();
  const fail = (reason: string, remedy: string): Check => ({
    id,
    subject: 'host',
    verdict: 'fail',
    reason,
    remedy,
  });
  if (loaded === null)
    return fail('This kernel was built without kexec.', 'Boot a kernel with CONFIG_KEXEC_FILE=y.');
  if (loadDisabled || loadLimit === 0) {
    return fail(
      'kernel.kexec_load_disabled forbids loading a kernel.',
      'Remove the setting and restart the host once.',
    );
  }
  return { id, subject: 'host', verdict: 'ok', reason: 'This kernel lets another one be loaded.' };
}

/** @param qemus so many QEMUs are copied: the new one, and for the way back that which the VMs run in. */
function storeBytes(vmCount: number, qemus: number): number {
  return qemus * RUNTIME_BYTES + BOOT_FILES_BYTES + FALLBACK_BYTES + vmCount * STATE_BYTES;
}

/** Of one VM alone: whether it is left out for it is for its spec to say. */
async function disksThere(manager: HandoverDependencies['vms'], { name }: Vm): Promise<Check> {
  const about = { id: 'vm-disks-there', subject: name } as const;
  try {
    const { mounts, devices } = await diskNeeds(await manager.images(name));
    const where = new Set([
      ...mounts.map(({ mountPoint }) => mountPoint),
      ...devices.map(({ path }) => path),
    ]);
    const what =
      where.size === 0 ? 'It needs no disks' : `Its disks are there (${[...where].sort().join(', ')})`;
    return { ...about, verdict: 'ok', reason: `${what} when it is restored.` };
  } catch (error) {
    return { ...about, verdict: 'fail', ...saying(error) };
  }
}

async function earlyRestore(
  manager: HandoverDependencies['vms'],
  release: string,
  vms: readonly Vm[],
): Promise<Check[]> {
  const about = { id: 'early-restore', subject: 'host' } as const;
  try {
    const needs = await earlyNeeds(release, await restored({ vms: manager }, vms));
    const { modules, devices } = needs;
    const places = [needs.root, ...needs.mounts].map(({ path }) => path).join(', ');
    const found = devices.length === 0 ? '' : `, and finds ${devices.map(({ path }) => path).join(', ')}`;
    const reason = `The early restore needs ${modules.length} modules and mounts ${places} and the store${found}.`;
    return [{ ...about, verdict: 'ok', reason }, ...networkChecks(needs.network)];
  } catch (error) {
    return [{ ...about, verdict: 'fail', ...saying(error) }];
  }
}

function saying(error: unknown): Pick<Check, 'reason' | 'remedy'> {
  const reason = error instanceof Error ? error.message : String(error);
  const remedy = error instanceof ExuviaError ? error.hint : undefined;
  return { reason, ...(remedy === undefined ? {} : { remedy }) };
}

/** Whether the VMs reach others as soon as they run. */
function networkChecks({ bridges, nics, vlans, late }: EarlyNetwork): Check[] {
  if (bridges.length === 0) return [];
  const about = { id: 'early-network', subject: 'host' } as const;
  const made = [...bridges, ...nics, ...vlans].map(({ name }) => name).join(', ');
  if (late.length === 0) {
    return [
      {
        ...about,
        verdict: 'ok',
        reason: `The early restore makes ${made} before the host's own network is up.`,
      },
    ];
  }
  const reason = `The early restore makes ${made}. Only the host's own network configuration brings back ${late.join(', ')}: until then no VM is reached through it.`;
  const remedy = 'Make ports of the bridge NICs or VLANs on them, or accept that.';
  return [{ ...about, verdict: 'warn', reason, remedy }];
}

/** What catches a new kernel that cannot restore the VMs, or that panics. */
async function wayBack(): Promise<Check> {
  const about = { id: 'way-back', subject: 'host' } as const;
  const running = kernelRelease();
  const installed = (await installedKernels()).some(({ release }) => release === running);
  const loader = await detectBootLoader();
  if (installed && loader !== null) {
    const reason = `A new kernel that cannot restore the VMs goes back to ${running}; after a crash of it ${loader.kind} starts ${running}.`;
    return { ...about, verdict: 'ok', reason };
  }
  return {
    ...about,
    verdict: 'warn',
    reason: installed
      ? 'No boot loader is known that would start the running kernel after a crash of the new one.'
      : `The running kernel ${running} is no longer installed: a new kernel that cannot restore the VMs has no way back.`,
    remedy: installed
      ? 'Use GRUB or kernel-install.'
      : 'Install it again, or restart the host into an installed kernel.',
  };
}

/** What catches a new kernel that hangs. */
async function watchdog(): Promise<Check> {
  const about = { id: 'watchdog', subject: 'host' } as const;
  const found = await findWatchdog();
  const none = 'a new kernel that hangs before the VMs are restored stands still';
  if (found === null) {
    return {
      ...about,
      verdict: 'warn',
      reason: `The machine has no watchdog: ${none}.`,
      remedy: 'See /usr/share/doc/exuvia/troubleshooting.md.',
    };
  }
  if (found.inUse) {
    return {
      ...about,
      verdict: 'ok',
      reason: `${found.identity} is in use by another program, which ends with this kernel.`,
    };
  }
  if (!found.stoppable) {
    return {
      ...about,
      verdict: 'warn',
      reason: `${found.identity} cannot be stopped once it runs (nowayout), and is not armed: ${none}.`,
      remedy: 'Load its driver with nowayout=0 (/etc/modprobe.d).',
    };
  }
  if (found.staysArmed === true) {
    return { ...about, verdict: 'ok', reason: `${found.identity} resets a new kernel that hangs.` };
  }
  return {
    ...about,
    verdict: 'warn',
    reason: `${found.identity} would be stopped by the jump: ${none}.`,
    remedy: 'The module watchdog was loaded before Exuvia was installed: restart the host once.',
  };
}
