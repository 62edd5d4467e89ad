import type { Observation, Report } from '@exuvia/contract';
import { formatSpan } from '../text/number.ts';
import { round } from './bar.ts';
import { html, type Markup, NOTHING } from './markup.ts';

const WIDTH = 940;
const LABEL = 130;
const LANE = 76;
const GAP_BETWEEN_LANES = 22;
/** A heartbeat of 1 kHz is the fastest there is: what is below it lies on the base line. */
const SMALLEST_MS = 1;

interface Scale {
  readonly untilMs: number;
  readonly largestMs: number;
}

/**
 * The heartbeat gap plot: a lane a VM; each stem is the time between two heartbeats, its height on a
 * logarithmic scale, its width as long as the gap lasted.
 */
export function gapSection(report: Report): Markup {
  const vms = report.observation?.vms.filter((vm) => vm.gaps.length > 0) ?? [];
  if (vms.length === 0) return NOTHING;
  const scale = scaleOf(vms);
  const height = vms.length * (LANE + GAP_BETWEEN_LANES) + 24;
  return html`<section><h2>Heartbeats</h2>
<div class="scroll"><svg viewBox="0 0 ${WIDTH} ${height}" role="img" aria-labelledby="gaps-title gaps-desc">
<title id="gaps-title">Time between two heartbeats of each VM around the update</title>
<desc id="gaps-desc">${vms.map((vm) => `${vm.name}: largest gap ${formatSpan(vm.blackoutMs)}`).join('; ')}.</desc>
${vms.map((vm, index) => lane(vm, index * (LANE + GAP_BETWEEN_LANES) + 14, scale))}
${timeAxis(vms.length * (LANE + GAP_BETWEEN_LANES) + 10, scale)}</svg></div>
<p class="note">Each stem is the time between two heartbeats of a guest, as high as the gap is long (logarithmic) and as wide. The largest one is the VM's blackout.</p></section>`;
}

type ObservedVm = Observation['vms'][number];

function scaleOf(vms: readonly ObservedVm[]): Scale {
  const all = vms.flatMap((vm) => vm.gaps);
  return {
    untilMs: Math.max(1, ...vms.map((vm) => Math.max(...vm.gaps.map(([at, gap]) => at + gap)))),
    largestMs: all.reduce((largest, [, gap]) => Math.max(largest, gap), 10 * SMALLEST_MS),
  };
}

function lane(vm: ObservedVm, top: number, scale: Scale): Markup {
  const base = top + LANE;
  const largest = Math.max(...vm.gaps.map(([, gap]) => gap));
  const stems = vm.gaps.map(([at, gap]) => {
    const height = stemHeight(gap, scale);
    const kind = gap === largest ? 'blackout' : 'stem';
    return html`<rect class="${kind}" x="${x(at, scale)}" y="${round(base - height)}" width="${Math.max(1, round((gap / scale.untilMs) * (WIDTH - LABEL)))}" height="${height}"/>`;
  });
  const [peakAt, peakGap] = vm.gaps.find(([, gap]) => gap === largest) ?? [0, 0];
  const end = x(peakAt + peakGap, scale);
  const anchor = end > WIDTH - 90 ? 'end' : 'start';
  return html`<g data-lane="${vm.name}"><text x="0" y="${base - LANE / 2 + 4}" font-weight="600">${vm.name.length <= 12 ? vm.name : `${vm.name.slice(0, 11)}…`}</text>
${gridLines(base, scale)}${stems}
<text class="blackout" x="${anchor === 'start' ? end + 6 : x(peakAt, scale) - 6}" y="${top + 10}" text-anchor="${anchor}">${formatSpan(largest)}</text></g>`;
}

function gridLines(base: number, scale: Scale): Markup[] {
  const lines: Markup[] = [];
  for (let ms = SMALLEST_MS; ms <= scale.largestMs; ms *= 10) {
    const y = round(base - stemHeight(ms, scale));
    const name = ms >= 1000 ? `${ms / 1000} s` : `${ms} ms`;
    lines.push(
      html`<path class="axis" d="M${LABEL} ${y}H${WIDTH}"/><text class="soft" x="${LABEL - 6}" y="${y + 4}" text-anchor="end" font-size="10">${name}</text>`,
    );
  }
  return lines;
}

function timeAxis(y: number, scale: Scale): Markup {
  const step = tickStep(scale.untilMs / 8);
  const ticks: Markup[] = [];
  for (let at = 0; at <= scale.untilMs; at += step) {
    const anchor = x(at, scale) > WIDTH - 20 ? 'end' : 'middle';
    ticks.push(
      html`<text class="soft" x="${x(at, scale)}" y="${y + 8}" text-anchor="${anchor}">${round(at / 1000)} s</text>`,
    );
  }
  return html`<g>${ticks}</g>`;
}

/** 1, 2 or 5 times a power of ten, at least `atLeast`. */
function tickStep(atLeast: number): number {
  const power = 10 ** Math.floor(Math.log10(atLeast));
  return [1, 2, 5, 10].map((factor) => factor * power).find((step) => step >= atLeast) ?? 10 * power;
}

function stemHeight(gapMs: number, scale: Scale): number {
  if (gapMs <= SMALLEST_MS) return 1;
  return Math.max(1, round((Math.log(gapMs / SMALLEST_MS) / Math.log(scale.largestMs / SMALLEST_MS)) * LANE));
}

function x(atMs: number, scale: Scale): number {
  return round(LABEL + (atMs / scale.untilMs) * (WIDTH - LABEL));
}
