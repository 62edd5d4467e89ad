import type { Straggler } from './watch.ts';

/**
 * How far a patch is. `applying` and `reverting` last as long as a tool works on it, or was killed while it
 * did. `transitioning`: every call goes to the new functions, threads may still be in the old ones.
 * `retiring`: rolled back, threads may still be in the patch's functions.
 */
export type PatchState = 'applying' | 'transitioning' | 'complete' | 'reverting' | 'retiring' | 'retired';

export interface PatchStatus {
  readonly id: string;
  readonly name: string;
  readonly file: string;
  readonly appliedAt: string;
  readonly state: PatchState;
  /** Threads that have not been seen outside of what is being left; empty when nobody waits or nobody looked. */
  readonly waitingFor: readonly Straggler[];
  readonly functions: readonly {
    readonly object: string;
    readonly name: string;
    readonly position: number;
    readonly kind: 'fentry' | 'moved';
    /** The patch that lies on top of it; null: this one runs. */
    readonly coveredBy: string | null;
  }[];
  readonly codeBytes: number;
  readonly dataBytes: number;
}

/** What opening a guest's patches, or reconciling them, has found and done. */
export type Finding =
  | { readonly kind: 'undone'; readonly id: string }
  | { readonly kind: 'finished'; readonly id: string; readonly state: PatchState }
  | { readonly kind: 'advanced'; readonly id: string; readonly state: PatchState }
  | { readonly kind: 'guest-restarted'; readonly ids: readonly string[]; readonly wasRelease: string }
  | { readonly kind: 'guest-restored'; readonly ids: readonly string[] }
  | { readonly kind: 'damaged'; readonly id: string; readonly why: string };

export interface SwitchReport {
  readonly patch: PatchStatus;
  /** From asking QEMU to stop the VM until telling it to go on, microseconds: what QEMU needs for both comes on top. */
  readonly pauseUs: number;
  /** When that was, in nanoseconds of `process.hrtime`'s clock (CLOCK_MONOTONIC). */
  readonly stop: { readonly from: bigint; readonly to: bigint };
  readonly attempts: number;
}
