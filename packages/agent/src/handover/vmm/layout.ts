import { join } from 'node:path';
import type { StepContext } from '../../kinds.ts';

/** What the native program that moved a VM, or the agent that replaced its QEMU in place, wrote down. */
export function recordFile({ directory }: Pick<StepContext, 'directory'>, vm: string): string {
  return join(directory, `moved-${vm}`);
}
