"""Counts of resources: `4`, `"2-16:2:*"`, `"1,4,9"`, `{"min": 2}` (RFC 14, RFC 45, RFC 22).

What a request may ask for, not what it got. The canonical validator calls `check_count`, the parser of resource requests
`ResourceCount.from_count_spec`, and whoever prints a request `encode_count`. No count is ever listed value by value
beyond MAX_VALUES, however short its text.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from typing import Any, NoReturn

from attrs import field, frozen

from fluxplug.errors import DocumentError, DocumentTypeError, ParseError
from fluxplug.values.idset import MAX_ID, IDset

#: The most values that a discrete count may have.
MAX_VALUES = 2**16
#: The largest count: bytes of memory are counts too, and other readers of a jobspec keep them in 64 bits.
MAX_COUNT = 2**63 - 1


@frozen
class CountSpec:
    """A count as written, defaults filled in: a progression from `min` to `max` (None: no limit), or a set of ids."""

    min: int
    max: int | None
    operator: str = "+"
    operand: int = 1
    #: Of a text that is an idset, `7-9` included.
    ids: IDset | None = None
    #: That text has a comma.
    listed: bool = False


@frozen
class ResourceCount:
    """The acceptable numbers of one resource.

    `max` is the stated maximum, which need not be acceptable itself (133 for `25-133:17`); None is no limit. `values` is
    None where every number of `min`..`max` will do, else the ascending list of the acceptable ones.
    """

    min: int
    max: int | None
    values: list[int] | None = field(default=None, hash=False)

    @classmethod
    def from_count_spec(cls, value: object, default: int = 1) -> ResourceCount:
        """Read the `count` of a jobspec vertex.

        As in Flux: a value that is no int, str or mapping (None above all) gives exactly `default`, True is 1, a
        mapping may leave out `min` (1) and `operator` (`+`), and unknown keys are ignored. Raises ParseError or
        DocumentError (both ValueErrors) for the rest; also for a stepped count without a maximum, and for one with over
        MAX_VALUES values.
        """
        if isinstance(value, str):
            spec = parse_count(value)
        elif isinstance(value, Mapping):
            spec = _parse_mapping({"min": 1, **value}, "count")
        elif isinstance(value, int):
            spec = _parse_int(value, "count", 1)
        else:
            return cls(default, default)
        return cls(spec.min, spec.max, _values(spec, value))

    def scaled(self, factor: int) -> ResourceCount:
        """The count of the whole when there are `factor` (at least 1) of it."""
        if factor < 1:
            raise ValueError(f"a scale factor must be at least 1, not {factor}")
        return ResourceCount(
            self.min * factor,
            None if self.max is None else self.max * factor,
            None if self.values is None else [value * factor for value in self.values],
        )

    def valid_counts(self, available: int) -> Iterator[int]:
        """The acceptable counts up to `available`, largest first, made one by one."""
        if self.values is not None:
            return reversed(self.values[: bisect_right(self.values, available)])
        top = available if self.max is None else min(self.max, available)
        return iter(range(top, self.min - 1, -1))


def parse_count(text: str) -> CountSpec:
    """Read the text of a count: an idset without 0, or an RFC 45 range; either may stand in brackets.

    Takes time in proportion to the text, however many values it means. Raises ParseError (a ValueError).
    """
    begin, end = 0, len(text)
    if text.startswith("["):
        if len(text) < 2 or not text.endswith("]"):
            raise ParseError("unclosed bracket", text, 0)
        begin, end = 1, end - 1
    if begin == end:
        raise ParseError("a count cannot be empty", text, begin)
    if "," in text:
        return _parse_idset(text, begin)
    return _parse_range(text, begin, end)


def check_count(value: object, path: str, *, minimum: int = 1) -> None:
    """Check the `count` of a vertex of a canonical jobspec (RFC 14).

    `minimum` is for plain integers: Flux takes 0 for all types but node, slot and core. True passes as 1, as in Flux.
    Raises DocumentTypeError for a wrong type, DocumentError for a wrong value; `path` leads to the count.
    """
    if isinstance(value, str):
        try:
            parse_count(value)
        except ParseError as error:
            raise DocumentError(path, f"count string must be a valid idset or range: {error}") from error
    elif isinstance(value, Mapping):
        if ("operator" in value) != ("operand" in value):
            raise DocumentError(path, "operator and operand must be given together")
        _parse_mapping(value, path)
    elif isinstance(value, int):
        _parse_int(value, path, minimum)
    else:
        raise DocumentTypeError(path, f"count must be an integer, a string or a mapping, not {type(value).__name__}")


def encode_count(value: object, *, long: bool = False) -> str:
    """The canonical text of a count: `2-5`, or `2-5:1:+` in the long form; idsets stay idsets, `7-9` or `7,8,9`.

    Raises ParseError or DocumentError for what is no count, and for a long form with over MAX_VALUES ids.
    """
    if isinstance(value, str):
        spec = parse_count(value)
    elif isinstance(value, Mapping):
        spec = _parse_mapping(value, "count")
    elif isinstance(value, int):
        spec = _parse_int(value, "count", 1)
    else:
        raise DocumentTypeError("count", f"expected an integer, a string or a mapping, not {type(value).__name__}")
    if spec.ids is not None:
        if long and len(spec.ids) > MAX_VALUES:
            _refuse(f"more than {MAX_VALUES} values", value)
        return spec.ids.encode(0) if long else spec.ids.encode()
    if spec.min == spec.max:
        return str(spec.min)
    text = f"{spec.min}+" if spec.max is None else f"{spec.min}-{spec.max}"
    if long or spec.operator != "+":
        return f"{text}:{spec.operand}:{spec.operator}"
    return text if spec.operand == 1 else f"{text}:{spec.operand}"


def _refuse(reason: str, value: object) -> NoReturn:
    if isinstance(value, str):
        raise ParseError(reason, value)
    raise DocumentError("count", reason)


def _values(spec: CountSpec, value: object) -> list[int] | None:
    """What ResourceCount lists; `value` is what the user wrote, for the error."""
    if spec.listed and spec.ids is not None:
        if len(spec.ids) > MAX_VALUES:
            _refuse(f"more than {MAX_VALUES} values", value)
        return spec.ids.expand() if len(spec.ids) > 1 else None
    if spec.operator == "+" and spec.operand == 1:
        return None
    if spec.max is None:
        _refuse("a stepped count needs a maximum", value)
    if spec.operator == "+":
        steps = range(spec.min, spec.max + 1, spec.operand)
        if steps[MAX_VALUES:]:
            _refuse(f"more than {MAX_VALUES} values", value)
        return list(steps)
    values = []
    current = spec.min
    while current <= spec.max:
        values.append(current)
        if spec.operator == "*":
            current *= spec.operand
        elif (current.bit_length() - 1) * spec.operand > MAX_COUNT.bit_length():
            break  # the power has more bits than any maximum; computing it could take all memory
        else:
            current **= spec.operand
    return values


def _parse_int(value: int, path: str, minimum: int) -> CountSpec:
    if value < minimum:
        raise DocumentError(path, f"count must be at least {minimum}, not {value}")
    if value > MAX_COUNT:
        raise DocumentError(path, f"count must be at most {MAX_COUNT}")
    return CountSpec(int(value), int(value))


def _parse_mapping(value: Mapping[str, Any], path: str) -> CountSpec:
    if "min" not in value:
        raise DocumentError(path, "min must be in range")
    if "operator" in value and "operand" not in value:
        raise DocumentError(path, "operator and operand must be given together")
    low = _integer(value, "min", path)
    # JSON has no infinity, but the shape parser spells "no maximum" so, as Flux's does.
    high = None if value.get("max", math.inf) == math.inf else _integer(value, "max", path)
    operand = _integer(value, "operand", path) if "operand" in value else 1
    operator = value.get("operator", "+")
    if not isinstance(operator, str) or len(operator) != 1:
        raise DocumentTypeError(path, "operator must be a single character")
    reason = _progression_fault(low, high, operator, operand)
    if reason:
        raise DocumentError(path, reason)
    return CountSpec(low, high, operator, operand)


def _integer(value: Mapping[str, Any], key: str, path: str) -> int:
    number = value[key]
    if not isinstance(number, int) or isinstance(number, bool):
        raise DocumentTypeError(path, f"{key} must be an integer, not {type(number).__name__}")
    if not 1 <= number <= MAX_COUNT:
        raise DocumentError(path, f"{key} must be in 1..{MAX_COUNT}")
    return number


def _progression_fault(low: int, high: int | None, operator: str, operand: int) -> str:
    """What RFC 14 forbids about a progression of positive numbers, or an empty string."""
    if high is not None and high < low:
        return "max must not be less than min"
    if operator not in ("+", "*", "^"):
        return f"operator must be one of + * ^, not {operator!r}"
    if operator != "+" and operand < 2:
        return f"operand must be at least 2 with {operator}"
    if operator == "^" and low < 2:
        return "min must be at least 2 with ^"
    return ""


def _parse_idset(text: str, begin: int) -> CountSpec:
    ids = IDset(text)
    if not ids:
        raise ParseError("a count cannot be empty", text, begin)
    if ids.first() == 0:
        raise ParseError("a count must be at least 1", text, begin)
    return CountSpec(ids.first(), ids.last(), ids=ids, listed=True)


def _parse_range(text: str, begin: int, end: int) -> CountSpec:
    low, position = _number(text, begin, end)
    high: int | None = low
    if position == end:
        return CountSpec(low, low)
    if text[position] == "+":
        high = None
        position += 1
    elif text[position] == "-":
        high, position = _number(text, position + 1, end)
        if position == end and low < high <= MAX_ID:
            return CountSpec(low, high, ids=IDset().set(low, high))
    else:
        raise ParseError("expected -, + or the end", text, position)
    operand, operator = 1, "+"
    if position < end:
        operand, position = _number(text, _colon(text, position), end)
    if position < end:
        position = _colon(text, position)
        operator = text[position:end]
    reason = _progression_fault(low, high, operator, operand)
    if reason:
        raise ParseError(reason, text, min(position, end))
    return CountSpec(low, high, operator, operand)


def _colon(text: str, position: int) -> int:
    if text[position] != ":":
        raise ParseError("expected : or the end", text, position)
    return position + 1


def _number(text: str, begin: int, end: int) -> tuple[int, int]:
    """The positive number at `begin`, and where it ends."""
    stop = begin
    while stop < end and text[stop] in "0123456789":
        stop += 1
    if stop == begin or text[begin] == "0":
        raise ParseError("expected a positive number without leading zeros", text, begin)
    # int() of a very long text is slow, and refused by newer CPythons.
    if stop - begin > len(str(MAX_COUNT)) or int(text[begin:stop]) > MAX_COUNT:
        raise ParseError(f"a count cannot exceed {MAX_COUNT}", text, begin)
    return int(text[begin:stop]), stop
