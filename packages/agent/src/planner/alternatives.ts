import {
  type Alternative,
  type Check,
  type HandoverKind,
  handoverKindSchema,
  type Plan,
  passes,
} from '@exuvia/contract';
import type { PlanTarget } from '../kinds.ts';

/** The cheapest first. */
export const HANDOVERS: readonly HandoverKind[] = handoverKindSchema.options;

/** What each handover costs the guests, in words; figures come from this host's own updates. */
const COSTS: Readonly<Record<HandoverKind, string>> = {
  vmm: 'each VM stands still while its device state moves; the kernel runs on',
  module: 'all VMs stand still while the modules are loaded anew and their QEMUs start; the kernel runs on',
  kexec: 'all VMs stand still while one kernel gives way to the other; memory stays in place',
  reboot: 'all VMs stand still while the machine starts anew through its firmware',
};

/** What a handover leaves undone of what was asked for; `null`: nothing. Pure. */
export function shortfall(kind: HandoverKind, target: PlanTarget, runningKernel: string): string | null {
  const missing = [
    ...(target.kernel === runningKernel || kind === 'kexec' || kind === 'reboot'
      ? []
      : [`kernel ${target.kernel}`]),
    ...(target.modules.length === 0 || kind !== 'vmm' ? [] : [`modules ${target.modules.join(', ')}`]),
    ...(target.qemu !== null || target.modules.length > 0 || kind !== 'vmm' || target.kernel !== runningKernel
      ? []
      : ['anything: no other QEMU was asked for']),
  ];
  return missing.length === 0 ? null : `It does not bring ${missing.join(' or ')}.`;
}

export interface Candidate {
  readonly kind: HandoverKind;
  /** `null`: it does not bring what was asked for, so nothing was checked. */
  readonly checks: readonly Check[] | null;
  /** VMs that it would not take along. */
  readonly leftOut: Plan['leftOut'];
  readonly shortfall: string | null;
  readonly expectedBlackoutMs: number | null;
}

/**
 * The one that was ordered, or else the cheapest that brings everything and that nothing stands in the way of; if something
 * stands in the way of all, the cheapest that would bring everything. Pure.
 */
export function chooseHandover<Some extends Candidate>(
  candidates: readonly Some[],
  ordered: HandoverKind | undefined,
): Some | null {
  if (ordered !== undefined) return candidates.find(({ kind }) => kind === ordered) ?? null;
  const reaching = candidates.filter(({ checks }) => checks !== null);
  return reaching.find(({ checks }) => passes(checks ?? [])) ?? reaching[0] ?? null;
}

/** Every way to update a host, and why it was or was not taken; hot patching first, which brings no new software. Pure. */
export function explainAlternatives(
  candidates: readonly Candidate[],
  chosen: Candidate,
  context: { readonly ordered: boolean; readonly livepatches: number },
): Alternative[] {
  const loaded =
    context.livepatches === 0 ? 'None is loaded.' : `${context.livepatches} loaded; see livepatches.`;
  return [
    {
      handover: 'livepatch',
      ...{ reaches: false, possible: false, chosen: false, expectedBlackoutMs: null },
      reason: `Hot patching mends single functions of the running kernel; it does not bring what was asked for. ${loaded}`,
    },
    ...candidates.map((candidate): Alternative => {
      const { kind, checks, expectedBlackoutMs } = candidate;
      const failed = checks?.filter(({ verdict }) => verdict === 'fail') ?? [];
      const isChosen = kind === chosen.kind;
      return {
        handover: kind,
        reaches: checks !== null,
        possible: checks !== null && failed.length === 0,
        chosen: isChosen,
        expectedBlackoutMs,
        reason: candidate.shortfall ?? reasonOf(candidate, failed, isChosen, context.ordered),
      };
    }),
  ];
}

function reasonOf(
  candidate: Candidate,
  failed: readonly Check[],
  isChosen: boolean,
  ordered: boolean,
): string {
  const cost = `${COSTS[candidate.kind]}.`;
  const sentence = cost.charAt(0).toUpperCase() + cost.slice(1);
  const why = isChosen ? (ordered ? ' It was ordered.' : ' The cheapest that brings everything.') : '';
  const obstacle = failed[0] === undefined ? '' : ` In its way: ${failed[0].subject}: ${failed[0].reason}`;
  return `${sentence}${failed.length > 0 && isChosen && !ordered ? '' : why}${obstacle}`;
}
