"""The completion script for bash."""

from __future__ import annotations

from collections.abc import Sequence

from vsa_cli.reference.completion.kinds import posix_test
from vsa_cli.reference.completion.model import Command, Value

_BODY = r"""
# Files of some kinds, and folders to complete further; with -m only model folders, if there are any.
_vsa_files() {
  local path kind only found=() folders=()
  [[ $1 == -m ]] && only=1 && shift
  cur=${cur//\\/}
  while IFS= read -r path; do
    for kind in "$@"; do
      _vsa_is "$kind" "$path" && found+=("$path") && continue 2
    done
    [[ -d $path ]] && folders+=("$path")
  done < <(compgen -f -- "${cur/#\~\//$HOME/}")
  [[ $only && ${#found[@]} -gt 0 ]] && folders=()
  COMPREPLY=("${found[@]}" "${folders[@]}")
  compopt -o filenames 2>/dev/null
}

_vsa_words() {
  COMPREPLY=($(compgen -W "$*" -- "$cur"))
}

_vsa() {
  local cur=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} command=${COMP_WORDS[1]} at=0 i
  COMPREPLY=()
  if ((COMP_CWORD == 1)); then
    _vsa_words %(commands)s --version --show-completion --help
    return
  fi
  if [[ $cur == = ]]; then
    cur=
  elif [[ $before == = ]]; then
    before=${COMP_WORDS[COMP_CWORD - 2]}
  fi
  _vsa_value "$command" "$before" && return
  if [[ $cur == -* ]]; then
    case $command in
%(options)s
    esac
    return
  fi
  for ((i = 2; i < COMP_CWORD; i++)); do
    if [[ ${COMP_WORDS[i + 1]} == = ]]; then
      ((i += 2))
    elif _vsa_value "$command" "${COMP_WORDS[i]}"; then
      ((i++))
    elif [[ ${COMP_WORDS[i]} != -* ]]; then
      ((at++))
    fi
  done
  COMPREPLY=()
  case "$command $at" in
%(arguments)s
  esac
}

complete -F _vsa vsa
"""


def script(commands: Sequence[Command]) -> str:
    """The whole script."""
    options, arguments = [], []
    for command in commands:
        names = " ".join(name for option in command.options for name in option.names)
        options.append(f"      {command.name}) _vsa_words {names} ;;")
        for place, value in enumerate(command.arguments):
            last = command.repeats and place == len(command.arguments) - 1
            arguments.append(f'    "{command.name} "{"*" if last else place}) {_offer(value)} ;;')
    body = _BODY % {
        "commands": " ".join(command.name for command in commands),
        "options": "\n".join(options),
        "arguments": "\n".join(arguments),
    }
    return f"# bash completion for vsa\n\n{posix_test()}\n\n{_values(commands)}\n{body}"


def _values(commands: Sequence[Command]) -> str:
    """`_vsa_value COMMAND OPTION`: offer what the option takes; false where it takes nothing."""
    lines = ["_vsa_value() {", '  case "$1 $2" in']
    for command in commands:
        for option in command.options:
            if option.value is not None:
                names = "|".join(f'"{command.name} {name}"' for name in option.names)
                lines.append(f"    {names}) {_offer(option.value)} ;;")
    return "\n".join([*lines, "    *) return 1 ;;", "  esac", "  return 0", "}"])


def _offer(value: Value) -> str:
    if value.words:
        return f"_vsa_words {' '.join(value.words)}"
    if value.kinds:
        return f"_vsa_files {'-m ' if value.only_models else ''}{' '.join(value.kinds)}"
    return ":"
