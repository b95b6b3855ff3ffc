"""The inputs of `fluxplug bulksubmit`: `::: WORDS`, `:::: FILES` and their linked forms `:::+`, `::::+`, as combinations of words."""

from __future__ import annotations

import itertools
import sys
from typing import TYPE_CHECKING

from fluxplug.cli.submission.values import JobError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_SIGNS = (":::", "::::", ":::+", "::::+")


def split(command: Sequence[str]) -> tuple[list[str], list[tuple[str, list[str]]]]:
    """The command before the first sign, and each sign with the words after it."""
    own: list[str] = []
    lists: list[tuple[str, list[str]]] = []
    for word in command:
        if word in _SIGNS:
            lists.append((word, []))
        elif lists:
            lists[-1][1].append(word)
        else:
            own.append(word)
    return own, lists


def combinations(lists: Sequence[tuple[str, list[str]]], separator: str | None) -> Iterator[tuple[str, ...]]:
    """One word of each list, for each job: every combination, the first list slowest; a linked list goes along with the one before it.

    Without lists, the words of standard input. Of linked lists the longest counts, and the others begin again. Raises JobError for a list
    without words, or that has nothing to be linked to.
    """
    groups: list[list[list[str]]] = []
    for sign, words in lists or [("::::", ["-"])]:
        found = words
        if sign.startswith("::::"):
            if not words:
                raise JobError(f"{sign}: expected the name of a file, or -")
            found = [word for name in words for word in _read(name, separator)]
        if not found:
            raise JobError(f"{sign}: there are no inputs" if lists else "there are no inputs on standard input")
        if not sign.endswith("+"):
            groups.append([found])
        elif groups:
            groups[-1].append(found)
        else:
            raise JobError(f"{sign}: there is no list before it to link to")
    rows = [_linked(group) for group in groups]
    return (tuple(itertools.chain(*combination)) for combination in itertools.product(*rows))


def _linked(group: list[list[str]]) -> list[tuple[str, ...]]:
    longest = max(map(len, group))
    return [tuple(words[index % len(words)] for words in group) for index in range(longest)]


def _read(name: str, separator: str | None) -> list[str]:
    if name == "-":
        text = sys.stdin.read()
    else:
        try:
            with open(name, encoding="utf-8") as file:  # noqa: PTH123
                text = file.read()
        except OSError as error:
            raise JobError(f"{name}: {error.strerror}") from None
        except ValueError:
            raise JobError(f"{name}: not UTF-8") from None
    if separator is None:
        return text.splitlines()
    if separator == "none":
        return text.split()
    return [word for word in text.rstrip("\n").split(separator) if word]
