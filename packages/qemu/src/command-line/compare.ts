/** One argument with its value (`-m 256M`), as QEMU reads them; a switch has the value `null`. */
interface Option {
  readonly name: string;
  readonly value: string | null;
}

/** What one of two command lines has and the other has not. */
export interface CommandLineDifference {
  readonly side: 'only-first' | 'only-second';
  readonly option: string;
}

/**
 * What differs between two command lines, beside the binary and what only says how the machine is started.
 *
 * QEMU refuses a saved state with a device that is missing, but loads one into a machine that has an extra
 * device without a word (seen on 10.0 to 11.1): therefore compare before a restore. The order counts only
 * among options of the same name, since it decides where devices land.
 */
export function compareCommandLines(first: readonly string[], second: readonly string[]) {
  const names = [...new Set([...options(first), ...options(second)].map((option) => option.name))];
  return names
    .filter((name) => !IRRELEVANT.has(name))
    .flatMap((name) => compareValues(name, valuesOf(first, name), valuesOf(second, name)));
}

/** They say how QEMU is started, not what the machine is. */
const IRRELEVANT: ReadonlySet<string> = new Set(['-incoming', '-S', '-D', '-d', '-pidfile', '-sandbox']);

function compareValues(
  name: string,
  first: readonly (string | null)[],
  second: readonly (string | null)[],
): CommandLineDifference[] {
  if (first.length === second.length && first.every((value, index) => value === second[index])) return [];
  const show = (value: string | null) => (value === null ? name : `${name} ${value}`);
  const only = (values: readonly (string | null)[], others: readonly (string | null)[]) => {
    const rest = [...others];
    return values.filter((value) => {
      const index = rest.indexOf(value);
      if (index >= 0) rest.splice(index, 1);
      return index < 0;
    });
  };
  const differences: CommandLineDifference[] = [
    ...only(first, second).map((value) => ({ side: 'only-first' as const, option: show(value) })),
    ...only(second, first).map((value) => ({ side: 'only-second' as const, option: show(value) })),
  ];
  if (differences.length > 0) return differences;
  return [
    { side: 'only-first', option: `${name} in the order ${first.join(' | ')}` },
    { side: 'only-second', option: `${name} in the order ${second.join(' | ')}` },
  ];
}

function valuesOf(commandLine: readonly string[], name: string): (string | null)[] {
  return options(commandLine)
    .filter((option) => option.name === name)
    .map((option) => option.value);
}

/** Cuts a command line into options. QEMU takes `--name` for `-name`; no value of ours begins with `-`. */
function options([, ...rest]: readonly string[]): Option[] {
  const found: Option[] = [];
  for (let index = 0; index < rest.length; index++) {
    const word = rest[index] ?? '';
    const next = rest[index + 1];
    const hasValue = next !== undefined && !next.startsWith('-');
    found.push({ name: word.replace(/^--/, '-'), value: hasValue ? next : null });
    if (hasValue) index++;
  }
  return found;
}
