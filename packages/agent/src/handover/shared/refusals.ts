import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  type Check,
  type ExuviaError,
  type HandoverKind,
  HOST_PATHS,
  mayBeLeftOut,
  type Plan,
  type Vm,
} from '@exuvia/contract';
import { readIfExists } from '@exuvia/sys';
import { z } from 'zod';
import type { Handover, PlanTarget } from '../../kinds.ts';
import type { HandoverDependencies } from '../dependencies.ts';
import { buildOf } from './rehearse.ts';

interface Needs {
  readonly vms: Pick<HandoverDependencies['vms'], 'restoreArguments'>;
}

/**
 * In /run: what one boot's QEMUs could not do, the next one's are asked again. A file for each handover, which restore with
 * different programs.
 */
const REFUSALS = join(HOST_PATHS.runtime, 'refused');

const refusalSchema = z.object({
  /** The QEMU that the VM ran in. */
  pid: z.int(),
  /** The build that was to take it up. */
  build: z.string(),
  reason: z.string(),
});

/**
 * Keeps what no check knew of: a rehearsal has refused a VM. The next plan knows it, and leaves the VM out where its spec
 * says so.
 */
export async function noteRefusal(
  dependencies: Needs,
  { handover, target }: Pick<Plan, 'handover' | 'target'>,
  { name, pid }: Pick<Vm, 'name' | 'pid'>,
  { message, hint }: ExuviaError,
  directory = REFUSALS,
): Promise<void> {
  const build = await buildOf(await restoringBinary(dependencies, target, name));
  const reason = hint === undefined ? message : `${message} ${hint}`;
  await mkdir(directory, { recursive: true, mode: 0o700 });
  await writeFile(fileOf(directory, name, handover), JSON.stringify({ pid, build, reason }));
}

export async function forgetRefusal(
  name: string,
  handover: HandoverKind,
  directory = REFUSALS,
): Promise<void> {
  await rm(fileOf(directory, name, handover), { force: true });
}

/** The handover, whose plans know which VMs an update has refused after all its checks were passed. */
export function withRefusals(handover: Handover, dependencies: Needs, directory = REFUSALS): Handover {
  const { kind } = handover;
  const refusal = async ({ name, pid, spec }: Vm, target: PlanTarget): Promise<Check[]> => {
    const text = await readIfExists(fileOf(directory, name, kind));
    if (text === null) return [];
    const { pid: refused, build, reason } = refusalSchema.parse(JSON.parse(text));
    const same =
      refused === pid && build === (await buildOf(await restoringBinary(dependencies, target, name)));
    if (!same) return [];
    return [
      {
        id: 'vm-rehearsed',
        subject: name,
        // One that stops the update anyway is tried again: the reason may have gone.
        verdict: mayBeLeftOut(kind, spec.onFailure) ? 'fail' : 'warn',
        reason,
        remedy: 'Stop and start the VM when it is mended: it is tried again then.',
      },
    ];
  };
  return {
    ...handover,
    async checks(target, vms) {
      const [checks, ...refusals] = await Promise.all([
        handover.checks(target, vms),
        ...vms.map((vm) => refusal(vm, target).catch(() => [])),
      ]);
      return [...checks, ...refusals.flat()];
    },
  };
}

/** No VM's name has a dot. */
function fileOf(directory: string, name: string, handover: HandoverKind): string {
  return join(directory, `${name}.${handover}.json`);
}

/** The QEMU that will take the VM up, as it is installed. */
async function restoringBinary(
  { vms }: Needs,
  { qemu }: Pick<PlanTarget, 'qemu'>,
  name: string,
): Promise<string> {
  return qemu?.binary ?? (await vms.restoreArguments(name))[0] ?? '';
}
