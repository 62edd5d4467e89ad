import { statfs } from 'node:fs/promises';
import { type Check, ExuviaError, HOST_PATHS, type Vm } from '@exuvia/contract';
import { kexecFacts, readIfExists } from '@exuvia/sys';
import type { PlanTarget } from '../../kinds.ts';
import type { HandoverDependencies } from '../dependencies.ts';
import { kernelInstalled, vmRuns } from '../shared/checks.ts';
import { earlyNeeds } from './needs.ts';

/** Room for the copy of QEMU and for the state of each VM; measured: 59 MiB and 0.4 MiB (docs/measurements.md). */
const RUNTIME_BYTES = 96 * 2 ** 20;
const STATE_BYTES = 16 * 2 ** 20;
/** A guest's kernel and initrd are copied too; generous. */
const BOOT_FILES_BYTES = 64 * 2 ** 20;
/** The new kernel, its initramfs and the copies that kexec makes of both. */
const KEXEC_BYTES = 256 * 2 ** 20;

/** Everything that must hold before an update by kexec may start. Never throws for a failed check. */
export async function kexecChecks(
  { store }: HandoverDependencies,
  { kernel }: PlanTarget,
  vms: readonly Vm[],
): Promise<Check[]> {
  return Promise.all([
    ...(await store.checks()),
    kernelInstalled(kernel),
    kexecAllowed(),
    // Without a store its own check says so; there is no room to look at.
    ...((await store.status()) === null ? [] : [storeSpace(vms.length)]),
    memoryFree(),
    earlyRestore(kernel, vms),
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

async function storeSpace(vmCount: number): Promise<Check> {
  const id = 'store-space';
  const needed = RUNTIME_BYTES + BOOT_FILES_BYTES + vmCount * STATE_BYTES;
  const { bavail, bsize } = await statfs(HOST_PATHS.store);
  const free = bavail * bsize;
  const reason = `The store has ${mebibytes(free)} free; an update needs up to ${mebibytes(needed)}.`;
  return free >= needed
    ? { id, subject: 'host', verdict: 'ok', reason }
    : {
        id,
        subject: 'host',
        verdict: 'fail',
        reason,
        remedy: 'Destroy VMs that are not needed, or set up a larger store.',
      };
}

async function memoryFree(): Promise<Check> {
  const id = 'memory-free';
  const kibibytes = /^MemAvailable:\s+(\d+) kB$/m.exec((await readIfExists('/proc/meminfo')) ?? '')?.[1];
  const free = Number(kibibytes ?? '0') * 1024;
  const reason = `${mebibytes(free)} of memory are available; loading a kernel takes up to ${mebibytes(KEXEC_BYTES)}.`;
  return free >= KEXEC_BYTES
    ? { id, subject: 'host', verdict: 'ok', reason }
    : { id, subject: 'host', verdict: 'fail', reason, remedy: 'Stop something on the host.' };
}

async function earlyRestore(release: string, vms: readonly Vm[]): Promise<Check> {
  const id = 'early-restore';
  try {
    const { modules, root, mounts } = await earlyNeeds(release, vms);
    const places = [root, ...mounts].map(({ path }) => path).join(', ');
    const reason = `The early restore needs ${modules.length} modules and mounts ${places} and the store.`;
    return { id, subject: 'host', verdict: 'ok', reason };
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    const remedy = error instanceof ExuviaError ? error.hint : undefined;
    return { id, subject: 'host', verdict: 'fail', reason, ...(remedy === undefined ? {} : { remedy }) };
  }
}

function mebibytes(bytes: number): string {
  return `${Math.floor(bytes / 2 ** 20)} MiB`;
}
