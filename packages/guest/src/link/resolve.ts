import { GuestError } from '../errors.ts';
import type { KernelSymbol, SymbolTable } from '../kinds.ts';
import type { GuestSymbolName } from '../patch/index.ts';
import type { LinkTarget } from './target.ts';

/**
 * Finds a symbol by object, name and position.
 *
 * @throws GuestError `guest-module-missing` when the object is not loaded; `guest-symbol-missing` and
 * `guest-symbol-ambiguous` like {@link SymbolTable.one}.
 */
export function resolveSymbol(target: LinkTarget, { object, name, position }: GuestSymbolName): KernelSymbol {
  const found = tableOf(target, object).find(name);
  const where = object === 'vmlinux' ? 'the kernel' : `module ${object}`;
  if (found.length === 0) {
    throw new GuestError('guest-symbol-missing', `There is no symbol ${name} in ${where} of the guest.`, {
      hint: `exuvia guest symbols VM '${name}*' shows names that come near; the compiler may have split or inlined it.`,
    });
  }
  if (position === 0) {
    const [only] = found;
    if (found.length > 1 || only === undefined) {
      throw new GuestError(
        'guest-symbol-ambiguous',
        `There are ${found.length} symbols ${name} in ${where} of the guest, and the patch does not say which.`,
        { hint: `Name its position (1 to ${found.length}, in the order of /proc/kallsyms).` },
      );
    }
    return only;
  }
  const symbol = found[position - 1];
  if (symbol === undefined) {
    throw new GuestError(
      'guest-symbol-missing',
      `The patch wants symbol ${name} number ${position} in ${where} of the guest, which has ${found.length}.`,
    );
  }
  return symbol;
}

function tableOf(target: LinkTarget, object: string): SymbolTable {
  if (object === 'vmlinux') return target.symbols;
  const table = target.moduleSymbols?.(object) ?? null;
  if (table === null) {
    throw new GuestError('guest-module-missing', `The module ${object} is not loaded in the guest.`, {
      hint: 'Load it in the guest first, or leave its functions out of the patch.',
    });
  }
  return table;
}
