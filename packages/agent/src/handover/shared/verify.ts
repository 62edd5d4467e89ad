import { setTimeout } from 'node:timers/promises';
import type { Report, Vm } from '@exuvia/contract';
import { z } from 'zod';
import type { StepContext } from '../../kinds.ts';
import { setClockOf } from '../../workload/guest-clock.ts';
import type { HandoverDependencies } from '../dependencies.ts';

const heartbeatsSchema = z.record(z.string(), z.object({ bootId: z.string(), sequence: z.string() }));
const HEARTBEAT_TIMEOUT_MS = 20_000;

/** What the agent knows of a VM after an update. */
export type VerifiedVm = Pick<
  Report['vms'][number],
  'name' | 'outcome' | 'bootIdSame' | 'heartbeatContinued' | 'clock'
>;

/** Remembers the heartbeats of the plan's VMs, for {@link verifyVms} on the other side. */
export async function noteHeartbeats(
  { heartbeat }: Pick<HandoverDependencies, 'heartbeat'>,
  context: StepContext,
  vms: readonly Vm[],
): Promise<void> {
  const heartbeats: z.infer<typeof heartbeatsSchema> = {};
  for (const { name, spec } of vms) {
    const page = spec.heartbeat ? await heartbeat(name) : null;
    if (page !== null) heartbeats[name] = { bootId: page.bootId, sequence: page.sequence.toString() };
  }
  await context.remember('heartbeats', heartbeats);
}

/**
 * Verifies that every VM of the plan runs and, where it has a heartbeat page, that it is the same boot of the
 * same guest and that its heart beats on. Sets the wall clocks of guests that have an agent: they stood still meanwhile.
 */
export async function verifyVms(
  dependencies: HandoverDependencies,
  context: StepContext,
): Promise<VerifiedVm[]> {
  return Promise.all(context.plan.vms.map(({ name }) => verifyVm(dependencies, context, name)));
}

async function verifyVm(
  dependencies: HandoverDependencies,
  context: StepContext,
  name: string,
): Promise<VerifiedVm> {
  const found = await whatIsThere(dependencies, context, name);
  const runs = found.outcome === 'running';
  // Without it the report says by how much the clock is behind.
  return {
    ...found,
    clock: runs ? await setClockOf(dependencies.vms, name, (message) => context.log(message)) : null,
  };
}

async function whatIsThere(
  { vms, heartbeat }: HandoverDependencies,
  context: StepContext,
  name: string,
): Promise<Omit<VerifiedVm, 'clock'>> {
  const vm: Vm = await vms.get(name);
  if (vm.state !== 'running') {
    const outcome = vm.state === 'paused' ? 'paused' : 'lost';
    return { name, outcome, bootIdSame: null, heartbeatContinued: null };
  }
  const before = heartbeatsSchema.catch({}).parse(await context.recall('heartbeats'))[name];
  if (before === undefined) return { name, outcome: 'running', bootIdSame: null, heartbeatContinued: null };
  const deadline = Date.now() + HEARTBEAT_TIMEOUT_MS;
  for (;;) {
    const now = await heartbeat(name);
    const continued = now !== null && now.sequence > BigInt(before.sequence);
    if (continued || Date.now() > deadline) {
      const bootIdSame = now?.bootId === before.bootId;
      return { name, outcome: bootIdSame ? 'running' : 'lost', bootIdSame, heartbeatContinued: continued };
    }
    await setTimeout(100);
  }
}
