import type { Patches, PatchStatus, SwitchReport } from '@exuvia/guest';
import { expect, test } from 'vitest';
import type { Io } from '../../../io.ts';
import { finishSwitch } from './wait.ts';

const PATCH: PatchStatus = {
  id: 'fix',
  name: 'fix',
  file: 'fix.ko',
  appliedAt: '2026-11-21T10:00:00.000Z',
  state: 'transitioning',
  waitingFor: [{ pid: 140, comm: 'nc', inside: 'vfs_read' }],
  functions: [],
  codeBytes: 0,
  dataBytes: 0,
} as unknown as PatchStatus;

test('Ctrl-C ends the wait for threads, and says what became of the patch', async () => {
  const controller = new AbortController();
  // Stands for a guest whose thread never leaves.
  const patches = {
    findings: [],
    list: () => [PATCH],
    wait: async () => {
      controller.abort();
      return false;
    },
  } as unknown as Patches;
  const io = { out: () => undefined, err: () => undefined } as unknown as Io;
  const report = { patch: PATCH, pauseUs: 1, attempts: 1 } as unknown as SwitchReport;
  const { signal } = controller;
  await expect(
    finishSwitch(
      { io, options: {}, patches, timeoutMs: 60_000, signal },
      { verb: 'switched', from: 'applying', report },
    ),
  ).rejects.toMatchObject({
    code: 'interrupted',
    message:
      'Patch fix is transitioning (1 thread: nc (140) in vfs_read); its threads are not waited for any more.',
    hint: '`exuvia guest patch reconcile` looks again.',
  });
});
