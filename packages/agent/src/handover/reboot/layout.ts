import { join } from 'node:path';
import { HOST_PATHS } from '@exuvia/contract';

/** Where a VM is saved, RAM included, while the machine restarts through its firmware. */
export function savedFile(name: string): string {
  return join(HOST_PATHS.saved, `${name}.state`);
}
