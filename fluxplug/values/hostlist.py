"""Ordered lists of host names with a compressed text form (RFC 29): `foo[0-3,7],login`.

Order and duplicates are kept: entry i of R's nodelist belongs to rank i of its idset. Not a set, and nothing here asks a
resolver. The names are kept expanded, because every user of a list looks at single hosts; an index from name to place is
built by the first lookup and dropped by the next change.
"""

from __future__ import annotations

import errno
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from operator import index as as_int
from typing import NoReturn, TypeAlias, overload

from fluxplug.errors import ParseError

#: The most hosts in one range and in one list read from text.
MAX_HOSTS = 2**20
#: The most characters that the ranges of one text may expand to.
MAX_CHARACTERS = 2**26
#: Longer trailing numbers are part of the name: they fit no 64-bit integer elsewhere.
MAX_DIGITS = 18

HostlistLike: TypeAlias = "Hostlist | str | Iterable[str]"

_SEPARATORS = re.compile(r"[,\s]+", re.ASCII)
_EXPRESSION = re.compile(r"(?P<prefix>[^\[\],\s]*)(?:\[(?P<ids>[^\]]*)\])?(?P<suffix>[^,\s]*)", re.ASCII)
_ID_RANGE = re.compile(r"(?P<low>[0-9]+)(?:-(?P<high>[0-9]*))?")
_PLAIN_NAME = re.compile(r"[!-+\--Z\\^-~]+")
_NOT_PRINTABLE = re.compile(r"[^!-~]")


class Hostlist:
    """An ordered list of host names, duplicates kept.

    `arg` is a hostlist string or an iterable of them. Raises ParseError (a ValueError) for a bad string, also for one
    that names over 2**20 hosts; TypeError for anything that is not a string.

    `in`, `find` and `index` are O(1) a host after the first lookup, which is linear; so are they after a change.
    """

    __slots__ = ("_hosts", "_places")

    _hosts: list[str]
    _places: dict[str, int] | None  # host -> its first place; None until somebody asks

    def __init__(self, arg: HostlistLike = "") -> None:
        self._hosts = []
        self._places = None
        self.append(arg)

    @classmethod
    def _wrap(cls, hosts: list[str]) -> Hostlist:
        new = cls()
        new._hosts = hosts
        return new

    def append(self, *args: HostlistLike) -> int:
        """Add hosts at the end; returns how many. Raises as the constructor does and then changes nothing."""
        before = len(self._hosts)
        hosts: list[str] = []
        for arg in args:
            hosts += _hosts_of(arg, before + len(hosts))
        self._hosts += hosts
        self._places = None
        return len(hosts)

    def delete(self, hosts: HostlistLike) -> int:
        """Remove the first match of each listed host; returns how many were removed."""
        wanted = Counter(_hosts_of(hosts))
        kept = []
        for host in self._hosts:
            if wanted.get(host, 0):
                wanted[host] -= 1
            else:
                kept.append(host)
        removed = len(self._hosts) - len(kept)
        self._hosts, self._places = kept, None
        return removed

    def sort(self) -> Hostlist:
        """Sort by prefix, then by length and value of the trailing number, none first; returns self."""
        self._hosts.sort(key=_sort_key)
        self._places = None
        return self

    def uniq(self) -> Hostlist:
        """Sort and drop duplicates; returns self."""
        self._hosts = sorted(set(self._hosts), key=_sort_key)
        self._places = None
        return self

    def expand(self) -> list[str]:
        """The names, in order."""
        return self._hosts.copy()

    def copy(self) -> Hostlist:
        """An independent list of the same hosts."""
        return self._wrap(self._hosts.copy())

    def count(self) -> int:
        """The number of entries, duplicates counted."""
        return len(self._hosts)

    def find(self, host: str) -> int:
        """The place of the first entry equal to `host`. Raises FileNotFoundError."""
        place = self._index().get(host)
        if place is None:
            _not_found([host])
        return place

    def index(self, hosts: HostlistLike, ignore_nomatch: bool = False) -> list[int]:
        """The first place of each listed host, in the order listed.

        Raises FileNotFoundError that names all unknown hosts, unless `ignore_nomatch` leaves them out.
        """
        names = _hosts_of(hosts)
        places = self._index()
        missing = [name for name in names if name not in places]
        if missing and not ignore_nomatch:
            _not_found(missing)
        return [places[name] for name in names if name in places]

    def encode(self) -> str:
        """The compressed text. Consecutive hosts of one prefix form a group; runs of ids are folded. Linear."""
        groups: list[str] = []
        prefix = ""
        items: list[str] = []  # the finished and the open run of the current group, as text
        low = high = ""  # the digits at both ends of the open run
        for host in self._hosts:
            name, digits = _split(host)
            if items and digits and name == prefix:
                if digits == str(int(high) + 1).zfill(len(low)):
                    high = digits
                    items[-1] = f"{low}-{high}"
                    continue
                items.append(digits)
            else:
                groups.append(_group(prefix, items))
                prefix, items = name, [digits]
                if not digits:
                    groups.append(name)
                    items = []
            low = high = digits
        groups.append(_group(prefix, items))
        return ",".join(group for group in groups if group)

    def _index(self) -> dict[str, int]:
        if self._places is None:
            # Filled from the back, so that the first of several equal hosts is what stays.
            last = len(self._hosts) - 1
            self._places = {host: last - i for i, host in enumerate(reversed(self._hosts))}
        return self._places

    def __len__(self) -> int:
        return len(self._hosts)

    def __iter__(self) -> Iterator[str]:
        return iter(self._hosts)

    def __contains__(self, host: object) -> bool:
        return host in self._index()

    @overload
    def __getitem__(self, place: int) -> str: ...

    @overload
    def __getitem__(self, place: slice | Iterable[int]) -> Hostlist: ...

    def __getitem__(self, place: int | slice | Iterable[int]) -> str | Hostlist:
        if isinstance(place, slice):
            return self._wrap(self._hosts[place])
        if isinstance(place, Iterable):
            return self._wrap([self._hosts[as_int(i)] for i in place])
        return self._hosts[as_int(place)]

    def __eq__(self, other: object) -> bool:
        return self._hosts == other._hosts if isinstance(other, Hostlist) else NotImplemented

    __hash__ = None  # type: ignore[assignment]  # mutable

    def __str__(self) -> str:
        return self.encode()

    def __repr__(self) -> str:
        return f"Hostlist('{self.encode()}')"


def decode(text: str) -> Hostlist:
    """Read a hostlist string. Raises ParseError (a ValueError)."""
    return Hostlist(text)


def _hosts_of(arg: HostlistLike, already: int = 0) -> list[str]:
    """The names in `arg`, for a list that holds `already` names."""
    if isinstance(arg, str):
        return _parse(arg, already)
    if isinstance(arg, Hostlist):
        return arg._hosts.copy()  # noqa: SLF001 - same module
    if isinstance(arg, Iterable):
        hosts: list[str] = []
        for text in arg:
            if not isinstance(text, str):
                raise TypeError(f"expected a host name, not {type(text).__name__}")
            hosts += _parse(text, already + len(hosts))
        return hosts
    raise TypeError(f"expected a hostlist string or an iterable of them, not {type(arg).__name__}")


def _not_found(hosts: list[str]) -> NoReturn:
    noun = "host" if len(hosts) == 1 else "hosts"
    raise FileNotFoundError(errno.ENOENT, f"{noun} '{','.join(hosts)}' not found")


def _split(host: str) -> tuple[str, str]:
    """The name without its trailing number, and the digits of that number."""
    name = host.rstrip("0123456789")
    digits = host[len(name) :]
    return (name, digits) if len(digits) <= MAX_DIGITS else (host, "")


def _sort_key(host: str) -> tuple[str, int, str]:
    prefix, digits = _split(host)
    return prefix, len(digits), digits


def _group(prefix: str, items: list[str]) -> str:
    if len(items) == 1 and "-" not in items[0]:
        return prefix + items[0]
    return f"{prefix}[{','.join(items)}]" if items else ""


class _Budget:
    """What a text may still expand to. Spent before expanding: ten bytes can name a billion hosts."""

    def __init__(self, text: str, already: int) -> None:
        self.text = text
        self.hosts = MAX_HOSTS - already
        self.characters = MAX_CHARACTERS

    def spend(self, hosts: int, length: int, position: int) -> None:
        self.hosts -= hosts
        self.characters -= hosts * length
        if self.hosts < 0:
            raise ParseError(f"more than {MAX_HOSTS} hosts", self.text, position)
        if self.characters < 0:
            raise ParseError(f"more than {MAX_CHARACTERS} characters of host names", self.text, position)


def _parse(text: str, already: int) -> list[str]:
    budget = _Budget(text, already)
    if _PLAIN_NAME.fullmatch(text):
        budget.spend(1, 0, 0)
        return [text]
    hosts: list[str] = []
    position = 0
    while position < len(text):
        separator = _SEPARATORS.match(text, position)
        if separator:
            position = separator.end()
            continue
        match = _EXPRESSION.match(text, position)
        if match is None or match.end() == position:
            reason = "unclosed bracket" if text[position] == "[" else "a ] without its ["
            raise ParseError(reason, text, position)
        _check_expression(match)
        hosts += _expand(match, budget)
        position = match.end()
    return hosts


def _check_expression(match: re.Match[str]) -> None:
    for part in ("prefix", "suffix"):
        bad = _NOT_PRINTABLE.search(match[part])
        if bad:
            raise ParseError("a host name is printable ASCII", match.string, match.start(part) + bad.start())
    # With no closed bracket pair the suffix begins at the bracket that has no partner.
    if match["ids"] is None and match["suffix"]:
        reason = "unclosed bracket" if match["suffix"][0] == "[" else "a ] without its ["
        raise ParseError(reason, match.string, match.start("suffix"))


def _expand(match: re.Match[str], budget: _Budget) -> list[str]:
    text, prefix, suffix, ids = match.string, match["prefix"], match["suffix"], match["ids"]
    if ids is None:
        budget.spend(1, 0, match.start())
        return [prefix]
    hosts: list[str] = []
    position = match.start("ids")
    for item in ids.split(","):
        found = _ID_RANGE.fullmatch(item)
        if found is None:
            raise ParseError("expected an id or a range of ids", text, position)
        low, high = found["low"], found["high"] or found["low"]
        if len(low) > MAX_DIGITS or len(high) > MAX_DIGITS:
            raise ParseError(f"an id has at most {MAX_DIGITS} digits", text, position)
        first, last = int(low), int(high)
        if last < first:
            raise ParseError("a range must not descend", text, position)
        budget.spend(last - first + 1, len(prefix) + len(high) + len(suffix), position)
        if low.startswith("0") and len(low) > 1:
            hosts += [f"{prefix}{i:0{len(low)}}{suffix}" for i in range(first, last + 1)]
        else:
            hosts += [f"{prefix}{i}{suffix}" for i in range(first, last + 1)]
        position += len(item) + 1
    return hosts
