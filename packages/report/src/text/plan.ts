import { formatSize, type Plan } from '@exuvia/contract';
import { checkLines } from './checks.ts';
import { cleanStrings } from './clean.ts';
import { formatSpan } from './number.ts';
import { type Terminal, type TextOptions, terminalOf } from './terminal.ts';
import { hang } from './wrap.ts';

/** A plan for a terminal: what changes, for which VMs, every check, every step. Ends with a line break. */
export function renderPlanText(untrusted: Plan, options: TextOptions = {}): string {
  const plan = cleanStrings(untrusted);
  const terminal = terminalOf(options);
  const blocks = [
    summary(plan, terminal),
    ...(plan.alternatives.length === 0
      ? []
      : [[terminal.paint('bold', 'Ways'), ...alternativeLines(plan, terminal)]]),
    ...(plan.livepatches.length === 0
      ? []
      : [[terminal.paint('bold', 'Livepatches'), ...livepatchLines(plan, terminal)]]),
    [terminal.paint('bold', 'Checks'), ...checkLines(plan.checks, terminal)],
    ...(plan.steps.length === 0 ? [] : [[terminal.paint('bold', 'Steps'), ...stepLines(plan, terminal)]]),
    conclusion(plan, terminal),
  ];
  return `${blocks.map((lines) => lines.join('\n')).join('\n\n')}\n`;
}

function summary(plan: Plan, terminal: Terminal): string[] {
  const vms = plan.vms.map((vm) => `${vm.name} (${formatSize(vm.memoryBytes)})`);
  return [
    terminal.paint('bold', `Plan ${plan.id}`),
    ...hang('  host      ', `${plan.host.hostname}, QEMU ${plan.host.qemu}`, terminal.width),
    ...hang('  changes   ', planChanges(plan).join(', '), terminal.width),
    ...hang('  handover  ', `${plan.handover}, memory of VMs in store ${plan.store}`, terminal.width),
    ...hang('  VMs       ', vms.length === 0 ? 'none is running' : vms.join(', '), terminal.width),
    ...plan.leftOut.flatMap(({ name, action }) =>
      hang('  left out  ', `${name} (onFailure: ${action})`, terminal.width),
    ),
    ...hang('  blackout  ', expectation(plan), terminal.width),
  ];
}

/** What an update changes, as `kernel 6.12 -> 7.2`. */
export function planChanges(plan: Pick<Plan, 'host' | 'target' | 'vms'>): string[] {
  const { kernel, qemu, modules } = plan.target;
  const from = [...new Set(plan.vms.map((vm) => vm.qemu).filter((version) => version !== null))];
  return [
    ...(kernel === plan.host.kernel && (qemu !== null || modules.length > 0)
      ? []
      : [`kernel ${plan.host.kernel} -> ${kernel}`]),
    ...(qemu === null ? [] : [`QEMU ${from.join(' and ') || plan.host.qemu} -> ${qemu.version}`]),
    ...(modules.length === 0 ? [] : [`modules ${modules.join(', ')} loaded anew`]),
  ];
}

function alternativeLines(plan: Plan, terminal: Terminal): string[] {
  const nameWidth = Math.max(...plan.alternatives.map(({ handover }) => handover.length));
  return plan.alternatives.flatMap(({ handover, chosen, expectedBlackoutMs, reason }) => {
    const span = expectedBlackoutMs === null ? 'not measured' : `about ${formatSpan(expectedBlackoutMs)}`;
    const head = `  ${chosen ? '>' : ' '} ${handover.padEnd(nameWidth)}  ${span.padEnd(14)}  `;
    const lines = hang(head, reason, terminal.width);
    return chosen ? lines.map((line) => terminal.paint('bold', line)) : lines;
  });
}

function livepatchLines(plan: Plan, terminal: Terminal): string[] {
  return plan.livepatches.flatMap(({ name, carried, reason }) =>
    hang(`  ${name} ${carried ? 'stays in force' : 'is no longer in force'}: `, reason, terminal.width),
  );
}

function expectation(plan: Plan): string {
  if (plan.vms.length === 0) return 'none: no VM is running';
  return plan.expectedBlackoutMs === null
    ? 'unknown: this host has made no such update yet'
    : `about ${formatSpan(plan.expectedBlackoutMs)}, the median of past updates`;
}

function stepLines(plan: Plan, terminal: Terminal): string[] {
  const digits = String(plan.steps.length).length;
  const nameWidth = Math.max(...plan.steps.map((step) => step.name.length));
  return plan.steps.flatMap((step, index) => {
    const head = `  ${String(index + 1).padStart(digits)}  ${step.name.padEnd(nameWidth)}  `;
    const text = step.phase === null ? step.description : `${step.description} [${step.phase}]`;
    return hang(head, text, terminal.width).map((line) =>
      step.phase === null ? line : terminal.paint('yellow', line),
    );
  });
}

function conclusion(plan: Plan, terminal: Terminal): string[] {
  const missing = plan.aptLine === null ? [] : hang('Missing: ', plan.aptLine, terminal.width);
  if (plan.executable)
    return [...missing, terminal.paint('green', `To execute it: exuvia update --plan ${plan.id}`)];
  const failed = plan.checks.filter((check) => check.verdict === 'fail').length;
  const why = failed === 0 ? '' : `: ${failed} ${failed === 1 ? 'check' : 'checks'} failed`;
  return [...missing, terminal.paint('red', `This plan cannot be executed${why}.`)];
}
