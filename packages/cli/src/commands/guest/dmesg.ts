import { EXIT, type ExitStatus } from '../../exit.ts';
import { show } from '../../print.ts';
import type { Invocation } from '../../program.ts';
import { type GuestOptions, targetOf, withGuest } from './target.ts';

/** The messages of a guest's kernel, as its own dmesg(1) shows them. */
export async function dmesg(invocation: Invocation<GuestOptions>): Promise<ExitStatus> {
  const messages = await withGuest(await targetOf(invocation), (guest) => guest.messages());
  show(invocation.io, invocation.options, messages, () =>
    messages
      .flatMap(({ seconds, text }) => text.split('\n').map((line) => `${stamp(seconds)} ${line}\n`))
      .join(''),
  );
  return EXIT.ok;
}

function stamp(seconds: number): string {
  return `[${seconds.toFixed(6).padStart(12)}]`;
}
