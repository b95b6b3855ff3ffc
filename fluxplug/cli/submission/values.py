"""What users write for options, as values: one reader a kind of the table. Wrong text is an OptionError that names option, text, and what is accepted."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from fluxplug.errors import FluxplugError, OptionError

if TYPE_CHECKING:
    from collections.abc import Callable

URGENCIES = {"hold": 0, "default": 16, "expedite": 31}
FLAGS = ("debug", "waitable", "novalidate")
_MAX_COUNT = 2**31 - 1


class UsageError(FluxplugError, ValueError):
    """A command line that cannot be understood, such as an option that does not exist. Exit code 2."""


class JobError(FluxplugError, ValueError):
    """A command line that can be understood and makes no job. Exit code 1, as in Flux."""


def read(kind: str, option: str, text: str) -> Any:
    """The value of an option's text. Raises OptionError."""
    reader, accepted = READERS[kind]
    try:
        return reader(text)
    except ValueError as error:
        reason = f"; {error}" if isinstance(error, _ReasonError) else ""
        raise OptionError(option, text, f"expected {accepted}{reason}") from None


class _ReasonError(ValueError):
    """A ValueError whose text adds to what is accepted."""


def _integer(low: int | None) -> Callable[[str], int]:
    def reader(text: str) -> int:
        if not re.fullmatch(r"[+-]?[0-9]{1,18}", text):
            raise ValueError
        value = int(text)
        if (low is not None and value < low) or value > _MAX_COUNT:
            raise ValueError
        return value

    return reader


def _time_limit(text: str) -> float:
    """Seconds; a bare number is minutes."""
    from fluxplug.values.duration import parse_fsd  # noqa: PLC0415 - few options need it

    seconds = parse_fsd(text)
    if seconds == float("inf"):
        raise _ReasonError("no limit is 0")
    if re.fullmatch(r"[-+0-9.eE\s]*", text):
        seconds *= 60
    if seconds == float("inf"):
        raise ValueError
    return seconds


def _urgency(text: str) -> int:
    if text in URGENCIES:
        return URGENCIES[text]
    if not re.fullmatch(r"[0-9]{1,2}", text) or int(text) > 31:
        raise ValueError
    return int(text)


def _flags(text: str) -> list[str]:
    names = [name for name in text.split(",") if name]
    if not set(names) <= set(FLAGS):
        raise ValueError
    return names


def _words(text: str) -> list[str]:
    return [word for word in text.split(",") if word]


def _key(text: str) -> str:
    key, equals, _ = text.partition("=")
    if not key or (key.startswith("^") and not (equals and key[1:])):
        raise ValueError
    return text


def _idset(text: str) -> list[int]:
    from fluxplug.values.idset import decode  # noqa: PLC0415

    ids = decode(text).expand()
    if not ids:
        raise ValueError
    return ids


def _text(text: str) -> str:
    if not text or "\0" in text:
        raise ValueError
    return text


def _definition(text: str) -> tuple[str, str]:
    name, equals, code = text.partition("=")
    if not equals or not re.fullmatch(r"[A-Za-z_]\w*", name) or not code.strip():
        raise ValueError
    return name, code


def _begin_time(text: str) -> float:
    """Seconds since 1970."""
    from fluxplug.clock import SystemClock, parse_local  # noqa: PLC0415
    from fluxplug.values.duration import parse_fsd  # noqa: PLC0415

    now = SystemClock().now()
    if text.startswith("+"):
        delay = parse_fsd(text[1:])
        if delay == float("inf"):
            raise ValueError
        return now + delay
    return now if text == "now" else parse_local(text, now)


READERS: dict[str, tuple[Callable[[str], Any], str]] = {
    "integer": (_integer(None), "an integer"),
    "count": (_integer(0), "an integer of 0 or more"),
    "positive": (_integer(1), "an integer of 1 or more"),
    "time_limit": (_time_limit, "minutes of 0 or more, or a number with a unit: ms s m h d"),
    "urgency": (_urgency, "0 to 31, hold, default or expedite"),
    "flags": (_flags, f"one or more of {', '.join(FLAGS)}, separated by commas"),
    "name": (_text, "a name, which cannot be empty"),
    "path": (_text, "a path, which cannot be empty"),
    "words": (_words, "words, separated by commas"),
    "key": (_key, "KEY, KEY=VALUE or ^KEY=FILE"),
    "idset": (_idset, "ids such as 0-3,8"),
    "definition": (_definition, "NAME=CODE, with a Python expression"),
    "begin_time": (
        _begin_time,
        "+TIME (seconds, or with a unit: ms s m h d), now, HH:MM[:SS] or YYYY-MM-DD HH:MM[:SS]",
    ),
}
