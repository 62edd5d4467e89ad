import { type Extent, type FoundPage, PageScanner, readBeat } from './pages.ts';
import { addBeat, newTrack, type Track } from './record.ts';

/** A page that shows nothing new for so long may have been left behind by a VM that now lives elsewhere. */
const STALE_MS = 8000;
const RESCAN_MS = 2000;

interface Watched {
  readonly track: Track;
  offset: number | null;
  changedAt: number;
  lastSequence: bigint;
}

/**
 * Watches the heartbeat pages of some VMs in a file that holds a machine's RAM. {@link sample} is to be
 * called about once a millisecond.
 */
export class Sampler {
  readonly #fd: number;
  readonly #extents: readonly Extent[];
  readonly #watched: Map<string, Watched>;
  #scanner: PageScanner | null = null;
  #nextScanAt = 0;
  #lastSampleAt: number | null = null;
  /** The longest time between two samples: gaps shorter than this may be the observer's own. */
  longestPauseMs = 0;

  constructor(fd: number, extents: readonly Extent[], names: readonly string[], now: number) {
    this.#fd = fd;
    this.#extents = extents;
    const watched = (name: string): Watched => ({
      track: newTrack(name),
      offset: null,
      changedAt: now,
      lastSequence: -1n,
    });
    this.#watched = new Map(names.map((name) => [name, watched(name)]));
  }

  get tracks(): Track[] {
    return [...this.#watched.values()].map(({ track }) => track);
  }

  sample(now: number): void {
    if (this.#lastSampleAt !== null) {
      this.longestPauseMs = Math.max(this.longestPauseMs, now - this.#lastSampleAt);
    }
    this.#lastSampleAt = now;
    for (const watched of this.#watched.values()) this.#look(watched, now);
    this.#scan(now);
  }

  #look(watched: Watched, now: number): void {
    if (watched.offset === null) return;
    const beat = readBeat(this.#fd, watched.offset);
    if (beat === null || beat.name !== watched.track.name || beat.sequence === watched.lastSequence) return;
    watched.lastSequence = beat.sequence;
    watched.changedAt = now;
    addBeat(watched.track, now, beat);
  }

  #scan(now: number): void {
    if (this.#scanner === null) {
      const wanted = [...this.#watched.values()].some((each) => this.#isLost(each, now));
      if (!wanted || now < this.#nextScanAt) return;
      this.#scanner = new PageScanner(this.#fd, this.#extents);
    }
    const found = this.#scanner.next();
    if (found === null) {
      this.#scanner = null;
      this.#nextScanAt = now + RESCAN_MS;
      return;
    }
    for (const each of found) this.#consider(each, now);
  }

  #isLost(watched: Watched, now: number): boolean {
    return watched.offset === null || now - watched.changedAt > STALE_MS;
  }

  /** A page found elsewhere is taken when it is further on than the one known, or the one known is lost. */
  #consider({ offset, beat }: FoundPage, now: number): void {
    const watched = this.#watched.get(beat.name);
    if (watched === undefined || offset === watched.offset || !this.#isLost(watched, now)) return;
    const known = watched.offset === null ? null : readBeat(this.#fd, watched.offset);
    const sameBoot = known !== null && known.bootId === beat.bootId;
    if (sameBoot && beat.sequence <= known.sequence) return;
    watched.offset = offset;
    watched.changedAt = now;
    watched.lastSequence = -1n;
  }
}
