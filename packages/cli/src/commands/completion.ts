import { ExuviaError } from '@exuvia/contract';
import type { Command } from 'commander';
import { EXIT, type ExitStatus } from '../exit.ts';
import type { Invocation } from '../program.ts';

/** Prints a completion script made from the tree of commands. */
export async function completion({ args, io }: Invocation, program: Command): Promise<ExitStatus> {
  const words = wordsOf(program);
  switch (args[0]) {
    case 'bash':
      io.out(bash(words));
      return EXIT.ok;
    case 'zsh':
      io.out(zsh(words));
      return EXIT.ok;
    default:
      throw new ExuviaError('usage', `No completion for ${args[0]}: bash or zsh.`);
  }
}

/** The words that may follow each command; '' is the program itself. */
function wordsOf(program: Command): ReadonlyMap<string, readonly string[]> {
  const general = longOptions(program);
  const words = new Map([['', [...names(program), ...general]]]);
  const add = (command: Command, path: string) => {
    words.set(path, [...names(command), ...longOptions(command), ...general]);
    for (const below of command.commands) add(below, `${path} ${below.name()}`);
  };
  for (const command of program.commands) add(command, command.name());
  words.set('completion', ['bash', 'zsh']);
  return words;
}

function names(command: Command): string[] {
  return command
    .createHelp()
    .visibleCommands(command)
    .map((below) => below.name())
    .filter((name) => name !== 'help');
}

function longOptions(command: Command): string[] {
  const visible = command.options.filter((option) => !option.hidden);
  return visible.flatMap((option) =>
    option.long === undefined || option.long === null ? [] : [option.long],
  );
}

function cases(words: ReadonlyMap<string, readonly string[]>, line: (words: string) => string): string {
  const patterns = [...words].filter(([command]) => command !== '');
  return patterns.map(([command, words]) => `    '${command}') ${line(words.join(' '))} ;;\n`).join('');
}

function bash(words: ReadonlyMap<string, readonly string[]>): string {
  return `# bash completion for exuvia
_exuvia() {
  local word=\${COMP_WORDS[COMP_CWORD]} command='' index words files=''
  for ((index = 1; index < COMP_CWORD; index++)); do
    case \${COMP_WORDS[index]} in
      -*) ;;
      *) command="\${command:+$command }\${COMP_WORDS[index]}" ;;
    esac
  done
  case $command in
${cases(words, (list) => `words='${list}'`)}    'vm create') files=yes ;;
    '') words='${(words.get('') ?? []).join(' ')}' ;;
    *) files=yes ;;
  esac
  case \${COMP_WORDS[COMP_CWORD-1]} in
    --ca|--cert|--key|--html) files=yes ;;
    --handover) words='kexec reboot' ;;
  esac
  COMPREPLY=($(compgen -W "$words" -- "$word"))
  [ -n "$files" ] && COMPREPLY+=($(compgen -f -- "$word"))
}
complete -o filenames -F _exuvia exuvia
`;
}

function zsh(words: ReadonlyMap<string, readonly string[]>): string {
  return `#compdef exuvia
_exuvia() {
  local command='' index
  local -a candidates
  for ((index = 2; index < CURRENT; index++)); do
    [[ \${words[index]} == -* ]] || command="\${command:+$command }\${words[index]}"
  done
  case $command in
${cases(words, (list) => `candidates=(${list})`)}    '') candidates=(${(words.get('') ?? []).join(' ')}) ;;
  esac
  case \${words[CURRENT-1]} in
    --ca|--cert|--key|--html) _files; return ;;
    --handover) candidates=(kexec reboot) ;;
  esac
  compadd -- $candidates
  (( \${#candidates} )) || _files
}
compdef _exuvia exuvia
`;
}
