import type { Report } from '@exuvia/contract';
import type { Handover, StepContext } from '../kinds.ts';
import { type Closing, closeUpdate } from './closing.ts';
import { type FaultGate, FINISH } from './faults.ts';
import { sentenceOf } from './transaction.ts';

/** Does what comes after the point of no return, and ends the update. Throws only when it cannot be closed. */
export async function finishUpdate(
  closing: Closing,
  handover: Handover,
  context: StepContext,
  gate: FaultGate,
): Promise<void> {
  const update = context.plan.id;
  closing.ledger.verifying(update);
  try {
    await gate.pass(FINISH, 'before');
    const report = await handover.finish(context);
    await gate.pass(FINISH, 'after');
    const reason = [lostOf(report), pausedOf(report), report.reason]
      .filter((part) => part !== null)
      .join(' ');
    const end =
      reason === ''
        ? ({ outcome: 'completed', reason: null } as const)
        : ({ outcome: 'failed', reason } as const);
    await closeUpdate(closing, update, { ...end, report });
  } catch (error) {
    const reason = `The new side could not be verified: ${sentenceOf(error)}`;
    await closeUpdate(closing, update, { outcome: 'failed', reason });
  }
}

function lostOf({ vms }: Report): string | null {
  const lost = vms.filter((vm) => vm.outcome === 'lost').map((vm) => vm.name);
  return lost.length === 0 ? null : `${lost.length} of ${vms.length} VMs were lost: ${lost.join(', ')}.`;
}

function pausedOf({ vms }: Report): string | null {
  const paused = vms.filter((vm) => vm.outcome === 'paused').map((vm) => vm.name);
  if (paused.length === 0) return null;
  return `Its QEMU did not let it run on: ${paused.join(', ')}; see its log, then \`exuvia vm resume\`.`;
}
