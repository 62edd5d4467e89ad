import { choices, SPECS, step } from './shell.ts';
import type { CompletionTree } from './tree.ts';

export function zshCompletion(tree: CompletionTree): string {
  return `#compdef exuvia
_exuvia() {
  local argument command='' option='' vms='' files='' count=0 word=\${words[CURRENT]}
  local -a candidates
  for argument in "\${(@)words[2,CURRENT-1]}"; do
${step(tree)}  done
  if [[ $word == --*=* ]]; then
    option=\${word%%=*}
    compset -P '*='
  fi
${choices(tree, (words) => `candidates=(${words.join(' ')})`)}  compadd -- $candidates
  [[ -z $vms ]] || compadd -- ${SPECS}(N:t:r)
  [[ -z $files ]] || _files
}
# Autoloaded, this file is the function at its first call.
if [[ \${funcstack[1]} == _exuvia ]]; then
  _exuvia "$@"
else
  compdef _exuvia exuvia
fi
`;
}
