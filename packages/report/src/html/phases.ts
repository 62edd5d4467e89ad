import { KERNEL_PHASES, type Report } from '@exuvia/contract';
import { orderedPhases, overheadMs, phaseClock, sumSentence, totalIs, withoutPhases } from '../facts.ts';
import { formatMs, formatPercent, formatSpan } from '../text/number.ts';
import { phaseNumber, round, stackedBar } from './bar.ts';
import { PHASE_COLORS } from './colors.ts';
import { html, type Markup, NOTHING } from './markup.ts';

const WIDTH = 940;

/** The stacked bar of the ten phases, its magnified part that is not the kernel's, legend and sum. */
export function phaseSection(report: Report): Markup {
  const phases = orderedPhases(report);
  const sum = phases.reduce((ms, phase) => ms + phase.ms, 0);
  if (sum === 0) return html`<section><h2>Phases</h2><p>${withoutPhases(report)}</p></section>`;
  const own = phases.filter((phase) => !KERNEL_PHASES.includes(phase.name));
  const ownMs = overheadMs(report);
  const magnified =
    ownMs === 0
      ? NOTHING
      : html`<text class="soft" x="0" y="92">without the kernel, magnified: ${formatSpan(ownMs)}, ${formatPercent(ownMs, sum)} % of all</text>
<g data-bar="own">${stackedBar(own, { x: 0, y: 100, height: 24, unitsPerMs: WIDTH / ownMs })}</g>`;
  return html`<section><h2>Phases</h2>
<div class="scroll"><svg viewBox="0 0 ${WIDTH} ${ownMs === 0 ? 70 : 130}" role="img" aria-labelledby="phases-title phases-desc">
<title id="phases-title">The ten phases of the update, one after the other</title>
<desc id="phases-desc">${phases.map((phase) => `${phase.name} ${formatMs(phase.ms)} ms`).join(', ')}; ${formatMs(sum)} ms in all.</desc>
<text class="soft" x="0" y="12">${report.handover === 'vmm' ? 'stop of the slowest VM' : 'first stop'}</text><text class="soft" x="${WIDTH}" y="12" text-anchor="end">${report.handover === 'vmm' ? 'its resume' : 'last resume'}, ${formatSpan(report.totalMs ?? sum)}</text>
<g data-bar="all">${stackedBar(phases, { x: 0, y: 20, height: 44, unitsPerMs: WIDTH / sum })}</g>
${magnified}</svg></div>
${legend(report)}${sumNote(report)}</section>`;
}

function legend(report: Report): Markup {
  const items = orderedPhases(report).map((phase) => {
    const { fill, ink } = PHASE_COLORS[phase.name];
    return html`<li><span class="swatch" style="background:${fill};color:${ink}">${phaseNumber(phase)}</span>${phase.name}<b>${formatMs(phase.ms)} ms</b></li>`;
  });
  return html`<ul class="legend">${items}</ul>`;
}

function sumNote(report: Report): Markup {
  const sentence = sumSentence(report);
  if (sentence === null) return NOTHING;
  return html`<p class="${sentence.flagged ? 'bad' : 'note'}">${sentence.text}</p>`;
}

/** All phases as a real table, with the VMs' own times beside the host's where they differ. */
export function phaseTable(report: Report): Markup {
  const phases = orderedPhases(report);
  if (phases.length === 0) return NOTHING;
  const sum = phases.reduce((ms, phase) => ms + phase.ms, 0);
  const vms = report.vms.filter((vm) => vm.phases.length > 0);
  const cell = (ms: number | undefined) =>
    html`<td class="number">${ms === undefined ? '' : formatMs(ms)}</td>`;
  const rows = phases.map(
    (phase) =>
      html`<tr><th scope="row">${phase.name}</th>${cell(phase.ms)}<td class="number">${formatPercent(phase.ms, sum)}</td>${vms.map((vm) => cell(vm.phases.find((own) => own.name === phase.name)?.ms))}</tr>`,
  );
  return html`<section><h2>Phases in numbers</h2><div class="scroll"><table>
<caption>Milliseconds, by ${phaseClock(report)}${vms.length === 0 ? '' : '; a VM has a number where its own time differs'}</caption>
<thead><tr><th scope="col">phase</th><th scope="col" class="number">host</th><th scope="col" class="number">%</th>${vms.map((vm) => html`<th scope="col" class="number">${vm.name}</th>`)}</tr></thead>
<tbody>${rows}</tbody>
<tfoot><tr><th scope="row">sum of the phases</th>${cell(round(sum))}<td></td>${vms.map(() => html`<td></td>`)}</tr>
${report.totalMs === null ? NOTHING : html`<tr><th scope="row">total, ${totalIs(report)}</th>${cell(report.totalMs)}<td></td>${vms.map(() => html`<td></td>`)}</tr>`}</tfoot>
</table></div></section>`;
}
