import { join } from 'node:path';
import { ExuviaError, vmNameSchema } from '@exuvia/contract';

/** Where things lie in a mounted store; vmPaths() of the contract has the same places by their full paths. */
export interface Layout {
  readonly root: string;
  readonly vms: string;
  /** What waits to be overwritten. */
  readonly scrubbing: string;
  vm(name: string): string;
  ram(name: string): string;
}

export function layoutOf(root: string): Layout {
  const vms = join(root, 'vms');
  const vm = (name: string) => join(vms, requireName(name));
  return { root, vms, scrubbing: join(root, '.scrub'), vm, ram: (name) => join(vm(name), 'ram') };
}

/** Names become path elements of a program that runs as root and overwrites files. */
function requireName(name: string): string {
  if (vmNameSchema.safeParse(name).success) return name;
  throw new ExuviaError('vm-name-invalid', `${JSON.stringify(name)} is no name of a VM.`);
}
