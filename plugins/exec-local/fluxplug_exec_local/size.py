"""Amounts of memory as text."""

from __future__ import annotations

_UNITS = {"": 1, "k": 1 << 10, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}


def parse_size(text: str) -> int:
    """Bytes: a number with an optional unit, powers of 1024 (k, K, M, G, T). Raises ValueError for what is none, or not positive."""
    unit = text[-1:] if text[-1:] in _UNITS else ""
    number = text.removesuffix(unit)
    try:
        found = int(float(number) * _UNITS[unit])
    except (ValueError, OverflowError):
        found = 0
    if found <= 0:
        raise ValueError(f"{text!r} is no amount of memory: expected a number and K, M, G or T")
    return found


def format_size(size: int) -> str:
    """Bytes as a whole number of the largest unit that fits: `4G`."""
    for unit in ("T", "G", "M", "K"):
        if size % _UNITS[unit] == 0:
            return f"{size // _UNITS[unit]}{unit}"
    return str(size)
