"""Words of a command line as arguments: an argparse parser made of the table and of the plugins' options.

Options end at the first other word, so the words are first split and spelled out (`-n4` is `--ntasks=4`); argparse then sees options alone. Values
stay text until `convert`, because templates are filled in between.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

from fluxplug.cli.plugin_search import CLIPluginError
from fluxplug.cli.submission.options import COMMANDS, DESCRIPTIONS, GROUPS, PLUGINS, Option, of_prog
from fluxplug.cli.submission.values import READERS, UsageError, read
from fluxplug.errors import OptionError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from fluxplug.cli.plugin import CLIPluginOption, CLIPluginRegistry


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(message.removeprefix("argument "))


class _Formatter(argparse.RawDescriptionHelpFormatter):
    """`-n, --ntasks=N`, the same in every version of argparse."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=30)

    def _format_action_invocation(self, action: argparse.Action) -> str:
        flags = short_first(action.option_strings)
        shown = ", ".join(flags)
        if action.nargs == 0 or not flags:
            return shown
        value = self._format_args(action, action.metavar if isinstance(action.metavar, str) else action.dest.upper())
        return f"{shown}[={value.strip('[]')}]" if action.nargs == "?" else f"{shown}={value}"


class Words(NamedTuple):
    """A command line, split: options spelled out for argparse, and the command."""

    options: list[str]
    command: list[str]
    separated: bool  # whether `--` stood before the command


class Parser:
    """The options of one command and of its plugins."""

    def __init__(self, prog: str, registry: CLIPluginRegistry | None) -> None:
        """Raises CLIPluginError where argparse takes no option of the arguments that a plugin gave."""
        self.prog = prog
        self._registry = registry
        self._rows = of_prog(prog)
        self._flags: dict[str, Option] = {flag: one for one in self._rows for flag in one.flags}
        self._deferred: dict[str, tuple[str, CLIPluginOption]] = {}
        self._plugin_flags: dict[str, argparse.Action] = {}
        self.argparse = _Parser(
            prog=f"fluxplug {prog}",
            usage=f"fluxplug {prog} [OPTION...] {COMMANDS[prog]}".replace("%", "%%"),
            description=DESCRIPTIONS[prog],
            formatter_class=_Formatter,
            add_help=False,
            allow_abbrev=False,
        )
        for title in GROUPS:
            rows = [one for one in self._rows if one.group == title]
            if rows:
                group = self.argparse.add_argument_group(title)
                for one in rows:
                    group.add_argument(*one.flags, **_keywords(one))
        if registry is not None and registry.options:
            group = self.argparse.add_argument_group(PLUGINS)
            for option in registry.options:
                self._add(group, option, registry)

    def _add(self, group: argparse._ArgumentGroup, option: CLIPluginOption, registry: CLIPluginRegistry) -> None:
        keywords = dict(option.kwargs)
        if keywords.get("action", "store") in ("store", "append") and keywords.get("nargs") is None:
            # Read in `convert`: a template such as {cc} is no integer yet.
            if {"type", "choices"} & keywords.keys():
                self._deferred[option.dest] = option.name, option
            choices = keywords.pop("choices", None)
            keywords.pop("type", None)
            if choices is not None and not keywords.get("metavar"):
                keywords["metavar"] = "{" + ",".join(map(str, choices)) + "}"
        text = keywords.get("help")
        if isinstance(text, str) and "%" in text:
            keywords["help"] = _expanded(text, self.argparse.prog, option).replace("%", "%%")
        try:
            self._plugin_flags[option.name] = group.add_argument(option.name, **keywords)
        except (TypeError, ValueError, argparse.ArgumentError) as error:
            raise CLIPluginError(registry.owner(option), "add_option", f"{option.name}: {error}") from None

    # From words to arguments

    def split(self, words: Sequence[str]) -> Words:
        """Options and command of a command line. Raises UsageError for an option that there is not, or without its value."""
        options: list[str] = []
        at = 0
        while at < len(words):
            word = words[at]
            if word == "--":
                return Words(options, list(words[at + 1 :]), separated=True)
            if not word.startswith("-") or word == "-":
                break
            at += 1
            if word.startswith("--"):
                at = self._long(word, words, at, options)
            else:
                at = self._short(word, words, at, options)
        return Words(options, list(words[at:]), separated=False)

    def _long(self, word: str, words: Sequence[str], at: int, options: list[str]) -> int:
        flag, equals, value = word.partition("=")
        one = self._flags.get(flag)
        if one is None:
            return self._plugin(flag, word, words, at, options)
        if not one.metavar:
            if equals:
                raise OptionError(flag, value, "expected no value")
            options.append(one.name)
            return at
        return self._value(one, value if equals else None, flag, words, at, options)

    @staticmethod
    def _value(  # noqa: PLR0917 - what the two ways of writing an option have in common
        one: Option, given: str | None, flag: str, words: Sequence[str], at: int, options: list[str]
    ) -> int:
        """Take the value of an option: the one written with it, that of the bare flag, or the next word."""
        if given is None and one.bare is not None:
            given = one.bare
        elif given is None:
            if at >= len(words):
                raise UsageError(
                    f"{flag}: expected a value, {flag if flag.startswith('--') else one.name}={one.metavar}"
                )
            given, at = words[at], at + 1
        options.append(_spelled(one, given))
        return at

    def _plugin(self, flag: str, word: str, words: Sequence[str], at: int, options: list[str]) -> int:
        action = self._plugin_flags.get(flag)
        if action is None:
            from fluxplug.suggest import nearest  # noqa: PLC0415 - only in errors

            near = nearest(flag, [*(f for f, one in self._flags.items() if not one.hidden), *self._plugin_flags])
            hint = f"did you mean {near}? " if near else ""
            raise UsageError(f"unrecognized arguments: {flag}; {hint}`fluxplug {self.prog} --help` lists the options")
        if "=" in word or action.nargs == 0:
            options.append(word)
        elif action.nargs is None:
            if at >= len(words):
                raise UsageError(f"{flag}: expected a value")
            options.append(f"{flag}={words[at]}")
            at += 1
        else:
            options.append(word)
            most = action.nargs if isinstance(action.nargs, int) else 1 if action.nargs == "?" else len(words)
            while most > 0 and at < len(words) and not words[at].startswith("-"):
                options.append(words[at])
                at += 1
                most -= 1
        return at

    def _short(self, word: str, words: Sequence[str], at: int, options: list[str]) -> int:
        for index, letter in enumerate(word[1:], start=1):
            one = self._flags.get(f"-{letter}")
            if one is None:
                raise UsageError(f"unrecognized arguments: -{letter}; `fluxplug {self.prog} --help` lists the options")
            if not one.metavar:
                options.append(one.name)
                continue
            return self._value(one, word[index + 1 :] or None, f"-{letter}", words, at, options)
        return at

    def parse(self, options: list[str]) -> argparse.Namespace:
        """The arguments, as text. Raises UsageError."""
        return self.argparse.parse_args(options)

    def convert(self, args: argparse.Namespace) -> None:
        """Read the text of each option as its kind says, in place. Raises OptionError for the first that is not accepted."""
        found = vars(args)
        for one in self._rows:
            value = found.get(one.dest)
            if one.kind and value is not None:
                if one.repeat:
                    values = [read(one.kind, one.name, text) for text in value]
                    found[one.dest] = (
                        [word for words in values for word in words] if one.kind in ("words", "flags") else values
                    )
                else:
                    found[one.dest] = read(one.kind, one.name, value)
        for dest, (name, option) in self._deferred.items():
            value, default = found.get(dest), option.kwargs.get("default")
            if isinstance(value, list):
                given = len(default) if isinstance(default, (list, tuple)) else 0  # argparse leaves those as they are
                found[dest] = [*value[:given], *(_typed(name, option, text) for text in value[given:])]
            elif isinstance(value, str):
                found[dest] = _typed(name, option, value, any_choice=value == default)

    # Help

    def format_help(self) -> str:
        return self.argparse.format_help()

    def help_of(self, topic: str) -> str:
        """What there is to say about one option of core's; empty where it is none."""
        flag = topic if topic.startswith("-") else f"--{topic}"
        one = self._flags.get(flag)
        if one is None:
            return ""
        value = f"[={one.metavar}]" if one.bare is not None else f"={one.metavar}" if one.metavar else ""
        lines = [f"{', '.join(short_first(one.flags))}{value}", f"    {one.text}"]
        if one.kind:
            lines.append(f"    accepted: {READERS[one.kind][1]}")
        if one.repeat:
            lines.append("    may be given more than once")
        lines.append(f"    option of: {', '.join(one.progs)}")
        return "\n".join(lines) + "\n"

    def names(self) -> list[str]:
        """The long flags that `--help` shows."""
        return [*(one.name for one in self._rows if not one.hidden), *self._plugin_flags]


def short_first(flags: Iterable[str]) -> list[str]:
    """`-n` before `--ntasks`, as people expect to read them."""
    return sorted(flags, key=lambda flag: flag.startswith("--"))


def _keywords(one: Option) -> dict[str, Any]:
    text = argparse.SUPPRESS if one.hidden else one.text.replace("%", "%%")
    if one.counted:
        return {"action": "count", "default": 0, "dest": one.dest, "help": text}
    if not one.metavar:
        return {"action": "store_true", "dest": one.dest, "help": text}
    action = "append" if one.repeat or one.rewrite else "store"
    more = {"nargs": "?"} if one.bare is not None else {}
    return {"action": action, "dest": one.dest, "metavar": one.metavar, "help": text, **more}


def _spelled(one: Option, value: str) -> str:
    return f"{one.name}={one.rewrite}{value}"


def _expanded(text: str, prog: str, option: CLIPluginOption) -> str:
    """The help of a plugin's option with `%(default)s` and its like filled in; as it stands where a `%` stands for itself."""
    choices = ", ".join(map(str, option.kwargs.get("choices") or ()))
    kind = getattr(option.kwargs.get("type"), "__name__", "")
    try:
        return text % {
            "default": None,
            "metavar": None,
            **option.kwargs,
            "prog": prog,
            "choices": choices,
            "type": kind,
        }
    except (KeyError, TypeError, ValueError):
        return text


def _typed(name: str, option: CLIPluginOption, text: Any, *, any_choice: bool = False) -> Any:
    """A plugin's value, as argparse would have read it, which does not hold a default to the choices."""
    kind = option.kwargs.get("type")
    value = text
    if kind is not None and isinstance(text, str):
        try:
            value = kind(text)
        except argparse.ArgumentTypeError as error:
            raise OptionError(name, str(text), str(error)) from None
        except (TypeError, ValueError):
            raise OptionError(name, str(text), f"expected {getattr(kind, '__name__', kind)}") from None
    choices = option.kwargs.get("choices")
    if choices is not None and not any_choice and value not in choices:
        raise OptionError(name, str(text), f"expected {_listed(choices)}")
    return value


def _listed(choices: Iterable[Any]) -> str:
    return "one of " + ", ".join(map(str, choices))
