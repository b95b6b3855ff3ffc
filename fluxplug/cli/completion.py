"""Print a script that lets a shell complete `fluxplug` command lines: commands, options of the submission commands, and their values.

Put `eval "$(fluxplug completion bash)"` into ~/.bashrc, `eval "$(fluxplug completion zsh)"` into ~/.zshrc (after compinit), or
`fluxplug completion fish | source` into config.fish. The script is complete in itself: nothing runs when a key is pressed. It has the options of
the submission plugins that are found when it is printed.
"""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING, NamedTuple

from fluxplug.cli.plugin import CLIPluginError, CLIPluginRegistry
from fluxplug.cli.submission.options import COMMANDS as SUBMISSION
from fluxplug.cli.submission.options import of_prog

if TYPE_CHECKING:
    import argparse

SHELLS = ("bash", "zsh", "fish")
# What a plugin calls its options and choices, where no shell sees more in it than text.
_PLAIN = re.compile(r"[A-Za-z0-9_.,:@%+/=-]+")


class _Flag(NamedTuple):
    """An option as a shell sees it: `values` are file, folder, words separated by blanks, or empty; `must` where a value has to follow."""

    flags: tuple[str, ...]
    takes: bool
    must: bool
    values: str
    help: str


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("shell", choices=SHELLS, help="the shell to print a script for")


def run(args: argparse.Namespace) -> int:
    """Print the script. A plugin that cannot be loaded is told on standard error, and left out."""
    from fluxplug.cli.main import COMMANDS  # noqa: PLC0415 - it imports us

    helps = {name: about.help for name, about in COMMANDS.items()}
    flags = {prog: _flags(prog) for prog in SUBMISSION}
    print({"bash": _bash, "zsh": _zsh, "fish": _fish}[args.shell](helps, flags), end="")
    return 0


def _flags(prog: str) -> list[_Flag]:
    found = [
        _Flag(one.flags, bool(one.metavar), bool(one.metavar) and one.bare is None, one.complete, one.help)
        for one in of_prog(prog)
        if not one.hidden
    ]
    try:
        options = CLIPluginRegistry(prog).options
    except CLIPluginError as error:
        print(f"fluxplug completion: options of plugins are left out: {error}", file=sys.stderr)
        return found
    for option in options:
        if not _PLAIN.fullmatch(option.name):
            continue
        takes = option.kwargs.get("action", "store") in ("store", "append") and option.kwargs.get("nargs") != 0
        choices = filter(_PLAIN.fullmatch, map(str, option.kwargs.get("choices") or ()))
        values = " ".join(choices) or ("file" if option.kwargs.get("metavar") == "FILE" else "")
        text = str(option.kwargs.get("help") or "")
        found.append(_Flag((option.name,), takes, takes and option.kwargs.get("nargs") is None, values, text))
    return found


# bash: its words break at `=` and `:`, so that `--urgency=ho` arrives as three.

_BASH = """\
# Completion of fluxplug for bash; `fluxplug completion bash` prints it.
_fluxplug() {
    local cur="${COMP_WORDS[COMP_CWORD]}" at=2 word flags must values option="" begun=""
    COMPREPLY=()
    if (( COMP_CWORD == 1 )); then
        COMPREPLY=($(compgen -W '@COMMANDS@' -- "$cur"))
        return
    fi
    case "${COMP_WORDS[1]}" in
@TABLES@
        completion) COMPREPLY=($(compgen -W '@SHELLS@' -- "$cur")); return ;;
        *) _fluxplug_paths -f "$cur"; return ;;
    esac
    # Where the cursor is: at an option, at the value of `option`, or in the command.
    while (( at < COMP_CWORD )); do
        word="${COMP_WORDS[at]}"
        option=""
        (( at++ ))
        if [[ "$word" == -- || "$word" != -* ]]; then
            begun=yes
            break
        elif [[ "${COMP_WORDS[at]}" == "=" ]]; then
            option="$word"
            (( at++ ))
            [[ "$cur" == "=" ]] && cur=""
            (( at < COMP_CWORD )) && option=""
            while (( at < COMP_CWORD )) && [[ "${COMP_WORDS[at]}" == [:=] || "${COMP_WORDS[at+1]}" == [:=] ]]; do (( at++ )); done
            (( at < COMP_CWORD )) && (( at++ ))
        elif [[ " $must " == *" $word "* ]]; then
            option="$word"
            (( at < COMP_CWORD )) && option=""
            (( at++ ))
        fi
    done
    if [[ -n "$begun" ]]; then
        [[ "$word" == -- ]] || (( at-- ))
        if (( at == COMP_CWORD )); then COMPREPLY=($(compgen -c -- "$cur")); else _fluxplug_paths -f "$cur"; fi
    elif [[ -n "$option" ]]; then
        case "${COMP_WORDS[1]} $option" in
@VALUES@
            *) return ;;
        esac
        case "$values" in
            file) _fluxplug_paths -f "$cur" ;;
            folder) _fluxplug_paths -d "$cur" ;;
            *) COMPREPLY=($(compgen -W "$values" -- "$cur")) ;;
        esac
    elif [[ "$cur" == -* ]]; then
        COMPREPLY=($(compgen -W "$flags" -- "$cur"))
        [[ "${COMPREPLY[0]}" == *= ]] && compopt -o nospace 2>/dev/null
    else
        COMPREPLY=($(compgen -c -- "$cur"))
    fi
}
_fluxplug_paths() {
    COMPREPLY=($(compgen "$1" -- "$2"))
    compopt -o filenames 2>/dev/null
}
complete -F _fluxplug fluxplug
"""


def _bash(helps: dict[str, str], flags: dict[str, list[_Flag]]) -> str:
    tables, values = [], []
    for prog, rows in flags.items():
        shown = " ".join(_long(one) + ("=" if one.must else "") for one in rows)
        must = " ".join(flag for one in rows if one.must for flag in one.flags)
        tables.append(f"        {prog})\n            flags='{shown}'\n            must='{must}' ;;")
        for one in rows:
            if one.values:
                patterns = "|".join(f"'{prog} {flag}'" for flag in one.flags)
                values.append(f"            {patterns}) values='{one.values}' ;;")
    return _made(
        _BASH, COMMANDS=" ".join(helps), TABLES="\n".join(tables), VALUES="\n".join(values), SHELLS=" ".join(SHELLS)
    )


_ZSH = """\
#compdef fluxplug
# Completion of fluxplug for zsh; `fluxplug completion zsh` prints it.
_fluxplug() {
    local -a commands
    commands=(
@COMMANDS@
    )
    if (( CURRENT == 2 )); then
        _describe -t commands 'fluxplug command' commands
        return
    fi
    local command="$words[2]"
    shift words
    (( CURRENT-- ))
    case "$command" in
@TABLES@
        completion) _arguments '1:shell:(@SHELLS@)' ;;
        *) _files ;;
    esac
}
if [[ "$funcstack[1]" == _fluxplug ]]; then _fluxplug "$@"; else compdef _fluxplug fluxplug; fi
"""


def _zsh(helps: dict[str, str], flags: dict[str, list[_Flag]]) -> str:
    tables = []
    for prog, rows in flags.items():
        lines = [f"        {prog}) _arguments -S -A '-*' \\"]
        for one in rows:
            kind = {"": " ", "file": "_files", "folder": "_files -/"}.get(one.values, f"({_zsh_text(one.values)})")
            for flag in one.flags:
                equals = (
                    ("=" if flag.startswith("--") else "+")
                    if one.must
                    else "=-"
                    if one.takes and flag.startswith("--")
                    else ""
                )
                value = f"{':' if one.must else '::'}value:{kind}" if one.takes and equals else ""
                lines.append(f"            '*{flag}{equals}[{_zsh_text(one.help)}]{value}' \\")
        lines.append("            '(-)1:command: _command_names -e' '*::arguments: _normal' ;;")
        tables.append("\n".join(lines))
    commands = "\n".join(f"        '{name}:{_zsh_text(text)}'" for name, text in helps.items())
    return _made(_ZSH, COMMANDS=commands, TABLES="\n".join(tables), SHELLS=" ".join(SHELLS))


def _zsh_text(text: str) -> str:
    """For between quotes, and for a description or a list of values, which brackets and colons would end."""
    text = text.replace("\\", "\\\\").replace("[", "\\[").replace("]", "\\]").replace(":", "\\:")
    return text.replace("'", "'\\''")


def _fish(helps: dict[str, str], flags: dict[str, list[_Flag]]) -> str:
    lines = ["# Completion of fluxplug for fish; `fluxplug completion fish` prints it."]
    lines += [
        f"complete -c fluxplug -n __fish_use_subcommand -f -a {name} -d {_fish_text(text)}"
        for name, text in helps.items()
    ]
    for prog, rows in flags.items():
        for one in rows:
            words = [f"complete -c fluxplug -n '__fish_seen_subcommand_from {prog}'"]
            words += [f"-l {flag[2:]}" if flag.startswith("--") else f"-s {flag[1:]}" for flag in one.flags]
            if one.must:
                words.append({"file": "-r -F", "folder": "-x -a '(__fish_complete_directories)'"}.get(one.values, "-x"))
            if one.values and one.values not in ("file", "folder"):
                words.append(f"-a {_fish_text(one.values)}")
            lines.append(" ".join([*words, f"-d {_fish_text(one.help)}"]))
    lines.append(f"complete -c fluxplug -n '__fish_seen_subcommand_from completion' -f -a '{' '.join(SHELLS)}'")
    return "\n".join(lines) + "\n"


def _fish_text(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _long(one: _Flag) -> str:
    return next(flag for flag in one.flags if flag.startswith("--"))


def _made(template: str, **parts: str) -> str:
    for name, text in parts.items():
        template = template.replace(f"@{name}@", text)
    return template
