import type { Plan } from '@exuvia/contract';
import {
  commandLineValues,
  detectBootLoader,
  kernelCommandLine,
  kernelConfig,
  splitCommandLine,
} from '@exuvia/sys';
import type { ResetVerdict } from '../../kinds.ts';
import type { HandoverDependencies } from '../dependencies.ts';

type Dependencies = Pick<HandoverDependencies, 'store' | 'config'>;

/** Where the VMs wait for the machine to come back: in the store only if their memory has been seen to outlive that. */
export async function rebootStore(dependencies: Dependencies, kernel: string): Promise<Plan['store']> {
  return (await rebootVerdict(dependencies, kernel)).outlives ? 'dax' : 'disk';
}

/** Whether VMs may wait in the store while the machine restarts into a kernel, and why. */
export async function rebootVerdict({ store, config }: Dependencies, kernel: string): Promise<ResetVerdict> {
  if (config().rebootStore === 'disk') {
    return { outlives: false, reason: 'The configuration says so (rebootStore: disk).' };
  }
  const verdict = await store.resets();
  const problem = verdict.outlives ? await kernelProblem(kernel) : null;
  return problem === null ? verdict : { outlives: false, reason: problem };
}

/** What a kernel needs to find the store, of the configuration of Linux 6.12. */
const NEEDED = ['X86_PMEM_LEGACY', 'BLK_DEV_PMEM', 'FS_DAX', 'EXT4_FS'] as const;

/**
 * Why the kernel that the boot loader starts would not keep the region that this one keeps, or might not find the store;
 * `null`: nothing says so. Looked at even where the region is the firmware's own, which needs no argument.
 */
async function kernelProblem(kernel: string): Promise<string | null> {
  const config = await kernelConfig(kernel).catch(() => null);
  const missing = NEEDED.filter((option) => config?.has(option) !== true);
  if (missing.length > 0) return `Kernel ${kernel} is not known to have ${missing.join(', ')}.`;
  const wanted = commandLineValues(splitCommandLine(await kernelCommandLine()), 'memmap')
    .filter((value) => value.includes('!'))
    .map((value) => `memmap=${value}`);
  // The EFI stub of these may put the kernel into such a region (since a1b87d54f4e4, until 6.11).
  if (wanted.length > 0 && /^6\.([6-9]|10)\./.test(kernel)) {
    return `Kernel ${kernel} may be put into the store's memory by its EFI stub.`;
  }
  const loader = await detectBootLoader();
  if (await loader?.bootsWith(kernel, wanted).catch(() => false)) return null;
  return `The boot loader has no entry of kernel ${[kernel, ...wanted].join(' with ')}.`;
}
