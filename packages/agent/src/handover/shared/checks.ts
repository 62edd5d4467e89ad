import { statfs } from 'node:fs/promises';
import { type Check, HOST_PATHS, type Vm } from '@exuvia/contract';
import { installedKernels, readIfExists } from '@exuvia/sys';

/** Room for one VM's device state; generous. */
export const STATE_BYTES = 16 * 2 ** 20;

export async function kernelInstalled(release: string): Promise<Check> {
  const found = (await installedKernels()).some((kernel) => kernel.release === release);
  const reason = `Kernel ${release} is ${found ? '' : 'not '}installed.`;
  return found
    ? { id: 'kernel-installed', subject: 'host', verdict: 'ok', reason }
    : { id: 'kernel-installed', subject: 'host', verdict: 'fail', reason, remedy: 'Install it with apt.' };
}

export function vmRuns(vm: Vm): Check {
  const id = 'vm-runs';
  if (vm.state === 'running') return { id, subject: vm.name, verdict: 'ok', reason: `VM ${vm.name} runs.` };
  return {
    id,
    subject: vm.name,
    verdict: 'fail',
    reason: `VM ${vm.name} is ${vm.state}: only running VMs can be taken along.${vm.reason === undefined ? '' : ` ${vm.reason}`}`,
    remedy: `Let it run on, or stop it: exuvia vm resume ${vm.name}; exuvia vm stop ${vm.name}`,
  };
}

/** The host has so many bytes of memory to spare. */
export async function memoryFree(needed: number): Promise<Check> {
  const kibibytes = /^MemAvailable:\s+(\d+) kB$/m.exec((await readIfExists('/proc/meminfo')) ?? '')?.[1];
  const about = { id: 'memory-free', what: 'of memory', remedy: 'Stop something on the host.' };
  return room(about, Number(kibibytes ?? '0') * 1024, needed);
}

/** The store, which must be mounted, has so many bytes to spare. */
export async function storeSpace(needed: number): Promise<Check> {
  const { bavail, bsize } = await statfs(HOST_PATHS.store);
  const remedy = 'Destroy VMs that are not needed, or set up a larger store.';
  return room({ id: 'store-space', what: 'in the store', remedy }, bavail * bsize, needed);
}

function room(
  { id, what, remedy }: { readonly id: string; readonly what: string; readonly remedy: string },
  free: number,
  needed: number,
): Check {
  const reason = `${mebibytes(free)} ${what} are free; the update may need ${mebibytes(needed)}.`;
  return free >= needed
    ? { id, subject: 'host', verdict: 'ok', reason }
    : { id, subject: 'host', verdict: 'fail', reason, remedy };
}

function mebibytes(bytes: number): string {
  return `${Math.floor(bytes / 2 ** 20)} MiB`;
}
