import type { Command, Option } from 'commander';

/** What a shell has to know to complete a command line of the program. */
export interface CompletionTree {
  /** The words that may follow each command, such as `vm create`; '' is the program itself. */
  readonly words: ReadonlyMap<string, readonly string[]>;
  /** The commands about VMs: whether their first argument is the name of one, or each of them. */
  readonly vmCommands: ReadonlyMap<string, 'first' | 'each'>;
  /** The commands of which an argument is a file. */
  readonly fileCommands: readonly string[];
  /** The options that take a value, with the values where these are few; short and long names. */
  readonly valueOptions: ReadonlyMap<string, readonly string[]>;
  /** The options whose value is a file. */
  readonly fileOptions: readonly string[];
}

/** Names that are offered nowhere. The lab is not part of the host package, for which completions are made. */
const UNOFFERED = new Set(['help', 'lab']);

const FILE = /^(file|path|source|directory|folder)$/;

/** @returns the tree of a program's commands. An option has one meaning wherever it occurs. */
export function completionTree(program: Command): CompletionTree {
  const general = longOptions(program);
  const words = new Map([['', [...names(program), ...general]]]);
  const vmCommands = new Map<string, 'first' | 'each'>();
  const fileCommands: string[] = [];
  const options: Option[] = [...program.options];
  const add = (command: Command, path: string) => {
    words.set(path, [...names(command), ...longOptions(command), ...general]);
    const vms = vmArguments(command);
    if (vms !== null) vmCommands.set(path, vms);
    if (takesFile(command)) fileCommands.push(path);
    options.push(...command.options);
    for (const below of command.commands) add(below, `${path} ${below.name()}`);
  };
  for (const command of program.commands) if (!UNOFFERED.has(command.name())) add(command, command.name());
  words.set('completion', ['bash', 'zsh']);
  const valued = options.filter(({ required, optional }) => required || optional);
  const valueOptions = new Map(
    valued.flatMap((option) => flagsOf(option).map((flag) => [flag, option.argChoices ?? []] as const)),
  );
  const fileOptions = valued.filter(({ flags }) => FILE.test(flags.match(/<(\w+)/)?.[1] ?? ''));
  return {
    ...{ words, vmCommands, fileCommands, valueOptions },
    fileOptions: [...new Set(fileOptions.flatMap(flagsOf))],
  };
}

function names(command: Command): string[] {
  return command
    .createHelp()
    .visibleCommands(command)
    .map((below) => below.name())
    .filter((name) => !UNOFFERED.has(name));
}

function longOptions(command: Command): string[] {
  const visible = command.options.filter((option) => !option.hidden);
  return visible.flatMap(({ long }) => (typeof long === 'string' ? [long] : []));
}

/** Which arguments are VMs. The commands about guests have one list of arguments; what they are stands in their usage. */
function vmArguments(command: Command): 'first' | 'each' | null {
  if (command.usage().includes('(VM |')) return 'first';
  const [first] = command.registeredArguments;
  if (first?.name() === 'names') return 'each';
  return first?.name() === 'name' ? 'first' : null;
}

/** Whether an argument is a file; of the commands about guests as {@link vmArguments} has it. */
function takesFile(command: Command): boolean {
  return command.registeredArguments.some((one) => FILE.test(one.name())) || command.usage().includes('.ko');
}

function flagsOf({ short, long }: Option): string[] {
  return [short, long].filter((flag) => typeof flag === 'string');
}
