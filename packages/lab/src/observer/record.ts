import type { Heartbeat, Observation } from '@exuvia/contract';

/** One VM's heartbeat as an observer saw it: the time of each first sight of a sequence number. */
export interface Track {
  readonly name: string;
  /** ms on the observer's monotonic clock, one for each beat seen. */
  readonly times: number[];
  readonly sequences: number[];
  /** Set apart from the beats, since they change seldom. */
  readonly bootIds: { readonly at: number; readonly bootId: string }[];
  readonly work: { at: number; verified: number; errors: number; clockBackwards: number }[];
}

/** How often the counters of verified work are kept. */
const WORK_INTERVAL_MS = 100;
const PLOT_POINTS = 1000;

export function newTrack(name: string): Track {
  return { name, times: [], sequences: [], bootIds: [], work: [] };
}

/** Adds a beat that was seen at `at`; a page that shows the same sequence number again adds nothing. */
export function addBeat(track: Track, at: number, beat: Heartbeat): void {
  const sequence = Number(beat.sequence);
  if (track.bootIds.at(-1)?.bootId !== beat.bootId) track.bootIds.push({ at, bootId: beat.bootId });
  else if (track.sequences.at(-1) === sequence) return;
  track.times.push(at);
  track.sequences.push(sequence);
  const last = track.work.at(-1);
  const work = {
    at,
    verified: Number(beat.verified),
    errors: Number(beat.errors),
    clockBackwards: Number(beat.clockBackwards),
  };
  if (last === undefined || at - last.at >= WORK_INTERVAL_MS || work.errors !== last.errors)
    track.work.push(work);
}

/** A stretch of the observer's clock, in ms. */
export interface Window {
  readonly from: number;
  readonly to: number;
}

/** The largest gap between two beats, with their sequence numbers. */
interface Gap {
  readonly ms: number;
  readonly at: number;
  readonly before: number;
  readonly after: number;
}

/** The largest gap that touches the window; a gap that has not ended counts up to the window's end. */
function largestGap(track: Track, window: Window): Gap | null {
  let largest: Gap | null = null;
  for (let i = 0; i < track.times.length; i++) {
    const at = track.times[i] ?? 0;
    const next = track.times[i + 1];
    if (at > window.to || (next !== undefined && next < window.from)) continue;
    const ms = (next ?? window.to) - at;
    const before = track.sequences[i] ?? 0;
    if (largest === null || ms > largest.ms)
      largest = { ms, at, before, after: track.sequences[i + 1] ?? before };
  }
  return largest;
}

/** What was seen of a VM in a window, in the form in which reports carry it. */
export function observationOf(track: Track, window: Window): Observation['vms'][number] {
  const gap = largestGap(track, window);
  return {
    name: track.name,
    blackoutMs: round(gap?.ms ?? window.to - window.from),
    bootIdSame: bootIdsIn(track, window).size === 1,
    sequenceMonotonic: strictlyIncreasing(track, window),
    integrity: integrityOf(track, window, gap),
    gaps: thinned(track, window),
  };
}

function bootIdsIn(track: Track, window: Window): Set<string> {
  const ids = new Set<string>();
  let before: string | undefined;
  for (const { at, bootId } of track.bootIds) {
    if (at <= window.from) before = bootId;
    else if (at <= window.to) ids.add(bootId);
  }
  return before === undefined ? ids : ids.add(before);
}

function strictlyIncreasing(track: Track, window: Window): boolean {
  let last = -1;
  for (let i = 0; i < track.times.length; i++) {
    const at = track.times[i] ?? 0;
    if (at < window.from || at > window.to) continue;
    const sequence = track.sequences[i] ?? 0;
    if (sequence <= last) return false;
    last = sequence;
  }
  return last >= 0;
}

/**
 * `ok` when the guest found nothing wrong and verified at least one unit of work more after the largest gap (not: all of its
 * memory; SPECIFICATION.md); a clock that went back is wrong too.
 */
function integrityOf(track: Track, window: Window, gap: Gap | null): 'ok' | 'failed' | 'unknown' {
  const seen = track.work.filter(({ at }) => at >= window.from && at <= window.to);
  const last = seen.at(-1);
  if (last === undefined) return 'unknown';
  if (last.errors > 0 || last.clockBackwards > 0) return 'failed';
  const afterGap = seen.find(({ at }) => gap !== null && at >= gap.at + gap.ms);
  return afterGap !== undefined && last.verified > afterGap.verified ? 'ok' : 'unknown';
}

/** The largest gap of each of at most {@link PLOT_POINTS} equal parts of the window. */
function thinned(track: Track, window: Window): [number, number][] {
  const width = Math.max(1, (window.to - window.from) / PLOT_POINTS);
  const largest = new Map<number, [number, number]>();
  for (let i = 1; i < track.times.length; i++) {
    const from = track.times[i - 1] ?? 0;
    const to = track.times[i] ?? 0;
    if (to < window.from || from > window.to) continue;
    const part = Math.floor((to - window.from) / width);
    const known = largest.get(part);
    if (known === undefined || to - from > known[1]) {
      largest.set(part, [round(Math.max(0, from - window.from)), round(to - from)]);
    }
  }
  return [...largest.values()];
}

function round(ms: number): number {
  return Math.round(ms * 1000) / 1000;
}
