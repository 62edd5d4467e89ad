import { ExuviaError, type Plan } from '@exuvia/contract';
import { mountAt, mountFileSystem, mounts, run, startUnits, stopUnits, unmountFileSystem } from '@exuvia/sys';
import { z } from 'zod';
import type { Step } from '../../kinds.ts';
import type { HandoverDependencies } from '../dependencies.ts';
import { unneededFileSystems } from './file-systems.ts';
import type { Prepared } from './prepared.ts';
import { stoppableUnits } from './services.ts';

/** The list is durable before the first unit stops: a later process can start them all again. */
export function stopServices({ config }: HandoverDependencies, plan: Pick<Plan, 'vms'>): Step {
  return {
    name: 'stop-services',
    phase: null,
    description: 'stop services that no VM needs',
    async run(context) {
      const units = await stoppableUnits(
        config().keepServices,
        plan.vms.map(({ name }) => name),
      );
      await context.remember('stopped-units', units);
      if (units.length > 0) context.log(`stopping ${units.join(', ')}`);
      await stopUnits(units);
    },
    async undo(context) {
      const units =
        z
          .array(z.string())
          .optional()
          .parse(await context.recall('stopped-units')) ?? [];
      await startUnits(units.toReversed());
    },
  };
}

const unmountedSchema = z.array(
  z.object({ source: z.string(), mountPoint: z.string(), type: z.string(), options: z.array(z.string()) }),
);

/** The list is durable before the first one is unmounted. */
export function unmountUnneeded(prepared: Prepared): Step {
  return {
    name: 'unmount-file-systems',
    phase: null,
    description: 'unmount file systems that no VM needs',
    async run(context) {
      if (prepared.needs === undefined) throw new ExuviaError('internal', 'It is not known what VMs need.');
      const unneeded = await unneededFileSystems(prepared.needs);
      await context.remember('unmounted', unneeded);
      for (const { mountPoint } of unneeded) {
        // One that is in use ends with the old kernel, its data synced: no reason to give up an update.
        await unmountFileSystem(mountPoint).catch((error: unknown) =>
          context.log(`${mountPoint} stays: ${String(error)}`),
        );
      }
    },
    async undo(context) {
      const unmounted = unmountedSchema.optional().parse(await context.recall('unmounted')) ?? [];
      const problems: string[] = [];
      for (const request of unmounted.toReversed()) {
        if (mountAt(await mounts(), request.mountPoint) !== null) continue;
        await mountFileSystem(request).catch((error: unknown) => problems.push(String(error)));
      }
      if (problems.length > 0) throw new ExuviaError('mount-failed', problems.join(' '));
    },
  };
}

/** Leaves little to write for the sync inside the pause. */
export function syncFileSystems(): Step {
  return {
    name: 'sync',
    phase: null,
    description: 'write everything to the disks while the VMs run',
    async run() {
      await run('sync', [], { timeoutMs: 300_000 });
    },
  };
}
