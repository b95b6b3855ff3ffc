"""One field of a listing: from a value to a text of a width, by Flux's extension of Python's format specifications.

`Field` is a specification that was read once and gives a function for many rows; `UtilFormatter` is `string.Formatter` with the same rules for
a text that is formatted once. Tables are `output`'s business.

    {t_run!d:%H:%M::>8h}      conversions  !D !d timestamps, !F duration, !H h:mm:ss, !P percentage
    {name:<10.10h+}           suffixes     h shows nothing as "-", + marks what was cut off
"""

from __future__ import annotations

import math
import re
import string
from datetime import timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from fluxplug.clock import format_local
from fluxplug.errors import FormatError
from fluxplug.values.duration import fsd

if TYPE_CHECKING:
    from collections.abc import Callable

ISO = "%Y-%m-%dT%H:%M:%S"
#: Texts that mean that there is nothing to show.
BLANK = frozenset({"", "0s", "0.0", "0:00:00", "1970-01-01T00:00:00"})
#: A column that may be dropped is, when it has nothing else.
EMPTY = BLANK | {"0", "0%"}
MAX_WIDTH = 100_000  # a wider column is a slip, and would take the memory of the machine

_SPEC = re.compile(
    r"(?:(?P<fill>.)?(?P<align>[<>=^]))?(?P<flags>[-+ ]?z?#?0?)(?P<width>[0-9]+)?(?P<group>[,_]?)"
    r"(?:\.(?P<precision>[0-9]+))?(?P<kind>[a-zA-Z%]?)",
    re.DOTALL,
)
_WHOLE = frozenset("bdoxX")  # written without a fraction
_NUMERIC = _WHOLE | frozenset("eEfFgGn%")


class Field(NamedTuple):  # attrs takes a fifth of the time in which a listing is to start
    """A conversion and a specification, read. Made by `parse_field`.

    `shape` is fill and alignment; `flags`, `group` and `kind` are Python's; `form` is the strftime format of `!d`.
    """

    conversion: str = ""
    form: str = ""
    shape: str = ""
    flags: str = ""
    width: int = 0
    group: str = ""
    precision: int | None = None
    kind: str = ""
    hyphen: bool = False
    mark: bool = False

    @property
    def numeric(self) -> bool:
        """Whether the specification says how to write a number."""
        return bool(self.flags or self.group or self.kind in _NUMERIC or "=" in self.shape)

    def text(self, value: Any) -> str:
        """The value as text, as long as it is. Raises ValueError for what the conversion cannot convert."""
        if self.conversion:
            return _convert(value, self.conversion, self.form)
        if self.numeric and isinstance(value, (int, float)):
            return self._digits(value, f"{self.flags}{self.group}{self._precision}{self.kind}")
        return value if type(value) is str else _text(value)

    def _digits(self, value: float, spec: str) -> str:
        # Plain numbers: a JobID writes itself as text, and a bool is no digit.
        if self.kind not in _WHOLE:
            return format(value if isinstance(value, float) else int(value), spec)
        return format(int(value), spec) if math.isfinite(value) else format(str(value), self._padding)

    @property
    def _precision(self) -> str:
        return "" if self.precision is None else f".{self.precision}"

    @property
    def _padding(self) -> str:
        return f"{self.shape.replace('=', '>')}{self.width or ''}"

    def cell(self) -> Callable[[Any], str]:
        """A function from a value to its text, padded and cut. It raises as `text` does."""
        if self.numeric and not self.conversion:
            return self._number_cell()
        spec = self._padding + self._precision
        convert: Callable[[Any], str] = self.text if self.conversion else _text
        hyphen, mark, rounds = self.hyphen, self.mark, self.precision is not None and not self.conversion

        def plain(value: Any) -> str:
            return format(value if type(value) is str else convert(value), spec)

        def full(value: Any) -> str:
            if rounds and type(value) is float and not hyphen:
                return format(value, spec)  # a precision means digits here
            text = convert(value)
            if hyphen and text in BLANK:
                text = "-"
            result = format(text, spec)
            return result[:-1] + "+" if mark and len(result) < len(text) else result

        return full if hyphen or mark or rounds or self.conversion else plain

    def _number_cell(self) -> Callable[[Any], str]:
        spec = f"{self.shape}{self.flags}{self.width or ''}{self.group}{self._precision}{self.kind}"
        padding, hyphen = self._padding, self.hyphen

        def cell(value: Any) -> str:
            text = _text(value)
            if hyphen and text in BLANK:
                return format("-", padding)
            if isinstance(value, (int, float)):
                return self._digits(value, spec)
            return format(text, padding)  # what is missing has no digits

        return cell

    def heading(self, title: str) -> str:
        """The title of a column of such fields, as wide as they are."""
        numbers = self.numeric and not self.conversion
        shape = self.shape or (">" if numbers and self.width else "")
        precision = "" if numbers else self._precision
        return format(title, f"{shape.replace('=', '>')}{self.width or ''}{precision}")

    def widened(self, width: int) -> Field:
        """The same with at least so many characters; a precision, which would cut, grows too."""
        cut = self.precision if self.precision is None or self.numeric else max(self.precision, width)
        return self._replace(width=max(self.width, width), precision=cut)

    @property
    def spec(self) -> str:
        """The specification as text, `parse_field`'s second argument."""
        body = f"{self.shape}{self.flags}{self.width or ''}{self.group}{self._precision}{self.kind}"
        body += "h" * self.hyphen + "+" * self.mark
        if self.conversion != "d":
            return body
        return f"{self.form}::{body}" if body else self.form


@lru_cache(maxsize=256)
def parse_field(conversion: str, spec: str) -> Field:
    """Read a specification. Raises FormatError (a ValueError) for a conversion or specification that there is not."""
    if conversion and conversion not in "DdFHPsra":
        raise FormatError(f"Unknown conversion !{conversion}: use one of !D !d !F !H !P !s !r !a")
    form = ""
    body = spec
    if conversion == "d":
        form, _, body = spec.partition("::")
    given = body
    mark = body.endswith("+")
    body = body[:-1] if mark else body
    hyphen = body.endswith("h")
    body = body[:-1] if hyphen else body
    match = _SPEC.fullmatch(body)
    if match is None or "{" in given or (hyphen and body.endswith("+")):
        raise FormatError(f"Invalid format specifier {given!r}: expected [[fill]<>^][width][.precision][h][+]")
    width, precision, kind = int((match["width"] or "0")[:9]), match["precision"], match["kind"]
    if width > MAX_WIDTH or int((precision or "0")[:9]) > MAX_WIDTH:
        raise FormatError(f"Invalid format specifier {given!r}: a width is at most {MAX_WIDTH}")
    if kind not in _NUMERIC | {"", "s"} or (kind in _NUMERIC and kind and conversion):
        raise FormatError(f"Invalid format specifier {given!r}: unknown or unfit type {kind!r}")
    shape = (match["fill"] or "") + (match["align"] or "")
    field = Field(
        conversion,
        form,
        shape,
        match["flags"],
        width,
        match["group"],
        int(precision) if precision is not None else None,
        "" if kind == "s" else kind,
        hyphen,
        mark,
    )
    try:
        field.cell()(1.0 if kind in set("eEfFgG%") else 1)  # Python knows the rest, such as a sign on a character
    except (ValueError, OverflowError) as error:
        raise FormatError(f"Invalid format specifier {given!r}: {error}") from error
    return field


class UtilFormatter(string.Formatter):
    """`string.Formatter` with the conversions and suffixes of listings: `UtilFormatter().format("{0!F:>8h}", 90)`."""

    def convert_field(self, value: Any, conversion: Any) -> Any:
        if not conversion:
            return value
        if conversion == "d":
            return _Instant(value)
        parse_field(conversion, "")
        return _convert(value, conversion, "")

    def format_field(self, value: Any, format_spec: str) -> str:
        if isinstance(value, _Instant):
            return parse_field("d", format_spec).cell()(value.value)
        return parse_field("", format_spec).cell()(value)


class _Instant(NamedTuple):
    """A value under !d, which its specification is to convert."""

    value: Any


def _text(value: Any) -> str:
    return value if type(value) is str else "" if value is None else str(value)


def _convert(value: Any, conversion: str, form: str) -> str:
    if conversion in "sra":
        return _text(value) if conversion == "s" else repr(value) if conversion == "r" else ascii(value)
    number = value
    if type(value) is not float and type(value) is not int:
        text = _text(value)
        if not text:
            return ""
        try:
            number = float(value if isinstance(value, (int, float)) else text)
        except ValueError:
            raise FormatError(f"Invalid value {text!r} for conversion !{conversion}: expected a number") from None
    if conversion == "F":
        return fsd(number)
    if conversion in "Dd":
        return format_local(number, form or ISO) if number else ""
    if conversion == "P":
        return _percentage(number)
    if math.isinf(number):
        return "inf"
    return str(timedelta(seconds=1 if 0 < number < 1 else round(number)))


def _percentage(ratio: float) -> str:
    """As many of two decimals as five characters have room for."""
    for decimals in (2, 1):
        digits = f"{ratio * 100:.{decimals}f}".rstrip("0").rstrip(".")
        if len(digits) < 5:
            return digits + "%"
    return f"{ratio * 100:.0f}%"
