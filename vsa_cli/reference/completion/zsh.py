"""The completion script for zsh: a function that compinit finds, or that is read as it is."""

from __future__ import annotations

from collections.abc import Sequence

from vsa_cli.reference.completion.kinds import posix_test
from vsa_cli.reference.completion.model import Command, Option, Value

_BODY = r"""
_vsa_wanted() {
  local kind
  for kind in $_vsa_kinds; do
    _vsa_is $kind $REPLY && return 0
  done
  return 1
}

# Files of some kinds, and folders to complete further; with -m only model folders, if there are any.
_vsa_files() {
  local -a _vsa_kinds expl
  if [[ $argv[(r)-m] == -m ]]; then
    _vsa_kinds=(${argv[(r)-m,-1][2,-1]})
    _path_files -g '*(-/+_vsa_wanted)' || _path_files -/
  else
    _vsa_kinds=(${argv[(r)-k,-1][2,-1]})
    _files -g '*(-+_vsa_wanted)'
  fi
}

_vsa() {
  local curcontext=$curcontext state line
  typeset -A opt_args
  _arguments -C '--version[Show the version and exit.]' \
    '--show-completion=[Print a completion script.]:SHELL:(bash zsh fish)' \
    '(-h --help)'{-h,--help}'[Show this help and exit.]' '1:command:->command' '*::argument:->argument'
  case $state in
    (command)
      local -a commands=(
%(commands)s
      )
      _describe command commands
      ;;
    (argument)
      case $line[1] in
%(arguments)s
      esac
      ;;
  esac
}

if [[ $funcstack[1] == _vsa ]]; then
  _vsa "$@"
else
  compdef _vsa vsa
fi
"""


def script(commands: Sequence[Command]) -> str:
    """The whole script."""
    listed = [f"        {_quote(f'{command.name}:{command.summary}')}" for command in commands]
    cases = []
    for command in commands:
        specs = [_option(option) for option in command.options]
        for place, value in enumerate(command.arguments, 1):
            last = command.repeats and place == len(command.arguments)
            specs.append(_quote(f"{'*' if last else place}:argument:{_offer(value)}"))
        cases.append(f"        ({command.name})\n          _arguments -s \\\n            ")
        cases[-1] += " \\\n            ".join(specs) + "\n          ;;"
    body = _BODY % {"commands": "\n".join(listed), "arguments": "\n".join(cases)}
    return f"#compdef vsa\n\n{posix_test()}\n{body}"


def _option(option: Option) -> str:
    text = option.help.replace("[", r"\[").replace("]", r"\]").replace(":", r"\:")
    value = "" if option.value is None else f":{option.label.replace(':', ' ')}:{_offer(option.value)}"
    spec = _quote(f"[{text}]{value}")
    names = [name if option.value is None or len(name) == 2 else name + "=" for name in option.names]
    if option.repeated:
        return " ".join(f"'*'{name}{spec}" for name in names)
    if len(names) == 1:
        return names[0] + spec
    return f"'({' '.join(option.names)})'{{{','.join(names)}}}{spec}"


def _offer(value: Value) -> str:
    if value.words:
        return f"({' '.join(value.words)})"
    if value.kinds:
        return f"_vsa_files {'-m' if value.only_models else '-k'} {' '.join(value.kinds)}"
    return " "


def _quote(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"
