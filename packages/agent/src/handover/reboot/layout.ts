import { vmPaths } from '@exuvia/contract';

/** Where a VM is saved, RAM included, while the machine restarts through its firmware. */
export function savedFile(name: string): string {
  return vmPaths(name).savedState;
}
