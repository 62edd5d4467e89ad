import { HOST_PATHS } from '@exuvia/contract';
import type { CompletionTree } from './tree.ts';

/** The specs of this host's VMs: root may read the names of the files, and so of the VMs. */
export const SPECS = `${HOST_PATHS.specs}/*.yaml`;

/**
 * What bash and zsh have in common: the arguments before the current one are gone through, one `argument` after the
 * other, so that `command` is the longest command that they name, `count` the number of arguments that it has been
 * given, and `option` the option whose value comes next.
 */
export function step({ words, valueOptions }: CompletionTree): string {
  return `    if [[ -n $option ]]; then
      option=''
      continue
    fi
    case $argument in
      ${alternatives([...valueOptions.keys()])}) option=$argument ;;
      -*) ;;
      *)
        case "\${command:+$command }$argument" in
          ${alternatives([...words.keys()].filter((command) => command !== ''))})
            command="\${command:+$command }$argument" ;;
          *) ((count += 1)) ;;
        esac ;;
    esac
`;
}

/**
 * Sets what may come at the cursor: words and, where `vms=yes` or `files=yes`, VMs or files.
 *
 * @param assign how the shell keeps a list of words.
 */
export function choices(tree: CompletionTree, assign: (words: readonly string[]) => string): string {
  const commands = [...tree.words].map(([command, words]) => `        '${command}') ${assign(words)} ;;\n`);
  const vms = [...tree.vmCommands].map(([command, which]) =>
    which === 'each' ? `*' ${command}'` : `'0 ${command}'`,
  );
  const values = [...tree.valueOptions].filter(([, words]) => words.length > 0);
  return `  case $option in
    '')
      case $command in
${commands.join('')}      esac
      case "$count $command" in
        ${vms.join('|')}) vms=yes ;;
      esac
      case $command in
        ${alternatives(tree.fileCommands)}) files=yes ;;
      esac ;;
    ${alternatives(tree.fileOptions)}) files=yes ;;
${values.map(([option, words]) => `    '${option}') ${assign(words)} ;;\n`).join('')}  esac
`;
}

function alternatives(words: readonly string[]): string {
  return words.map((word) => `'${word}'`).join('|');
}
