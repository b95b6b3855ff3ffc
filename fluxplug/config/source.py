"""A TOML file as text, values and places: who else knows on which line a key stands.

tomli reads the values. The lines come from a small scanner of our own, which runs only when there is something to complain about and
relies on tomli having accepted the text. Used by `load`; knows nothing of the tables of sched.toml but how to write their names.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from typing import TYPE_CHECKING, Any

import tomli
from attrs import field, frozen

from fluxplug.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path
    from typing import TypeAlias

    KeyPath: TypeAlias = tuple[str | int, ...]

MAX_BYTES = 16 * 2**20  # a configuration of more is not one

_WHERE = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)$")
_BLANK = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_PLAIN = re.compile(r"[^,\]}#\n]*")
_STRINGS = (
    # Up to five quotes end a multi-line string: two of them are its last characters.
    re.compile(r'"""(?:[^"\\]|\\.|"{1,2}(?!"))*"{3,5}', re.DOTALL),
    re.compile(r"'''(?:[^']|'{1,2}(?!'))*'{3,5}", re.DOTALL),
    re.compile(r'"(?:[^"\\\n]|\\.)*"'),
    re.compile(r"'[^'\n]*'"),
)
# The tables whose second name is the user's: [pool.NAME], [queues.NAME].
_NAMED = ("executor", "ingest", "pool", "priority", "queues")


class KeyProblem(ConfigError):  # noqa: N818 - it is about a key, and becomes an error with its place
    """Something is wrong with a key, and it is not known here where the key stands: `load_config` adds file and line.

    `path` is like `("queues", "batch", "requires", 0)`.
    """

    def __init__(self, path: KeyPath, problem: str) -> None:
        super().__init__(f"{label(path)}: {problem}")
        self.path = path
        self.problem = problem


@frozen
class Source:
    """One TOML file. `name` is how the user wrote its path, `data` what tomli made of it."""

    name: str
    text: str
    data: dict[str, Any] = field(repr=False)

    def error(self, wrong: KeyProblem) -> ConfigError:
        """`FILE:LINE: [table] key: problem`, at the key or, if the file lacks it, at the nearest table around it."""
        lines = lines_of(self.text)
        at = wrong.path
        while at and at not in lines:
            at = at[:-1]
        return ConfigError(f"{self.name}:{lines.get(at, 1)}: {wrong}")


def read(path: Path) -> Source:
    """Read and parse a TOML file. Raises ConfigError, with the line, for one that cannot be read or is no TOML."""
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror or error}; check the path") from error
    if len(raw) > MAX_BYTES:
        raise ConfigError(f"{path}: has more than {MAX_BYTES} bytes; that is no configuration")
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"{path}:{line}: not UTF-8 ({error.reason}); save the file as UTF-8") from error
    return _parse_json(text, str(path)) if path.suffix == ".json" else parse(text, str(path))


def _parse_json(text: str, name: str) -> Source:
    """The same tables as JSON, as a job's own instance gets them (`--conf` of batch and alloc). Raises ConfigError."""
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{name}: broken JSON: {error}") from None
    if not isinstance(data, dict):
        raise ConfigError(f"{name}: must be an object with the tables of a configuration")
    return Source(name, "", data)


def parse(text: str, name: str) -> Source:
    """Parse TOML text. Raises ConfigError, with the line, for text that is no TOML."""
    try:
        return Source(name, text, tomli.loads(text))
    except RecursionError as error:
        raise ConfigError(f"{name}: nested too deeply; that is no configuration") from error
    except ValueError as error:  # TOMLDecodeError, and a number of too many digits
        problem = str(error)
        where = _WHERE.search(problem)
        line, column = int((where and where[1]) or text.count("\n") + 1), where and where[2]
        problem = _WHERE.sub("", problem) + (
            f" at column {column}" if column else "" if not where else " at the end of the file"
        )
        raise ConfigError(
            f"{name}:{line}: broken TOML: {' '.join(problem.split())}; mend the syntax of this line"
        ) from error


def label(path: KeyPath) -> str:
    """A key with its table: `[queues.batch] policy.limits.duration`."""
    size = min(len(path), 2 if path[0] in _NAMED else 1)
    table = ".".join(map(_spelt, path[:size]))
    rest = "".join(f"[{part}]" if isinstance(part, int) else f".{_spelt(part)}" for part in path[size:])
    return f"[{table}] {rest[1:]}" if rest else f"[{table}]"


def _spelt(part: str | int) -> str:
    text = str(part)
    return text if _BARE_KEY.fullmatch(text) else '"' + text.encode("unicode_escape").decode()[:60] + '"'


def lines_of(text: str) -> dict[KeyPath, int]:
    """The line (from 1) of each key, table and list element of a valid TOML text, by its path. Linear in the text."""
    return _Scanner(text).run()


class _Scanner:
    """Walks over valid TOML and notes where each key is first mentioned."""

    def __init__(self, text: str) -> None:
        # tomli takes \r\n for \n; here \r is one more blank.
        self.text = text
        self.at = 0
        self.newlines = [match.start() for match in re.finditer("\n", text)]
        self.lines: dict[KeyPath, int] = {}
        self.counts: dict[KeyPath, int] = {}  # how often each [[table]] has begun

    def run(self) -> dict[KeyPath, int]:
        table: KeyPath = ()
        while self.skip():
            if self.text.startswith("[[", self.at):
                self.at += 2
                path = self.resolve(self.key(()))
                self.counts[path] = self.counts.get(path, 0) + 1
                table = (*path, self.counts[path] - 1)
                self.note(table)
                self.at = self.text.index("]]", self.at) + 2
            elif self.text[self.at] == "[":
                self.at += 1
                table = self.resolve(self.key(()))
                self.at = self.text.index("]", self.at) + 1
            else:
                self.pair(table)
        return self.lines

    def skip(self) -> bool:
        """Pass over blanks and comments; False at the end."""
        self.at = _BLANK.match(self.text, self.at).end()  # type: ignore[union-attr]  # it matches nothing, too
        return self.at < len(self.text)

    def note(self, path: KeyPath) -> None:
        """Enter the present line for a path and for what encloses it, unless an earlier line has them."""
        line = bisect_right(self.newlines, self.at - 1) + 1
        for size in range(len(path), 0, -1):
            if path[:size] in self.lines:
                break
            self.lines[path[:size]] = line

    def resolve(self, names: KeyPath) -> KeyPath:
        """A header's names as a path: below a [[table]] they mean its last element."""
        path: KeyPath = ()
        for place, name in enumerate(names):
            path += (name,)
            if path in self.counts and place < len(names) - 1:
                path += (self.counts[path] - 1,)
        self.note(path)
        return path

    def key(self, table: KeyPath) -> KeyPath:
        """Read a dotted key and return its path."""
        path = table
        while True:
            self.skip()
            bare = _BARE_KEY.match(self.text, self.at)
            end = bare.end() if bare else self.string()
            written = self.text[self.at : end]
            path += (written if bare else tomli.loads(f"k={written}")["k"],)
            self.at = end
            self.skip()
            if self.text[self.at : self.at + 1] != ".":
                return path
            self.at += 1

    def pair(self, table: KeyPath) -> None:
        start = self.at
        path = self.key(table)
        after, self.at = self.at, start
        self.note(path)
        self.at = after + 1  # the equals sign
        self.value(path)

    def value(self, path: KeyPath) -> None:
        """Pass over a value, noting what is in it. Recursion is bounded: tomli has refused what is nested too deeply."""
        self.skip()
        opened = self.text[self.at]
        if opened not in "[{":
            self.at = self.string() if opened in "\"'" else _PLAIN.match(self.text, self.at).end()  # type: ignore[union-attr]
            return
        self.at += 1
        number = 0
        while self.skip() and self.text[self.at] not in "]}":
            if self.text[self.at] == ",":
                self.at += 1
            elif opened == "{":
                self.pair(path)
            else:
                self.note((*path, number))
                self.value((*path, number))
                number += 1
        self.at += 1

    def string(self) -> int:
        """Where the string that begins here ends."""
        return next(
            (match.end() for match in (form.match(self.text, self.at) for form in _STRINGS) if match), len(self.text)
        )
