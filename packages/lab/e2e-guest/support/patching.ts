import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openPatches, type Patches, type PatchStatus, readPatch } from '@exuvia/guest';
import { afterAll, beforeAll, expect } from 'vitest';
import type { KernelGuest } from '../../src/kernel-guests/index.ts';

const WAIT_LIMIT_MS = 60_000;

/** Patches of one guest, with a journal of their own, through the library that the commands use. */
export interface Patching {
  /** Applies a file, waits until no thread is in what it replaced, and returns its id. */
  apply(file: string, options?: { readonly replace?: boolean }): Promise<string>;
  /** Takes a patch back, and waits until its code has left the guest. */
  rollback(id: string): Promise<void>;
  /** Puts right what is not, looks for threads, and lists. */
  list(): Promise<readonly PatchStatus[]>;
  with<Result>(work: (patches: Patches) => Promise<Result>): Promise<Result>;
  /** Options that every `guest patch` command of this guest has. */
  readonly options: readonly string[];
}

/** @param guest of {@link useGuest}, called before this. */
export function usePatching(guest: () => KernelGuest): Patching {
  const options: string[] = ['--state'];
  let state = '';
  beforeAll(async () => {
    state = await mkdtemp(join(tmpdir(), 'exuvia-guest-state-'));
    options.push(state);
  });
  afterAll(async () => {
    await rm(state, { recursive: true, force: true });
  });
  const open = async <Result>(work: (patches: Patches) => Promise<Result>): Promise<Result> => {
    const patches = await openPatches(guest().qmp, { state });
    try {
      return await work(patches);
    } finally {
      await patches.close();
    }
  };
  return {
    options,
    with: open,
    list: () =>
      open(async (patches) => {
        await patches.reconcile();
        return patches.list();
      }),
    apply: (file, { replace = false } = {}) =>
      open(async (patches) => {
        const bytes = await readFile(file);
        const { patch } = await patches.apply(readPatch(bytes, file), { bytes, replace });
        expect(await patches.wait({ timeoutMs: WAIT_LIMIT_MS })).toBe(true);
        return patch.id;
      }),
    rollback: (id) =>
      open(async (patches) => {
        await patches.rollback(id);
        expect(await patches.wait({ timeoutMs: WAIT_LIMIT_MS })).toBe(true);
      }),
  };
}
