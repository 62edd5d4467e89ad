import type { CompletionTree } from './tree.ts';

/**
 * What bash and zsh have in common: the arguments before the current one are gone through, one `argument` after the
 * other, so that `command` is the longest command that they name, and `option` the option whose value comes next.
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
        esac ;;
    esac
`;
}

/**
 * Sets what may come at the cursor: words and, where `files=yes`, files.
 *
 * @param assign how the shell keeps a list of words.
 */
export function choices(tree: CompletionTree, assign: (words: readonly string[]) => string): string {
  const commands = [...tree.words].map(([command, words]) => `        '${command}') ${assign(words)} ;;\n`);
  const values = [...tree.valueOptions].filter(([, words]) => words.length > 0);
  return `  case $option in
    '')
      case $command in
${commands.join('')}      esac
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
