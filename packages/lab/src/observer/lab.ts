import { ExuviaError, type Host } from '@exuvia/contract';
import { describeGuests } from '../guests/describe.ts';
import type { LabState } from '../host/state.ts';
import { fileExtents } from './memory-layout.ts';
import { Observer } from './observer.ts';

/**
 * Watches VMs of the lab host. Their pages lie in the store, whose place in the lab host's memory the agent
 * knows.
 */
export function observeLab(state: LabState, host: Host, names: readonly string[]): Observer {
  const start = host.store?.physicalStart ?? null;
  if (host.store === null || start === null) {
    throw new ExuviaError('store-missing', 'The lab host has no store, or does not know where it lies.');
  }
  const extents = fileExtents(state.memoryBytes, start, host.store.sizeBytes);
  const describe = (silent: readonly string[]) => describeGuests(state, silent);
  return new Observer({ file: state.ramFile, extents, names, describe });
}
