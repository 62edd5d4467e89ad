/**
 * The kernel's command line as a list of arguments. Quotes work as in the kernel (lib/cmdline.c,
 * next_arg()): a double quote starts and ends a stretch in which spaces do not separate; there is no escape.
 * Quotes are kept, so that joining gives back what was split.
 */
export function splitCommandLine(text: string): string[] {
  const result: string[] = [];
  let argument = '';
  let quoted = false;
  for (const character of text) {
    if (character === '"') quoted = !quoted;
    if (!quoted && /\s/.test(character)) {
      if (argument !== '') result.push(argument);
      argument = '';
    } else {
      argument += character;
    }
  }
  if (argument !== '') result.push(argument);
  return result;
}

export function joinCommandLine(args: readonly string[]): string {
  return args.join(' ');
}

/** The value of the last `name=value`, without quotes; '' for a bare `name`; `null` when it is not there. */
export function commandLineValue(args: readonly string[], name: string): string | null {
  return commandLineValues(args, name).at(-1) ?? null;
}

/** The values of every `name=value`, in order. The kernel takes `-` and `_` in names for the same. */
export function commandLineValues(args: readonly string[], name: string): string[] {
  return args.filter((argument) => hasName(argument, name)).map(withoutName);
}

/** Removes every argument of that name, then adds the given ones, before a `--` that ends the kernel's own. */
export function setCommandLineValues(
  args: readonly string[],
  name: string,
  values: readonly string[],
): string[] {
  const end = args.indexOf('--');
  const kernel = (end === -1 ? args : args.slice(0, end)).filter((argument) => !hasName(argument, name));
  const rest = end === -1 ? [] : args.slice(end);
  return [...kernel, ...values.map((value) => `${name}=${quoteIfNeeded(value)}`), ...rest];
}

/** Removes every argument of that name (up to a `--`). */
export function removeFromCommandLine(args: readonly string[], name: string): string[] {
  return setCommandLineValues(args, name, []);
}

function hasName(argument: string, name: string): boolean {
  const own = argument.replace(/^"/, '').split('=', 1)[0] ?? '';
  return own.replaceAll('-', '_') === name.replaceAll('-', '_');
}

function withoutName(argument: string): string {
  const plain = argument.replaceAll('"', '');
  const at = plain.indexOf('=');
  return at === -1 ? '' : plain.slice(at + 1);
}

function quoteIfNeeded(value: string): string {
  return /\s/.test(value) ? `"${value}"` : value;
}
