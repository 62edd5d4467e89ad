import { ExuviaError, type QemuTarget, type Report } from '@exuvia/contract';
import { z } from 'zod';
import type { StepContext } from '../../kinds.ts';
import type { HandoverDependencies } from '../dependencies.ts';
import { attempt } from '../shared/attempt.ts';
import { endOfProgram } from '../shared/led-program.ts';
import { byPriority } from '../shared/parallel.ts';
import { buildReport } from '../shared/report.ts';
import { verifyVms } from '../shared/verify.ts';
import { replace, settleVm } from './in-place.ts';
import { recordFile } from './layout.ts';
import { vmmTimings } from './times.ts';
import { startTransfer } from './transfer-program.ts';

/**
 * Makes the new QEMUs the VMs' own, and ends the old ones. When the agent that had begun was killed, the VMs that are
 * still in their old QEMU are moved now: an update that is committed goes forward.
 */
export async function finishVmm(dependencies: HandoverDependencies, context: StepContext): Promise<Report> {
  const { plan } = context;
  const binary = plan.target.qemu?.binary;
  if (binary === undefined) throw new ExuviaError('internal', 'The plan names no QEMU.');
  const failures = await context.recall('failures');
  const problems = new Map<string, string>();
  for (const { name, method } of byPriority(plan)) {
    await endOfProgram('exuvia-transfer', await context.recall(`transfer-${name}`));
    try {
      const side = await settleVm(dependencies, name, binary);
      if (side === 'lost' || (await runsIn(dependencies, name, plan.target.qemu))) continue;
    } catch (error) {
      // Those after it may run in their new QEMU already, and are the agent's only when they are settled.
      const why = error instanceof Error ? error.message : String(error);
      problems.set(name, `VM ${name} could not be settled: ${why}`);
      continue;
    }
    if (failures !== undefined) {
      problems.set(name, `VM ${name} runs on in its old QEMU.`);
      continue;
    }
    context.log(`VM ${name} is still in its old QEMU: it is moved now`);
    await attempt(context, `VM ${name} stays in its old QEMU`, async () => {
      problems.set(name, `VM ${name} runs on in its old QEMU.`);
      if (method === 'cpr-transfer') await moveNow(dependencies, context, name, binary);
      else await replace(dependencies, context, { name, method }, binary);
      problems.delete(name);
    });
  }
  const verified = await verifyVms(dependencies, context);
  const report = await buildReport(dependencies, context, await vmmTimings(context), verified);
  const why = z.array(z.string()).catch([]).parse(failures);
  return {
    ...report,
    reason: problems.size === 0 ? null : [...problems.values(), ...why].join(' '),
    vms: report.vms.map((vm) =>
      vm.outcome === 'running' && problems.has(vm.name) ? { ...vm, outcome: 'untouched' } : vm,
    ),
  };
}

/** By its own word, and by what it was started with: two builds may call themselves the same. */
async function runsIn(
  { vms }: HandoverDependencies,
  name: string,
  qemu: QemuTarget | null,
): Promise<boolean> {
  const running = await vms.runningQemu(name);
  return (
    running !== null &&
    running.binary === qemu?.binary &&
    running.version === qemu.version &&
    running.package === qemu.package
  );
}

async function moveNow(
  { vms }: HandoverDependencies,
  context: StepContext,
  name: string,
  binary: string,
): Promise<void> {
  const successor = await vms.successors.start(name, binary);
  const program = startTransfer({
    ...{ vm: name, successor, record: recordFile(context, name), hold: false },
    log: (message) => context.log(message),
  });
  try {
    await context.remember(`transfer-${name}`, program.pid);
    await program.ready();
    await program.move(async () => {});
    await vms.successors.install(name, binary);
  } catch (error) {
    await program.abort();
    await vms.successors.settle(name, binary);
    throw error;
  }
}
