import type { Check, Plan, Vm } from '@exuvia/contract';

export interface Judged {
  readonly checks: readonly Check[];
  readonly leftOut: Plan['leftOut'];
}

/**
 * VMs that fail their checks stop an update, unless their specs say otherwise (`onFailure`): those are left out, and what
 * was wrong with them becomes a warning. Pure.
 */
export function judge(checks: readonly Check[], vms: readonly Pick<Vm, 'name' | 'spec'>[]): Judged {
  const leftOut = vms.flatMap(({ name, spec }): Plan['leftOut'] => {
    const failed = checks.filter(({ subject, verdict }) => subject === name && verdict === 'fail');
    if (failed.length === 0 || spec.onFailure === 'abort') return [];
    return [{ name, how: spec.onFailure, reason: failed.map(({ reason }) => reason).join(' ') }];
  });
  const out = new Map(leftOut.map((one) => [one.name, one]));
  return {
    leftOut,
    checks: checks.map((check): Check => {
      const how = out.get(check.subject)?.how;
      if (how === undefined || check.verdict !== 'fail') return check;
      const fate = how === 'shutdown' ? 'it is powered down for the update' : 'it is left behind';
      return { ...check, verdict: 'warn', reason: `${check.reason} As its spec says, ${fate}.` };
    }),
  };
}
