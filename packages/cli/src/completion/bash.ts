import { choices, SPECS, step } from './shell.ts';
import type { CompletionTree } from './tree.ts';

export function bashCompletion(tree: CompletionTree): string {
  return `# bash completion for exuvia
_exuvia() {
  local -a given=()
  local index word argument glue='' command='' option='' words='' vms='' files='' count=0
  # The shell has cut words such as https://host:7443 and --key=FILE at colons and equals signs.
  for ((index = 1; index <= COMP_CWORD; index++)); do
    word=\${COMP_WORDS[index]}
    if [[ \${#given[@]} -gt 0 && ( -n $glue || $word == [:=]* ) ]]; then
      given[\${#given[@]}-1]+=$word
    else
      given+=("$word")
    fi
    glue=''
    [[ $word != [:=]* ]] || glue=yes
  done
  word=\${given[\${#given[@]}-1]}
  for argument in "\${given[@]:0:\${#given[@]}-1}"; do
${step(tree)}  done
  if [[ $word == --*=* ]]; then
    option=\${word%%=*}
    word=\${word#*=}
  fi
${choices(tree, (words) => `words='${words.join(' ')}'`)}  COMPREPLY=($(compgen -W "$words" -- "$word"))
  if [[ -n $vms ]]; then
    while read -r argument; do
      argument=\${argument##*/}
      argument=\${argument%.yaml}
      [[ $argument != "$word"* ]] || COMPREPLY+=("$argument")
    done < <(compgen -G '${SPECS}')
  fi
  if [[ -n $files ]]; then
    # Only here: a word, or a VM, that a folder is called like would get a slash.
    compopt -o filenames
    local -a found
    mapfile -t found < <(compgen -f -- "$word")
    COMPREPLY+=("\${found[@]}")
  fi
}
complete -F _exuvia exuvia
`;
}
