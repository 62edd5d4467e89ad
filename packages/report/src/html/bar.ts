import { PHASES, type PhaseTiming } from '@exuvia/contract';
import { formatMs } from '../text/number.ts';
import { PHASE_COLORS } from './colors.ts';
import { html, type Markup } from './markup.ts';

export interface BarPlace {
  readonly x: number;
  readonly y: number;
  readonly height: number;
  /** Units of the drawing for one millisecond. */
  readonly unitsPerMs: number;
}

/** Width of a segment that its number fits into, in units of the drawing. */
const ROOM_FOR_NUMBER = 20;

/**
 * Phases side by side, each exactly as wide as it was long. Thin lines in the page's colour part neighbours;
 * they are drawn over the segments, so that they change no width.
 */
export function stackedBar(phases: readonly PhaseTiming[], place: BarPlace): Markup[] {
  let x = place.x;
  return phases.map((phase) => {
    const width = phase.ms * place.unitsPerMs;
    const segment = drawSegment(phase, x, width, place);
    x += width;
    return segment;
  });
}

/** The number under which bar and legend show a phase: its place among the ten. */
export function phaseNumber(phase: PhaseTiming): number {
  return PHASES.indexOf(phase.name) + 1;
}

function drawSegment(phase: PhaseTiming, x: number, width: number, { y, height }: BarPlace): Markup {
  const { fill, ink } = PHASE_COLORS[phase.name];
  const label =
    width < ROOM_FOR_NUMBER
      ? html``
      : html`<text x="${round(x + width / 2)}" y="${round(y + height / 2 + 4)}" text-anchor="middle" style="fill:${ink}">${phaseNumber(phase)}</text>`;
  return html`<g><title>${phase.name}: ${formatMs(phase.ms)} ms</title><rect data-phase="${phase.name}" x="${round(x)}" y="${y}" width="${round(width)}" height="${height}" fill="${fill}"/>${
    width < 4
      ? html``
      : html`<path d="M${round(x + width)} ${y}v${height}" stroke="var(--card)" stroke-width="1.5"/>`
  }${label}</g>`;
}

/** Thousandths are finer than any screen and keep the file small. */
export function round(value: number): number {
  return Math.round(value * 1000) / 1000;
}
