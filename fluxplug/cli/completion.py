"""Print a script that lets a shell complete `fluxplug` command lines: commands, their actions and options, and values of these. Job ids are not completed.

Put `eval "$(fluxplug completion bash)"` into ~/.bashrc, `eval "$(fluxplug completion zsh)"` into ~/.zshrc (after compinit), or
`fluxplug completion fish | source` into config.fish. The script is complete in itself: nothing runs when a key is pressed. It has the options of
the submission plugins that are found when it is printed.
"""

from __future__ import annotations

import argparse
import importlib
import re
import sys
from typing import TYPE_CHECKING, NamedTuple

from fluxplug.cli.plugin import CLIPluginError, CLIPluginRegistry
from fluxplug.cli.submission.options import COMMANDS as SUBMISSION
from fluxplug.cli.submission.options import of_prog

if TYPE_CHECKING:
    from collections.abc import Iterator

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


class _Form(NamedTuple):
    """What follows a command, or an action of one (`job kill`): options, actions, and whether files."""

    flags: list[_Flag]
    actions: dict[str, str]
    files: bool


# What a positional argument is called that is a file.
_FILES = frozenset({"FILE", "LOG", "OUT", "R.json"})


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("shell", choices=SHELLS, help="the shell to print a script for")


def run(args: argparse.Namespace) -> int:
    """Print the script. A plugin that cannot be loaded is told on standard error, and left out."""
    from fluxplug.cli.main import COMMANDS  # noqa: PLC0415 - it imports us

    helps = {name: about.help for name, about in COMMANDS.items()}
    flags = {prog: _flags(prog) for prog in SUBMISSION}
    forms: dict[str, _Form] = {}
    for name, about in COMMANDS.items():
        if not about.raw and name != "completion":
            parser = argparse.ArgumentParser(prog=name, add_help=False)
            importlib.import_module(about.module).add_arguments(parser)
            forms.update(_forms(name, parser))
    print({"bash": _bash, "zsh": _zsh, "fish": _fish}[args.shell](helps, flags, forms), end="")
    return 0


def _forms(name: str, parser: argparse.ArgumentParser) -> Iterator[tuple[str, _Form]]:
    """The form of a command, and those of its actions, by name."""
    flags: list[_Flag] = []
    actions: dict[str, str] = {}
    inner: list[tuple[str, argparse.ArgumentParser]] = []
    files = False
    for one in parser._actions:  # noqa: SLF001 - argparse has no other way to ask
        if isinstance(one, argparse._SubParsersAction):  # noqa: SLF001
            actions = {choice.dest: choice.help or "" for choice in one._get_subactions()}  # noqa: SLF001
            inner = [(f"{name} {action}", choice) for action, choice in one.choices.items()]
        elif not one.option_strings:
            files = files or one.metavar in _FILES
        elif one.help != argparse.SUPPRESS:
            takes = one.nargs != 0
            values = " ".join(map(str, one.choices)) if one.choices else "file" if one.metavar in _FILES else ""
            text = (one.help or "").replace("%%", "%")
            flags.append(_Flag(tuple(one.option_strings), takes, takes and one.nargs != "?", values, text))
    yield name, _Form(flags, actions, files)
    for action, choice in inner:
        yield from _forms(action, choice)


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
        *) _fluxplug_plain "$cur"; return ;;
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
_fluxplug_plain() {
    local cur="$1" command="${COMP_WORDS[1]}" previous="${COMP_WORDS[COMP_CWORD-1]}" actions="" flags="" must="" files=yes values=""
    case "$command" in
@ACTIONS@
    esac
    if [[ -n "$actions" ]]; then
        if (( COMP_CWORD == 2 )) && [[ "$cur" != -* ]]; then
            COMPREPLY=($(compgen -W "$actions" -- "$cur"))
            return
        fi
        (( COMP_CWORD > 2 )) && command="$command ${COMP_WORDS[2]}"
    fi
    case "$command" in
@FORMS@
    esac
    if [[ "$cur" == "=" ]]; then
        cur=""
    elif [[ "$previous" == "=" ]]; then
        previous="${COMP_WORDS[COMP_CWORD-2]}"
    elif [[ " $must " != *" $previous "* ]]; then
        previous=""
    fi
    if [[ "$previous" == -* ]]; then
        case "$command $previous" in
@FORMVALUES@
        esac
        if [[ "$values" == file ]]; then _fluxplug_paths -f "$cur"; else COMPREPLY=($(compgen -W "$values" -- "$cur")); fi
    elif [[ "$cur" == -* ]]; then
        COMPREPLY=($(compgen -W "$flags" -- "$cur"))
        [[ "${COMPREPLY[0]}" == *= ]] && compopt -o nospace 2>/dev/null
    elif [[ -n "$files" ]]; then
        _fluxplug_paths -f "$cur"
    fi
}
_fluxplug_paths() {
    COMPREPLY=($(compgen "$1" -- "$2"))
    compopt -o filenames 2>/dev/null
}
complete -F _fluxplug fluxplug
"""


def _bash(helps: dict[str, str], flags: dict[str, list[_Flag]], forms: dict[str, _Form]) -> str:
    tables, values = [], []
    actions, shapes, inner = [], [], []
    for name, form in forms.items():
        if form.actions:
            actions.append(f"        '{name}') actions='{' '.join(form.actions)}' ;;")
        shown = " ".join(_longest(one) + ("=" if one.must else "") for one in form.flags)
        must = " ".join(flag for one in form.flags if one.must for flag in one.flags)
        shapes.append(f"        '{name}') flags='{shown}'; must='{must}'; files='{'yes' * form.files}' ;;")
        for one in form.flags:
            if one.values:
                patterns = "|".join(f"'{name} {flag}'" for flag in one.flags)
                inner.append(f"            {patterns}) values='{one.values}' ;;")
    for prog, rows in flags.items():
        shown = " ".join(_long(one) + ("=" if one.must else "") for one in rows)
        must = " ".join(flag for one in rows if one.must for flag in one.flags)
        tables.append(f"        {prog})\n            flags='{shown}'\n            must='{must}' ;;")
        for one in rows:
            if one.values:
                patterns = "|".join(f"'{prog} {flag}'" for flag in one.flags)
                values.append(f"            {patterns}) values='{one.values}' ;;")
    return _made(
        _BASH,
        COMMANDS=" ".join(helps),
        TABLES="\n".join(tables),
        VALUES="\n".join(values),
        SHELLS=" ".join(SHELLS),
        ACTIONS="\n".join(actions),
        FORMS="\n".join(shapes),
        FORMVALUES="\n".join(inner),
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


def _zsh(helps: dict[str, str], flags: dict[str, list[_Flag]], forms: dict[str, _Form]) -> str:
    tables = []
    for prog, rows in flags.items():
        lines = [f"        {prog}) _arguments -S -A '-*' \\", *_zsh_flags(rows)]
        lines.append("            '(-)1:command: _command_names -e' '*::arguments: _normal' ;;")
        tables.append("\n".join(lines))
    for name, form in forms.items():
        if " " in name:
            continue
        if form.actions:
            words = " ".join(form.actions)
            lines = [
                f"        {name}) if (( CURRENT == 2 )); then compadd -- {words}; return; fi",
                "        shift words; (( CURRENT-- ))",
            ]
            lines.append('        case "$words[1]" in')
            for action in form.actions:
                lines.append(f"        {action}) _arguments -S \\")
                lines += _zsh_flags(forms[f"{name} {action}"].flags)
                lines.append(f"            '*: :{'_files' if forms[f'{name} {action}'].files else ' '}' ;;")
            lines.append("        esac ;;")
        else:
            rest = "_files" if form.files else " "
            lines = [f"        {name}) _arguments -S \\", *_zsh_flags(form.flags), f"            '*: :{rest}' ;;"]
        tables.append("\n".join(lines))
    commands = "\n".join(f"        '{name}:{_zsh_text(text)}'" for name, text in helps.items())
    return _made(_ZSH, COMMANDS=commands, TABLES="\n".join(tables), SHELLS=" ".join(SHELLS))


def _zsh_flags(rows: list[_Flag]) -> list[str]:
    lines = []
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
    return lines


def _zsh_text(text: str) -> str:
    """For between quotes, and for a description or a list of values, which brackets and colons would end."""
    text = text.replace("\\", "\\\\").replace("[", "\\[").replace("]", "\\]").replace(":", "\\:")
    return text.replace("'", "'\\''")


def _fish(helps: dict[str, str], flags: dict[str, list[_Flag]], forms: dict[str, _Form]) -> str:
    lines = ["# Completion of fluxplug for fish; `fluxplug completion fish` prints it."]
    lines += [
        f"complete -c fluxplug -n __fish_use_subcommand -f -a {name} -d {_fish_text(text)}"
        for name, text in helps.items()
    ]
    tests = [(f"__fish_seen_subcommand_from {prog}", rows) for prog, rows in flags.items()]
    for name, form in forms.items():
        seen = "; and ".join(f"__fish_seen_subcommand_from {word}" for word in name.split())
        tests.append((seen, form.flags))
        if form.actions:
            fresh = f"{seen}; and not __fish_seen_subcommand_from {' '.join(form.actions)}"
            lines += [
                f"complete -c fluxplug -n '{fresh}' -f -a {action} -d {_fish_text(text)}"
                for action, text in form.actions.items()
            ]
        elif not form.files:
            lines.append(f"complete -c fluxplug -n '{seen}' -f")
    for test, rows in tests:
        for one in rows:
            words = [f"complete -c fluxplug -n '{test}'"]
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


def _longest(one: _Flag) -> str:
    return max(one.flags, key=len)


def _made(template: str, **parts: str) -> str:
    for name, text in parts.items():
        template = template.replace(f"@{name}@", text)
    return template
