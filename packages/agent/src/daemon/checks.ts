import { isDeepStrictEqual } from 'node:util';
import type { AgentConfig, Check, Doctor, ExuviaError, Vm } from '@exuvia/contract';
import { passes, reasonOf } from '@exuvia/contract';
import type { Journal } from '../journal/index.ts';

/** Whether the journal can be trusted; without it no update can be made safe against a crash. */
export function journalCheck(journal: Journal): Check {
  const about = { id: 'journal', subject: 'host' } as const;
  const { problem } = journal;
  if (problem === null) return { ...about, verdict: 'ok', reason: `${journal.file} is sound.` };
  const remedy = problem.hint === undefined ? {} : { remedy: problem.hint };
  return { ...about, verdict: 'fail', reason: problem.message, ...remedy };
}

/** Whether an agent that starts now, as the new side's does, starts at all, and does what this one does. */
export function configCheck(inForce: AgentConfig, written: AgentConfig | ExuviaError): Check {
  const about = { id: 'agent-config', subject: 'host' } as const;
  if (written instanceof Error) {
    const remedy = written.hint === undefined ? {} : { remedy: written.hint };
    return { ...about, verdict: 'fail', reason: `No agent would start: ${written.message}`, ...remedy };
  }
  return isDeepStrictEqual(inForce, written)
    ? { ...about, verdict: 'ok', reason: 'The configuration is in force as its file has it.' }
    : {
        ...about,
        verdict: 'warn',
        reason:
          'The file of the configuration was changed since it was read: the next agent will do as it says.',
        remedy: 'systemctl reload exuvia-agent',
      };
}

/** Whether remote access is open as configured. Updates do not need it. */
export function remoteCheck(config: AgentConfig, problem: ExuviaError | null): Check {
  const about = { id: 'remote-access', subject: 'host' } as const;
  if (problem !== null) {
    const remedy = problem.hint === undefined ? {} : { remedy: problem.hint };
    return { ...about, verdict: 'warn', reason: problem.message, ...remedy };
  }
  const reason =
    config.remote === undefined
      ? 'Remote access is off.'
      : `Remote access is open on ${config.remote.listen}, to clients with a certificate.`;
  return { ...about, verdict: 'ok', reason };
}

/** Loaded kernel livepatches: what the running kernel owes to them is not in its version. */
export function livepatchCheck(names: readonly string[]): Check {
  const about = { id: 'livepatch', subject: 'host', verdict: 'ok' } as const;
  if (names.length === 0) return { ...about, reason: 'No kernel livepatch is loaded.' };
  const reason = `Kernel livepatches are loaded: ${names.join(', ')}. A plan says what becomes of them.`;
  return { ...about, reason };
}

/**
 * Spec files that cannot be used; `problems` is by the name that the file has. One of a VM that does not run
 * keeps nothing but that VM from starting.
 */
export function specChecks(problems: ReadonlyMap<string, ExuviaError>, vms: readonly Vm[]): Check[] {
  return [...problems].map(([name, problem]) => {
    const runs = vms.some((vm) => vm.name === name && (vm.state === 'running' || vm.state === 'paused'));
    const remedy = problem.hint === undefined ? {} : { remedy: problem.hint };
    return { id: 'spec', subject: name, verdict: runs ? 'fail' : 'warn', reason: problem.message, ...remedy };
  });
}

/** The doctor's findings with more in front; what fails there stops every handover. */
export function withChecks(doctor: Doctor, own: readonly Check[]): Doctor {
  const reasons = own.filter((check) => check.verdict === 'fail').map(reasonOf);
  return {
    checks: [...own, ...doctor.checks],
    handovers: doctor.handovers.map((handover) => ({
      ...handover,
      possible: handover.possible && passes(own),
      reasons: [...reasons, ...handover.reasons],
    })),
  };
}
