import type { Observation } from '@exuvia/contract';
import type { Observer } from './observer.ts';

/** VMs by what became of them; one that is in neither list has lived on, its work intact. */
export interface Fates {
  /** No longer beating, started again, or counting anew. */
  readonly lost: readonly string[];
  /** Beating, and its work was found damaged, or is not shown to be whole. */
  readonly damaged: readonly string[];
}

/** A gap at the very end of the window has no work behind it yet: so often is more waited for. */
const ROUNDS = 10;

/** What has become of the VMs since `from`, whether the update ended well or not. Waits up to the limit for each sign of life. */
export async function fatesSince(
  observer: Pick<Observer, 'silentVms' | 'observation' | 'waitForWork'>,
  from: number,
  names: readonly string[],
  limitMs: number,
): Promise<Fates> {
  const silent = await observer.silentVms(limitMs);
  for (let round = 1; ; round++) {
    const { vms } = await observer.observation(from);
    const seen = names.map((name) => vms.find((vm) => vm.name === name));
    const lost = names.filter((name, index) => silent.includes(name) || !livedOn(seen[index]));
    const alive = names.filter((name) => !lost.includes(name));
    const unsure = alive.filter((name) => vms.find((vm) => vm.name === name)?.integrity === 'unknown');
    const damaged = alive.filter((name) => vms.find((vm) => vm.name === name)?.integrity !== 'ok');
    if (unsure.length === 0 || round === ROUNDS) return { lost, damaged };
    await observer.waitForWork(limitMs, unsure).catch(() => undefined);
  }
}

function livedOn(vm: Observation['vms'][number] | undefined): boolean {
  return vm?.bootIdSame === true && vm.sequenceMonotonic;
}
