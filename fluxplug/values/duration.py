"""Flux Standard Duration (RFC 23): `30`, `500ms`, `1.5h`, `inf`; seconds as a float in memory.

Not a clock and not a date. Command lines, `sched.toml` and jobspec options read durations with `parse_fsd`; a command
line's bare number of minutes is that command's business. The reader takes what both of Flux's readers take.
"""

from __future__ import annotations

import math
import re

from fluxplug.errors import ParseError

_UNITS = {"": 1.0, "ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_INFINITE = frozenset({"inf", "INF", "infinity", "INFINITY"})
_NUMBER = re.compile(r"[ \t\n\v\f\r]*(?P<number>[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)")


def parse_fsd(text: str) -> float:
    """Seconds, 0 or more; infinity only for `inf`, `INF`, `infinity`, `INFINITY`.

    Accepts leading blanks, a sign, an exponent and one of the units ms, s, m, h, d, in that case. Raises ParseError (a
    ValueError) for anything else: negative numbers, trailing blanks, digits with underscores, hexadecimal, numbers
    that overflow.
    """
    if text in _INFINITE:
        return math.inf
    match = _NUMBER.match(text)
    if match is None:
        raise ParseError("expected a number of seconds, or one with a unit (ms s m h d), or inf", text)
    unit = text[match.end() :]
    if unit not in _UNITS:
        raise ParseError("expected one of the units ms s m h d, or the end", text, match.end())
    seconds = float(match["number"]) * _UNITS[unit]
    if seconds < 0:
        raise ParseError("a duration cannot be negative", text, match.start("number"))
    if math.isinf(seconds):
        raise ParseError("a duration must be finite, or be called inf", text, match.start("number"))
    return abs(seconds)  # -0.0 becomes 0.0


def fsd(seconds: float) -> str:
    """The short form of job listings: `0s` below 1 ms, `1.250s` below 10 s, then four digits of s, m, h or d.

    Infinity is `inf`. Raises ValueError for not-a-number.
    """
    if math.isnan(seconds):
        raise ValueError("not a number is no duration")
    if math.isinf(seconds) and seconds > 0:
        return "inf"
    if seconds < 0.001:
        return "0s"
    if seconds < 10:
        return f"{seconds:.3f}s"
    return _with_unit(seconds, 4)


def fsd_c(seconds: float) -> str:
    """The form of Flux's C tools: six digits, `ms` below 0.1 s, and `infinity`.

    Raises ValueError for not-a-number and for a negative duration.
    """
    if math.isnan(seconds) or seconds < 0:
        raise ValueError(f"{seconds} is no duration")
    if math.isinf(seconds):
        return "infinity"
    if 0 < seconds < 0.1:
        return f"{seconds * 1000:.6g}ms"
    return _with_unit(seconds, 6)


def _with_unit(seconds: float, digits: int) -> str:
    for unit, limit in (("s", 60.0), ("m", 3600.0), ("h", 86400.0)):
        if seconds < limit:
            return f"{seconds / _UNITS[unit]:.{digits}g}{unit}"
    return f"{seconds / _UNITS['d']:.{digits}g}d"
