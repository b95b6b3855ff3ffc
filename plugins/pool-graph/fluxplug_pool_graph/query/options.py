"""The options of `resource-query`, read as getopt_long reads them (fluxion.md section 9.1): `argv` to `Settings`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from attrs import define

from fluxplug.errors import FluxplugError
from fluxplug_pool_graph.filters import DEFAULT
from fluxplug_pool_graph.readers import NAMES
from fluxplug_pool_graph.writers import FORMATS

if TYPE_CHECKING:
    from collections.abc import Iterator

#: (short, long, takes a value, help)
OPTIONS = (
    ("L", "load-file", True, "the graph document (default conf/default)"),
    ("f", "load-format", True, f"its format: {', '.join(NAMES)} (default grug)"),
    ("W", "load-allowlist", True, "types to read, comma-separated; hwloc only (default all)"),
    ("S", "match-subsystems", True, "CA, PA, IBA, ..., ALL (default CA)"),
    ("P", "match-policy", True, "the match policy, by name or as policy=high|low ... (default first)"),
    ("F", "match-format", True, f"what results look like: {', '.join(FORMATS)} (default simple)"),
    ("T", "traverser-policy", True, "simple or flexible (default simple)"),
    ("p", "prune-filters", True, f"HIGH:LOW,... (default {DEFAULT})"),
    ("g", "graph-format", True, "dot or graphml"),
    ("o", "graph-output", True, "accepted for compatibility; nothing is written"),
    ("t", "test-output", True, "a file for the results of commands (default standard output)"),
    ("r", "reserve-vtx-vec", True, "accepted for compatibility"),
    ("e", "elapse-time", False, "print times and visit counts"),
    ("d", "disable-prompt", False, "print no prompt"),
    ("h", "help", False, "print this"),
)

SUBSYSTEMS: dict[str, tuple[str, ...]] = {
    "CA": ("containment",),
    "PA": ("power",),
    "IBA": ("ibnet",),
    "IBBA": ("ibnetbw",),
    "PFS1BA": ("pfs1bw",),
    "VA": ("virtual1",),
    "C+PA": ("containment", "power"),
    "C+IBA": ("containment", "ibnet"),
    "C+IBBA": ("containment", "ibnetbw"),
    "C+PFS1BA": ("containment", "pfs1bw"),
    "IB+IBBA": ("ibnet", "ibnetbw"),
    "C+P+IBA": ("containment", "power", "ibnet"),
    "V+PFS1BA": ("virtual1", "pfs1bw"),
    "ALL": ("containment", "ibnet", "ibnetbw", "pfs1bw", "power"),
}

_MOST_RESERVED = 2000000


class UsageError(FluxplugError):
    """Words that are no command line. `text` is what goes to standard error first, `status` the exit status."""

    def __init__(self, text: str, status: int = 1) -> None:
        super().__init__(text)
        self.text = text
        self.status = status


@define
class Settings:
    """What the options say; `warnings` are lines for standard error."""

    load_file: str = "conf/default"
    load_format: str = "grug"
    allowlist: tuple[str, ...] = ()
    subsystems: tuple[str, ...] = SUBSYSTEMS["CA"]
    policy: str = "first"
    match_format: str = "simple"
    flexible: bool = False
    prune_filters: str = DEFAULT
    test_output: str = ""
    elapse: bool = False
    prompt: bool = True
    warnings: tuple[str, ...] = ()


def usage() -> str:
    """The text of --help."""
    lines = ["usage: resource-query [OPTIONS...]", ""]
    lines += [f"  -{short}, --{long:<18} {text}" for short, long, _, text in OPTIONS]
    return "\n".join(lines) + "\n"


def read_options(argv: list[str]) -> Settings:
    """Read the command line. Raises UsageError."""
    settings = Settings()
    filters: list[str] = []
    for name, value in _split(argv):
        _apply(settings, filters, name, value)
    if filters:
        # Repeated options run together without a comma, which no filter can be read from (12.2).
        settings.prune_filters = "".join(filters)
    return settings


def _apply(settings: Settings, filters: list[str], name: str, value: str) -> None:
    if name == "help":
        raise UsageError("", 0)
    if name == "load-file":
        path = Path(value)
        if not path.exists():
            raise UsageError(f"[ERROR] file does not exist for --load-file: {value}\n")
        if path.is_dir():
            raise UsageError(f"[ERROR] path passed to --load-file is a directory: {value}\n")
        settings.load_file = value
    elif name == "load-format":
        settings.load_format = _one_of(name, value, NAMES)
    elif name == "load-allowlist":
        settings.allowlist = ("cluster", *(word for word in value.split(",") if word))
    elif name == "match-subsystems":
        known = {**SUBSYSTEMS, **{key.lower(): value for key, value in SUBSYSTEMS.items()}}
        settings.subsystems = known[value] if value in known else known[_one_of(name, value, tuple(SUBSYSTEMS))]
    elif name == "match-policy":
        settings.policy = value
    elif name == "match-format":
        settings.match_format = _one_of(name, value, FORMATS)
    elif name == "traverser-policy":
        settings.flexible = _one_of(name, value, ("simple", "flexible")) == "flexible"
    elif name == "prune-filters" and value.strip():
        filters.append(value)
    elif name == "graph-format":
        _one_of(name, value.lower(), ("dot", "graphml"))
    elif name == "test-output":
        settings.test_output = value
    elif name == "reserve-vtx-vec":
        number = re.match(r"\s*[-+]?[0-9]+", value)
        if number and not 0 <= int(number[0]) <= _MOST_RESERVED:
            settings.warnings += (f"WARN: out of range specified for --reserve-vtx-vec: {int(number[0])}\n",)
    elif name == "elapse-time":
        settings.elapse = True
    elif name == "disable-prompt":
        settings.prompt = False


def _one_of(name: str, value: str, known: tuple[str, ...]) -> str:
    if value not in known:
        raise UsageError(f"[ERROR] unknown value for --{name}: {value}; known are {', '.join(known)}\n")
    return value


def _split(argv: list[str]) -> Iterator[tuple[str, str]]:
    """(long name, value) for each option, as getopt_long finds them: words may stand anywhere, `--` ends options."""
    by_letter = {short: (long, takes) for short, long, takes, _ in OPTIONS}
    words: list[str] = []
    rest = list(argv)
    while rest:
        word = rest.pop(0)
        if word == "--":
            words += rest
            break
        if word.startswith("--"):
            yield _long(word[2:], rest)
        elif word.startswith("-") and len(word) > 1:
            letters = word[1:]
            while letters:
                letter, letters = letters[0], letters[1:]
                if letter not in by_letter:
                    raise UsageError(f"resource-query: invalid option -- '{letter}'\n")
                long, takes = by_letter[letter]
                value = ""
                if takes:
                    if not letters and not rest:
                        raise UsageError(f"resource-query: option requires an argument -- '{letter}'\n")
                    value, letters = (letters or rest.pop(0)), ""
                yield long, value
        else:
            words.append(word)
    if words:
        raise UsageError("")


def _long(text: str, rest: list[str]) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    found = [(long, takes) for _, long, takes, _ in OPTIONS if long.startswith(name)]
    exact = [option for option in found if option[0] == name]
    if not found:
        raise UsageError(f"resource-query: unrecognized option '--{text}'\n")
    if len(found) > 1 and not exact:
        possible = " ".join(f"'--{long}'" for long, _ in found)
        raise UsageError(f"resource-query: option '--{text}' is ambiguous; possibilities: {possible}\n")
    long, takes = (exact or found)[0]
    if equals and not takes:
        raise UsageError(f"resource-query: option '--{long}' doesn't allow an argument\n")
    if takes and not equals:
        if not rest:
            raise UsageError(f"resource-query: option '--{long}' requires an argument\n")
        value = rest.pop(0)
    return long, value
