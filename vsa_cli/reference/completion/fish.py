"""The completion script for fish."""

from __future__ import annotations

from collections.abc import Sequence

from vsa_cli.reference.completion.kinds import FILES, FOLDERS, HEAD, suffixes
from vsa_cli.reference.completion.model import Command, Option, Value

_BODY = r"""
# Files of some kinds, and folders to complete further; with -m only model folders, if there are any.
function __vsa_files
    set -l only
    if test $argv[1] = -m
        set only yes
        set -e argv[1]
    end
    set -l found
    set -l folders
    for path in (__fish_complete_path (commandline -ct | string unescape) | string replace -r '\t.*' '')
        set -l fits
        for kind in $argv
            if __vsa_is $kind (string replace -r '^~/' $HOME/ -- $path)
                set fits yes
                break
            end
        end
        if test -n "$fits"
            set -a found $path
        else if string match -q '*/' -- $path
            set -a folders $path
        end
    end
    test -n "$only" -a (count $found) -gt 0; and set folders
    string join \n -- $found $folders
end

function __vsa_in
    set -l words (commandline -opc)
    test "$words[2]" = $argv[1]
end

# Whether the word at the cursor is an argument of a command, and which, from 0; "-" is that one or any later.
function __vsa_at
    set -l words (commandline -opc)
    test "$words[2]" = $argv[1]; or return 1
    string match -q -- '-*' (commandline -ct); and return 1
    set -l at 0
    set -l skip
    for word in $words[3..-1]
        if test -n "$skip"
            set skip
        else if __vsa_takes $argv[1] $word
            set skip yes
        else if not string match -q -- '-*' $word
            set at (math $at + 1)
        end
    end
    test -z "$skip"; and test $at -ge $argv[2]; and test "$argv[3]" = - -o $at -eq $argv[2]
end

complete -c vsa -f
complete -c vsa -n 'test (count (commandline -opc)) -eq 1' -l version -d 'Show the version and exit.'
complete -c vsa -n 'test (count (commandline -opc)) -eq 1' -l show-completion -x -a 'bash zsh fish' \
    -d 'Print a completion script.'
complete -c vsa -n 'test (count (commandline -opc)) -eq 1' -s h -l help -d 'Show this help and exit.'
"""


def script(commands: Sequence[Command]) -> str:
    """The whole script."""
    lines = []
    for command in commands:
        condition = f"__vsa_in {command.name}"
        lines.append(
            f"complete -c vsa -n 'test (count (commandline -opc)) -eq 1' -a {command.name} -d {_quote(command.summary)}"
        )
        lines += [_option(condition, option) for option in command.options]
        for place, value in enumerate(command.arguments):
            last = " -" if command.repeats and place == len(command.arguments) - 1 else ""
            if _offer(value):
                lines.append(f"complete -c vsa -n '__vsa_at {command.name} {place}{last}' -a {_offer(value)}")
    return "\n".join(["# fish completion for vsa", "", _test(), "", _takes(commands), _BODY, *lines, ""])


def _option(condition: str, option: Option) -> str:
    names = " ".join(f"-s {n[1:]}" if len(n) == 2 else f"-l {n[2:]}" for n in option.names)
    value = "" if option.value is None else f" -x{f' -a {_offer(option.value)}' if _offer(option.value) else ''}"
    return f"complete -c vsa -n '{condition}' {names}{value} -d {_quote(option.help)}"


def _offer(value: Value) -> str:
    if value.words:
        return _quote(" ".join(value.words))
    return _quote(f"(__vsa_files {'-m ' if value.only_models else ''}{' '.join(value.kinds)})") if value.kinds else ""


def _takes(commands: Sequence[Command]) -> str:
    lines = ["function __vsa_takes", '    switch "$argv[1] $argv[2]"']
    for command in commands:
        names = [f"'{command.name} {name}'" for o in command.options if o.value is not None for name in o.names]
        if names:
            lines += [f"        case {' '.join(names)}", "            return 0"]
    return "\n".join([*lines, "    end", "    return 1", "end"])


def _test() -> str:
    lines = ["function __vsa_is", "    switch $argv[1]"]
    for kind, (_, word) in FILES.items():
        lines += [
            f"        case {kind}",
            f"            string match -qr '\\.({'|'.join(suffixes(kind))})$' -- $argv[2]",
        ]
        lines[-1] += f"; and head -c {HEAD} -- $argv[2] 2>/dev/null | grep -q {word}" if word else ""
    for kind, word in FOLDERS.items():
        lines += [
            f"        case {kind}",
            f"            head -c {HEAD} -- $argv[2]/config.json 2>/dev/null | grep -q {word}",
        ]
    return "\n".join([*lines, "        case folder", "            test -d $argv[2]", "    end", "end"])


def _quote(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
