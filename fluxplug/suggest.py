"""The words of "there is no such name": what was written, the nearest thing that exists, and all that exists.

Called where a user may have misspelt something: a plugin's name, a key of sched.toml, a hook, a command.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

# A list longer than this hides the answer in it.
SHOWN = 24


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word that `word` was most likely meant to be, or None."""
    from difflib import get_close_matches  # noqa: PLC0415 - half as slow to import as argparse, and needed only in errors

    exact = sorted(known)
    folded = {name.lower().replace("_", "-"): name for name in reversed(exact)}
    found = get_close_matches(word[:100].lower().replace("_", "-"), folded, n=1, cutoff=0.5)
    return folded[found[0]] if found else None


def listed(known: Iterable[str]) -> str:
    """The known words in order, comma-separated; "none" where there are none."""
    names = sorted(known)
    rest = len(names) - SHOWN
    return ", ".join(names[:SHOWN]) + (f" and {rest} more" if rest > 0 else "") or "none"


def instead(word: str, known: Iterable[str], label: str) -> str:
    """The end of an error about an unknown `word`: `; did you mean 'easy'? LABEL: easy, fcfs`."""
    names = list(known)
    near = nearest(word, names)
    return (f"; did you mean {near!r}? " if near else "; ") + f"{label}: {listed(names)}"
