import type { Report } from '@exuvia/contract';
import { clockSentence, isTrouble, pauseClock, type Verdict, type VmFacts, vmFacts } from '../facts.ts';
import { formatMs, formatSpan } from '../text/number.ts';
import { round, stackedBar } from './bar.ts';
import { html, type Markup, NOTHING } from './markup.ts';

const WIDTH = 940;
const LABEL = 130;
/** Room for the measured blackout's number behind the longest bar. */
const MARGIN = 90;
const ROW = 40;

/** A row a VM: its phases, and where its measured blackout ends. Then what is known of each, as a table. */
export function vmSection(report: Report): Markup {
  const vms = vmFacts(report);
  if (vms.length === 0) return html`<section><h2>VMs</h2><p>This update touched no VM.</p></section>`;
  return html`<section><h2>What the VMs felt</h2>${rows(vms)}${table(vms)}
<p class="note">${explanation(report)}</p></section>`;
}

function rows(vms: readonly VmFacts[]): Markup {
  const longest = Math.max(...vms.map((vm) => Math.max(phaseSum(vm), vm.blackoutMs ?? 0)));
  if (longest === 0) return NOTHING;
  const unitsPerMs = (WIDTH - LABEL - MARGIN) / longest;
  return html`<div class="scroll"><svg viewBox="0 0 ${WIDTH} ${vms.length * ROW + 8}" role="img" aria-labelledby="vms-title vms-desc">
<title id="vms-title">Phases and measured blackout of each VM</title>
<desc id="vms-desc">${vms.map((vm) => `${vm.name}: ${blackoutWords(vm)}`).join('; ')}.</desc>
${vms.map((vm, index) => row(vm, index * ROW + 4, unitsPerMs))}</svg></div>`;
}

function row(vm: VmFacts, y: number, unitsPerMs: number): Markup {
  const bar = stackedBar(vm.phases, { x: LABEL, y: y + 4, height: 20, unitsPerMs });
  return html`<g data-vm="${vm.name}"><text x="0" y="${y + 19}" font-weight="600">${shorten(vm.name)}</text>${bar}${
    vm.blackoutMs === null ? NOTHING : blackoutMark(vm.blackoutMs, phaseSum(vm), y, unitsPerMs)
  }</g>`;
}

function blackoutMark(blackoutMs: number, phasesMs: number, y: number, unitsPerMs: number): Markup {
  const width = round(blackoutMs * unitsPerMs);
  // Behind whichever is longer, so that the number lies on neither.
  const end = round(LABEL + Math.max(blackoutMs, phasesMs) * unitsPerMs);
  return html`<g><title>measured blackout: ${formatMs(blackoutMs)} ms</title><rect class="blackout" data-blackout x="${LABEL}" y="${y + 26}" width="${width}" height="4" rx="2"/><text class="blackout" x="${end + 8}" y="${y + 21}">${formatSpan(blackoutMs)}</text></g>`;
}

function table(vms: readonly VmFacts[]): Markup {
  const span = (ms: number | null) => html`<td class="number">${ms === null ? '–' : formatMs(ms)}</td>`;
  const body = vms.map(
    (vm) =>
      html`<tr><th scope="row">${vm.name}</th><td class="${isTrouble(vm.outcome) ? 'bad' : 'good'}">${vm.outcome}</td>${span(vm.blackoutMs)}${span(vm.pausedMs)}${verdict(vm.sameBoot, 'same', 'changed')}${verdict(vm.heartbeat, 'continued', 'broken')}${verdict(vm.integrity, 'ok', 'failed')}</tr>`,
  );
  return html`<div class="scroll"><table><caption>Blackout and pause in milliseconds</caption><thead><tr><th scope="col">VM</th><th scope="col">state</th><th scope="col" class="number">blackout</th><th scope="col" class="number">paused</th><th scope="col">boot id</th><th scope="col">heartbeat</th><th scope="col">integrity</th></tr></thead><tbody>${body}</tbody></table></div>`;
}

function verdict(value: Verdict, ok: string, failed: string): Markup {
  if (value === 'unknown') return html`<td class="soft">not known</td>`;
  return value === 'ok' ? html`<td class="good">${ok}</td>` : html`<td class="bad">${failed}</td>`;
}

function explanation(report: Report): string {
  const paused = `Paused is counted ${pauseClock(report)}.`;
  const clocks = clockSentence(report) ?? '';
  const { observation } = report;
  return observation === null
    ? `Nobody outside the host observed this update, so no blackout was measured. ${paused} ${clocks}`
    : `The blackout is the largest gap between two heartbeats, seen by ${observation.observer} outside the host (clock: ${observation.clock}). Integrity is ok when the guest found no error and verified some of its work again after that gap, not all of its memory. ${paused} ${clocks}`;
}

function blackoutWords(vm: VmFacts): string {
  return vm.blackoutMs === null ? 'no blackout measured' : `blackout ${formatMs(vm.blackoutMs)} ms`;
}

function phaseSum(vm: VmFacts): number {
  return vm.phases.reduce((sum, phase) => sum + phase.ms, 0);
}

function shorten(name: string): string {
  return name.length <= 17 ? name : `${name.slice(0, 16)}…`;
}
