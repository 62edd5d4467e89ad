import { Refused, Unreachable } from '@exuvia/client';
import { ExuviaError, toErrorBody } from '@exuvia/contract';
import { EXIT, type ExitStatus } from './exit.ts';
import type { Io } from './io.ts';

/** Faults in what the user gave, found before any agent was asked. */
const REFUSED_HERE = new Set([
  'spec-invalid',
  'file-unreadable',
  'not-possible-remotely',
  'no-update',
  'console-missing',
]);

/** Says what went wrong, and what the process is to exit with. */
export function reportFailure(error: unknown, io: Io, json: boolean): ExitStatus {
  const body = toErrorBody(error);
  if (json) io.out(`${JSON.stringify(body)}\n`);
  else {
    io.err(`exuvia: ${body.error.message}\n`);
    if (body.error.hint !== undefined) io.err(`        ${body.error.hint}\n`);
  }
  return statusOf(error);
}

/**
 * Refusals of packages/guest: what a patch file, a guest's kernel or what is asked of it does not allow. Not
 * among them is what goes wrong in the middle of the work: QEMU's gdbstub, the helpers, a lost write.
 */
const GUEST_REFUSALS = /^(guest|patch)-(?!gdb-|guard$|stop-program$|unwatched$|write-lost$)/;

/** Nobody answers on a VM's monitor. */
const UNREACHABLE = new Set(['qmp-closed', 'qmp-timeout']);

/** What was given, or what a guest's kernel is like, does not allow what was asked for; nothing was changed. */
function isRefused(code: string): boolean {
  return REFUSED_HERE.has(code) || GUEST_REFUSALS.test(code);
}

function statusOf(error: unknown): ExitStatus {
  if (error instanceof Unreachable) return EXIT.unreachable;
  if (error instanceof ExuviaError && UNREACHABLE.has(error.code)) return EXIT.unreachable;
  if (error instanceof Refused) return EXIT.refused;
  if (error instanceof ExuviaError && isRefused(error.code)) return EXIT.refused;
  if (error instanceof ExuviaError && error.code === 'usage') return EXIT.usage;
  if (error instanceof ExuviaError && error.code === 'interrupted') return EXIT.interrupted;
  return EXIT.failed;
}
