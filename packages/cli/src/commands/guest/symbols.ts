import { ExuviaError } from '@exuvia/contract';
import { type AttachedGuest, hex, type KernelSymbol } from '@exuvia/guest';
import { EXIT, type ExitStatus } from '../../exit.ts';
import { show, table } from '../../print.ts';
import type { Invocation } from '../../program.ts';
import { type GuestOptions, targetOf, withGuest } from './target.ts';

interface Found {
  readonly address: string;
  readonly type: string;
  readonly name: string;
  /** Among those of this name in its object, from 1. */
  readonly position: number;
  /** `vmlinux`, or the module's name. */
  readonly object: string;
}

/** The symbols whose names match a pattern. */
export async function symbols(invocation: Invocation<GuestOptions & { limit: string }>): Promise<ExitStatus> {
  const { options, io } = invocation;
  const target = await targetOf(invocation, 'PATTERN');
  const limit = numberOf('--limit', options.limit);
  const pattern = patternOf(target.rest[0] ?? '');
  const found = await withGuest(target, (guest) => matching(guest, pattern, limit + 1));
  const shown = found.slice(0, limit);
  show(io, options, shown, () => {
    if (shown.length === 0) return `No symbol of the guest matches ${target.rest[0]}.\n`;
    const rows = shown.map(({ address, type, position, object, name }) => [
      address,
      type,
      object,
      String(position),
      name,
    ]);
    return table(['address', 'type', 'object', 'position', 'name'], rows, io);
  });
  if (found.length > limit) io.err(`There are more: these are the first ${limit}. See --limit.\n`);
  return shown.length === 0 ? EXIT.failed : EXIT.ok;
}

function matching(guest: AttachedGuest, pattern: RegExp, limit: number): Found[] {
  const found: Found[] = [];
  const take = (object: string, symbols: Iterable<KernelSymbol>) => {
    for (const { address, type, name, position } of symbols) {
      if (found.length >= limit) return;
      found.push({ address: hex(address), type, name, position, object });
    }
  };
  take('vmlinux', guest.symbols.match(pattern));
  for (const { name } of guest.modules()) take(name, guest.moduleSymbols(name)?.match(pattern) ?? []);
  return found;
}

/** A pattern of the shell: `*` for any text, `?` for any character. */
function patternOf(text: string): RegExp {
  const escaped = text
    .replace(/[.+^${}()|[\]\\]/g, '\\$&')
    .replaceAll(/\*+/g, '.*')
    .replaceAll('?', '.');
  return new RegExp(`^${escaped}$`, 's');
}

/** A whole number from an option. @throws ExuviaError `usage`. */
export function numberOf(option: string, text: string): number {
  const value = Number(text);
  if (/^\d+$/.test(text) && Number.isSafeInteger(value)) return value;
  throw new ExuviaError('usage', `${option} ${text} is not a whole number.`);
}
