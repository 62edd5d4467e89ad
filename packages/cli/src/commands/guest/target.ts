import { access } from 'node:fs/promises';
import { ExuviaError, vmNameSchema, vmPaths } from '@exuvia/contract';
import { type AttachedGuest, attach } from '@exuvia/guest';
import { type GlobalOptions, isRemote } from '../../connect.ts';
import type { Invocation } from '../../program.ts';

export interface GuestOptions {
  readonly qmp?: string;
}

/** Of a command that looks at the guest's patches, too. */
export interface PatchedGuestOptions extends GuestOptions {
  readonly state?: string;
}

/** Which guest a command is about, and its other arguments. */
export interface Target {
  /** The VM's name, or the path of its monitor. */
  readonly name: string;
  readonly qmp: string;
  readonly rest: readonly string[];
}

/**
 * Reads `(VM | --qmp PATH) ARGUMENTS`.
 *
 * @param expected names of the arguments after the guest; a name in brackets may be missing.
 * @throws ExuviaError `usage`, `not-possible-remotely`, `guest-not-running`.
 */
export async function targetOf(
  { args, options }: Invocation<GuestOptions>,
  ...expected: readonly string[]
): Promise<Target> {
  if (isRemote(options as GlobalOptions)) {
    throw new ExuviaError('not-possible-remotely', 'A guest can be looked into on its host only.', {
      hint: 'Log in there, for example with ssh.',
    });
  }
  const [name, rest] = options.qmp === undefined ? [args[0], args.slice(1)] : [options.qmp, args];
  if (name === undefined) throw new ExuviaError('usage', 'Which guest? Give a VM or --qmp PATH.');
  const required = expected.filter((argument) => !argument.startsWith('['));
  const missing = required[rest.length];
  if (missing !== undefined) throw new ExuviaError('usage', `${missing} is missing.`);
  const tooMuch = rest[expected.length];
  if (tooMuch !== undefined) throw new ExuviaError('usage', `${tooMuch} is one argument too many.`);
  return { name, rest, qmp: options.qmp ?? (await monitorOf(name)) };
}

/** The monitor of a VM of this host that nobody holds while no update runs. */
async function monitorOf(name: string): Promise<string> {
  if (!vmNameSchema.safeParse(name).success) {
    throw new ExuviaError('usage', `${name} is no name of a VM.`, {
      hint: 'A socket is given by --qmp PATH.',
    });
  }
  const { handoverQmp } = vmPaths(name);
  try {
    await access(handoverQmp);
  } catch (cause) {
    throw new ExuviaError('guest-not-running', `VM ${name} is not running on this host.`, {
      hint: '`exuvia vm list` shows the VMs; another QEMU is given by --qmp PATH.',
      cause,
    });
  }
  return handoverQmp;
}

/** Attaches to the guest, does the work, and lets go of it. */
export async function withGuest<Result>(
  target: Target,
  work: (guest: AttachedGuest) => Result | Promise<Result>,
): Promise<Result> {
  const guest = await attach(target.qmp);
  try {
    return await work(guest);
  } finally {
    guest.detach();
  }
}

/** Where the journal of a guest's patches is. */
export function stateOf(target: Target, { qmp, state }: PatchedGuestOptions) {
  return {
    ...(qmp === undefined ? { name: target.name } : {}),
    ...(state === undefined ? {} : { state }),
  };
}
