import { join } from 'node:path';
import { type RunResult, run } from '@exuvia/sys';
import type { KernelGuest } from '../../src/kernel-guests/index.ts';

const CLI = join(import.meta.dirname, '../../../cli/src/main.ts');
const COMMAND_LIMIT_MS = 120_000;

/** Runs `exuvia guest ARGUMENTS`, with `--qmp ...` where it is about a guest, as a user does. */
export async function exuvia(
  guest: KernelGuest | null,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<RunResult> {
  const [patch, ...rest] = args;
  const command = patch === 'patch' ? ['patch', rest[0] ?? ''] : [patch ?? ''];
  const more = patch === 'patch' ? rest.slice(1) : rest;
  const target = guest === null ? [] : ['--qmp', guest.qmp];
  return run(
    process.execPath,
    ['--disable-warning=ExperimentalWarning', CLI, 'guest', ...command, ...target, ...more],
    { allowFailure: true, timeoutMs: COMMAND_LIMIT_MS, env },
  );
}

/** What it prints when it must succeed. */
export async function said(guest: KernelGuest | null, ...args: readonly string[]): Promise<string> {
  const { stdout, stderr, exitCode } = await exuvia(guest, args);
  if (exitCode === 0) return stdout;
  throw new Error(`exuvia guest ${args.join(' ')} ended with ${exitCode}:\n${stderr}${stdout}`);
}

/** Its JSON document. */
export async function told(guest: KernelGuest | null, ...args: readonly string[]): Promise<unknown> {
  return JSON.parse(await said(guest, ...args, '--json'));
}

/** The error that it ends with: exit code and JSON. */
export async function refused(
  guest: KernelGuest | null,
  ...args: readonly string[]
): Promise<{ code: string; message: string; hint?: string }> {
  const { stdout, exitCode } = await exuvia(guest, [...args, '--json']);
  if (exitCode === 0) throw new Error(`exuvia guest ${args.join(' ')} succeeded:\n${stdout}`);
  return (JSON.parse(stdout) as { error: { code: string; message: string; hint?: string } }).error;
}
