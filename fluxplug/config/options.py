"""Configuration keys as fields of frozen attrs classes: how a plugin declares them, and how a TOML value becomes one.

A plugin author uses `option` (public as `fluxplug.config.option`); the tables of sched.toml itself are declared the same way. Each field
is one key, spelt with `-` for `_`; its type is the annotation:

    @attrs.frozen
    class Config:
        reservation_depth: int = option(64, help="blocked jobs that get a reservation", min=1)
        window: float = option(3600.0, help="how far to look ahead", unit="seconds")    # 3600, "60m" or "1h"

Accepted are int, float, bool, str, dict, list[...] and tuple[..., ...] of the first four, and any of them with `| None`. Not here: files,
lines and tables (`source`, `load`).
"""

from __future__ import annotations

import math
import types
from typing import TYPE_CHECKING, Any, Union, get_args, get_origin, get_type_hints

import attrs
from attrs import NOTHING, Factory, frozen

from fluxplug.errors import ParseError

if TYPE_CHECKING:
    from collections.abc import Sequence

_SCALARS = {int: "integer", float: "number", bool: "boolean", str: "string", dict: "table"}
MAX_ITEMS = 100_000  # a longer list in a configuration is a mistake


def option(
    default: Any = NOTHING,
    *,
    help: str = "",  # noqa: A002 - as in argparse
    unit: str = "",
    min: float | None = None,  # noqa: A002 - the word a reader looks for
    max: float | None = None,  # noqa: A002
    choices: Sequence[Any] = (),
) -> Any:
    """A configuration key, as a field of a frozen attrs class; without `default` it must be given.

    `help` is one phrase for `fluxplug plugins show`. `unit` is for readers; a float in "seconds" may also be written as a
    duration ("90s", "1.5h", "inf"), a string in "path" is relative to the folder of the configuration. `min` and `max` are inclusive; for a list they hold for each element, as `choices` do.
    Raises ValueError for a default that breaks its own rules, as soon as the class is defined.
    """
    metadata = {"help": help, "unit": unit, "min": min, "max": max, "choices": tuple(choices)}
    for value in default if isinstance(default, (list, tuple)) else (default,):
        if value is not NOTHING and value is not None and (problem := _outside(value, min, max, tuple(choices))):
            raise ValueError(f"default {value!r} {problem}")
    if isinstance(default, (list, dict)):
        shared = default
        default = Factory(shared.copy)
    return attrs.field(default=default, kw_only=True, metadata=metadata)


@frozen
class Key:
    """One configuration key: its name in TOML, the argument that it becomes, and what it accepts."""

    name: str
    field: str
    scalar: type[Any]
    sequence: type[Any] | None  # list or tuple, of `scalar`
    optional: bool
    default: Any  # NOTHING where the key must be given
    help: str = ""
    unit: str = ""
    min: float | None = None
    max: float | None = None
    choices: tuple[Any, ...] = ()

    @property
    def duration(self) -> bool:
        """Whether it also accepts a duration text."""
        return self.scalar is float and self.unit == "seconds"

    @property
    def type_text(self) -> str:
        """The type, for people: `integer`, `list of strings`."""
        word = "duration" if self.duration else _SCALARS[self.scalar]
        return f"list of {word}s" if self.sequence else word

    @property
    def default_text(self) -> str:
        """The default as TOML would spell it; `required` or `unset` where there is none."""
        if self.default is NOTHING:
            return "required"
        return "unset" if self.default is None else _toml(self.default)

    @property
    def range_text(self) -> str:
        """What values are accepted, beyond the type; empty where all are."""
        if self.choices:
            return "one of " + ", ".join(map(_toml, self.choices))
        return _range(self.min, self.max)

    def convert(self, value: object) -> Any:
        """The value as the class wants it. Raises ValueError that says what was expected and what was given."""
        if self.sequence is None:
            return self._one(value)
        if not isinstance(value, list):
            raise ValueError(f"expected a {self.type_text}, got {describe(value)}")  # noqa: TRY004 - the value is at fault
        if len(value) > MAX_ITEMS:
            raise ValueError(f"expected at most {MAX_ITEMS} elements, got {len(value)}")
        return self.sequence(map(self._one, value))

    def _one(self, value: object) -> Any:
        if self.duration and isinstance(value, str):
            value = seconds(value)
        elif self.scalar is float and type(value) is int:
            value = float(value)
        if type(value) is not self.scalar:
            every = " of each element" if self.sequence else ""
            word = (
                "duration (a number of seconds, or a text like '90s', '1h')" if self.duration else _SCALARS[self.scalar]
            )
            raise ValueError(f"expected {_article(word)}{every}, got {describe(value)}")
        if problem := self.problem(value):
            raise ValueError(problem)
        return value

    def problem(self, value: object) -> str | None:
        """Why a value of the right type is out of range, and what is accepted; None where it is not."""
        problem = _outside(value, self.min, self.max, self.choices)
        return problem and f"{_toml(value)} {problem}"


def keys_of(cls: type) -> dict[str, Key]:
    """The keys of a Config class by their TOML names, in order.

    Raises TypeError, naming the field, for an annotation that no TOML value can have.
    """
    try:
        hints = get_type_hints(cls)
    except NameError as error:
        raise TypeError(f"{cls.__qualname__}: an annotation is unknown at run time: {error}") from error
    return {
        key.name: key
        for key in (
            _key(cls, attribute, hints.get(attribute.name)) for attribute in attrs.fields(cls) if attribute.init
        )
    }


def _key(cls: type, attribute: attrs.Attribute[Any], hint: Any) -> Key:
    base, optional, sequence = hint, False, None
    if get_origin(base) in (Union, types.UnionType):
        rest = [one for one in get_args(base) if one is not type(None)]
        base, optional = rest[0] if len(rest) == 1 else None, True
    if get_origin(base) in (list, tuple):
        sequence, arguments = get_origin(base), get_args(base)
        base = arguments[0] if arguments[1:] == ((...,) if sequence is tuple else ()) else None
    elif get_origin(base) is dict:
        base = dict
    if base not in _SCALARS or (sequence and base is dict):
        raise TypeError(
            f"{cls.__qualname__}.{attribute.name}: {hint!r} is no type of a configuration key; "
            "use int, float, bool, str, list[str] or one of them | None"
        )
    default: Any = attribute.default
    if isinstance(default, attrs.Factory):  # type: ignore[arg-type]  # typed as a function, and is a class
        default = NOTHING if default.takes_self else default.factory()
    told = {
        name: attribute.metadata[name]
        for name in ("help", "unit", "min", "max", "choices")
        if name in attribute.metadata
    }
    alias = attribute.alias or attribute.name
    return Key(alias.replace("_", "-"), alias, base, sequence, optional, default, **told)


def seconds(text: str) -> float:
    """A duration text ("90s", "1.5h", "inf") in seconds. Raises ValueError."""
    from fluxplug.values.duration import parse_fsd  # noqa: PLC0415 - most files have no durations

    try:
        return parse_fsd(text)
    except ParseError as error:
        raise ValueError(f"{text!r} is no duration: {error.reason}; write a number and ms, s, m, h or d") from error


def describe(value: object) -> str:
    """A TOML value and its type, for people."""
    if isinstance(value, (list, dict)):
        return "a list" if isinstance(value, list) else "a table"
    word = _SCALARS.get(type(value), "date or time")
    return f"{_article(word)}: {_toml(value)}"


def _outside(value: Any, low: float | None, high: float | None, choices: tuple[Any, ...]) -> str | None:
    """Why a value is out of range; None where it is not."""
    if isinstance(value, float) and math.isnan(value):
        return "is not a number"
    if choices and value not in choices:
        return f"is not accepted; use one of {', '.join(map(_toml, choices))}"
    if (low is not None and value < low) or (high is not None and value > high):
        return f"is out of range; use {_range(low, high)}"
    return None


def _range(low: float | None, high: float | None) -> str:
    """The numbers between two bounds, for people; empty where both are missing."""
    least, most = (
        None if bound is None else str(int(bound) if bound == bound // 1 else bound) for bound in (low, high)
    )
    if least and most:
        return f"{least} to {most}"
    return f"{least} or more" if least else f"at most {most}" if most else ""


def _toml(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return '"' + (value if len(value) <= 60 else value[:57] + "...") + '"'
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(_toml, value)) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{name} = {_toml(one)}" for name, one in value.items()) + "}"
    return str(value)[:60]


def _article(word: str) -> str:
    return ("an " if word[0] in "aeiou" else "a ") + word
