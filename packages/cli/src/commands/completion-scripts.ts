import { quoted } from "../args/flags.ts";
import { didYouMean } from "../args/suggest.ts";
import { UsageError } from "../errors.ts";
import type { Run } from "./command.ts";
import { SHELLS } from "./shells.ts";

/** Each script calls `firectl __complete`, which prints candidates: see `completion-candidates.ts`. */
const SCRIPTS: Readonly<Record<(typeof SHELLS)[number], string>> = {
  bash: `# firectl completion bash
_firectl() {
  local word="\${COMP_WORDS[COMP_CWORD]}" line
  COMPREPLY=()
  while IFS=$'\\t' read -r line _; do
    case "$line" in
      :*)
        type compopt >/dev/null 2>&1 && compopt -o filenames
        while IFS= read -r line; do COMPREPLY+=("$line"); done < <(compgen -f -- "$word")
        ;;
      # Bash completes what is behind the "=" alone.
      --*=*) COMPREPLY+=("\${line#--*=}") ;;
      *) COMPREPLY+=("$line") ;;
    esac
  done < <(firectl __complete "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
}
complete -F _firectl firectl
`,
  zsh: `#compdef firectl
# firectl completion zsh
_firectl() {
  local line
  local -a choices
  for line in "\${(@f)$(firectl __complete "\${(@)words[2,CURRENT]}" 2>/dev/null)}"; do
    case "$line" in
      "") ;;
      :folders) _files -/ ;;
      :*) _files ;;
      *) choices+=("\${\${line%%$'\\t'*}//:/\\\\:}:\${line#*$'\\t'}") ;;
    esac
  done
  (( $#choices )) && _describe firectl choices
}
# As a file in $fpath it is called at once, as a script it is registered.
if [[ "$funcstack[1]" == _firectl ]]; then _firectl "$@"; else compdef _firectl firectl; fi
`,
  fish: `# firectl completion fish
function __firectl_complete
  set -l words (commandline -opc) (commandline -ct)
  for line in (firectl __complete $words[2..-1] 2>/dev/null)
    switch $line
      case :folders
        __fish_complete_directories (commandline -ct)
      case ':*'
        __fish_complete_path (commandline -ct)
      case '*'
        printf '%s\\n' $line
    end
  end
end
complete -c firectl -f -a '(__firectl_complete)'
`,
};

export const completion: Run = async ({ args, out }) => {
  const [shell = ""] = args;
  const script = Object.hasOwn(SCRIPTS, shell) ? SCRIPTS[shell as (typeof SHELLS)[number]] : undefined;
  if (script === undefined) {
    throw new UsageError(
      `There is no completion for ${quoted(shell)}.${didYouMean(shell, SHELLS)} It knows ${SHELLS.join(", ")}.`,
    );
  }
  await out.raw(script);
};
