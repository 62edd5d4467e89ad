import { setTimeout as sleep } from 'node:timers/promises';
import type { PatchFile } from '../patch/index.ts';
import { advance } from './advance.ts';
import { type ApplyOptions, applyPatch } from './apply.ts';
import { type Context, statusOf } from './context.ts';
import type { Finding, PatchStatus, SwitchReport } from './kinds.ts';
import { rollbackPatch } from './rollback.ts';
import { reconcile } from './settle.ts';

/** The patches of one guest. As long as this is open nothing else writes to the guest or to its journal. */
export interface Patches {
  readonly context: Context;
  /** What was found when it was opened. */
  readonly findings: readonly Finding[];
  /** In the order of their application. */
  list(): PatchStatus[];
  apply(patch: PatchFile, options: ApplyOptions): Promise<SwitchReport>;
  rollback(id: string): Promise<SwitchReport>;
  /** Puts right what is not, and looks for threads. */
  reconcile(): Promise<Finding[]>;
  /**
   * Looks for threads until nobody is waited for any more or the time is up.
   *
   * @param onLook called after every look.
   */
  wait(
    limits: { readonly timeoutMs: number; readonly signal?: AbortSignal },
    onLook?: () => void,
  ): Promise<boolean>;
  /** Leaves the VM as it was found, apart from its patches. */
  close(): Promise<void>;
}

/** Between two looks: as long as the looks themselves have taken to find nothing, within these bounds. */
const FIRST_WAIT_MS = 2;
const LONGEST_WAIT_MS = 500;

export function patchesOf(context: Context, findings: readonly Finding[]): Patches {
  const list = () => context.journal.ledger.patches.map((patch) => statusOf(context, patch));
  const isWaiting = () => list().some(({ state }) => state === 'transitioning' || state === 'retiring');
  return {
    context,
    findings,
    list,
    apply: (patch, options) => applyPatch(context, patch, options),
    rollback: (id) => rollbackPatch(context, id),
    reconcile: () => reconcile(context),
    async wait({ timeoutMs, signal }, onLook = () => undefined) {
      const until = performance.now() + timeoutMs;
      for (let pause = FIRST_WAIT_MS; isWaiting(); pause = Math.min(pause * 2, LONGEST_WAIT_MS)) {
        if (performance.now() >= until || signal?.aborted === true) return false;
        await sleep(pause);
        await advance(context);
        onLook();
      }
      return true;
    },
    async close() {
      await context.journal.close();
      context.kernel.detach();
      await context.machine.close();
    },
  };
}
