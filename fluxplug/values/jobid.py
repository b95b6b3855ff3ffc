"""Job identifiers (FLUID, RFC 19): 64 bits of time, generator and sequence, with eight text forms.

An id says when and where it was made and nothing about the job. The engine and documents keep plain integers or JobID;
commands read what users type with `JobID(text)`; a driver makes new ids with a FluidGenerator on its own clock.
"""

from __future__ import annotations

import errno
import locale
import os
from functools import cache
from typing import TYPE_CHECKING, NoReturn

from fluxplug.errors import ParseError
from fluxplug.values.emoji576 import EMOJI
from fluxplug.values.mnemonic_words import WORDS

if TYPE_CHECKING:
    from collections.abc import Callable

ENCODINGS = ("dec", "hex", "dothex", "kvs", "f58", "f58plain", "words", "emoji")

_LIMIT = 1 << 64
_SEQUENCE_BITS = 10
_GENERATOR_BITS = 14
_TIME_SHIFT = _SEQUENCE_BITS + _GENERATOR_BITS
_MAX_SEQUENCE = (1 << _SEQUENCE_BITS) - 1
_MAX_GENERATOR = (1 << _GENERATOR_BITS) - 1
_MAX_TIME = (1 << 40) - 1
_BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_WORD_BASE = 1626
_DECIMAL = frozenset("0123456789")
_HEX = frozenset("0123456789abcdefABCDEF")


class JobID(int):
    """A job id: an integer whose `str` is its F58 form and whose `orig` is what it was made from.

    `JobID(text)` takes any of the eight forms and raises ParseError (a ValueError); `JobID(int)` takes any integer, but
    only those of 64 bits can be encoded (OverflowError).
    """

    orig: str

    def __new__(cls, value: int | str) -> JobID:  # noqa: PYI034 - typing.Self needs 3.11
        self = super().__new__(cls, id_parse(value) if isinstance(value, str) else value)
        self.orig = value.orig if isinstance(value, JobID) else str(value)
        return self

    def encode(self, encoding: str = "dec") -> str:
        """The text in one of ENCODINGS. Raises as `id_encode` does."""
        return id_encode(self, encoding)

    @property
    def dec(self) -> str:
        """Decimal."""
        return id_encode(self, "dec")

    @property
    def hex(self) -> str:
        """`0x` and lower-case digits, not padded."""
        return id_encode(self, "hex")

    @property
    def dothex(self) -> str:
        """Four groups of four hexadecimal digits, joined with dots."""
        return id_encode(self, "dothex")

    @property
    def kvs(self) -> str:
        """The job's directory in Flux's key-value store: `job.` and the dothex form."""
        return id_encode(self, "kvs")

    @property
    def f58(self) -> str:
        """Base 58 after `ƒ`; after `f` where the locale is not UTF-8 or FLUX_F58_FORCE_ASCII is set."""
        return id_encode(self, "f58")

    @property
    def f58plain(self) -> str:
        """Base 58 after `f`, in any locale."""
        return id_encode(self, "f58plain")

    @property
    def words(self) -> str:
        """Two times three words."""
        return id_encode(self, "words")

    @property
    def emoji(self) -> str:
        """Base 576."""
        return id_encode(self, "emoji")

    @property
    def timestamp_ms(self) -> int:
        """When it was made: milliseconds since the instance's own epoch."""
        return int(self) >> _TIME_SHIFT

    @property
    def generator(self) -> int:
        """The number of the generator that made it."""
        return int(self) >> _SEQUENCE_BITS & _MAX_GENERATOR

    @property
    def sequence(self) -> int:
        """Its place among the ids of that generator and millisecond."""
        return int(self) & _MAX_SEQUENCE

    def __str__(self) -> str:
        return self.f58

    def __repr__(self) -> str:
        return f"JobID({int(self)})"


class FluidGenerator:
    """Makes ids that ascend strictly, whatever the clock does.

    `now_ms` gives milliseconds since the instance's epoch and is read once an id. When it stands still or runs backwards,
    or over 1024 ids fall into one millisecond, the time in the ids runs ahead of it: nobody has to wait. `after` is the
    last id of a former run, which all new ones exceed.

    Raises ValueError for a generator id that does not fit 14 bits; `next` raises OverflowError after 2**40 ms.
    """

    __slots__ = ("_generator", "_now_ms", "_sequence", "_time")

    def __init__(self, generator_id: int, now_ms: Callable[[], int], *, after: int | None = None) -> None:
        if not 0 <= generator_id <= _MAX_GENERATOR:
            raise ValueError(f"a generator id must be in 0..{_MAX_GENERATOR}, not {generator_id}")
        self._generator = generator_id
        self._now_ms = now_ms
        # As if the last millisecond were used up: the next id takes a later one.
        self._time = -1 if after is None else int(after) >> _TIME_SHIFT
        self._sequence = _MAX_SEQUENCE

    def next(self) -> JobID:
        """A new id, greater than any before it."""
        now = self._now_ms()
        if now > self._time:
            self._time, self._sequence = now, 0
        elif self._sequence < _MAX_SEQUENCE:
            self._sequence += 1
        else:
            self._time, self._sequence = self._time + 1, 0
        if self._time > _MAX_TIME:
            raise OverflowError("the time of an id does not fit 40 bits of milliseconds")
        return JobID(self._time << _TIME_SHIFT | self._generator << _SEQUENCE_BITS | self._sequence)


def id_encode(jobid: int, encoding: str = "f58") -> str:
    """The text of an id in one of ENCODINGS.

    Raises OverflowError for an id outside 0..2**64-1, OSError (EPROTO) for an unknown encoding.
    """
    number = int(jobid)
    if not 0 <= number < _LIMIT:
        raise OverflowError(f"{number} does not fit a 64-bit job id")
    if encoding in ("f58", "f58plain"):
        prefix = "f" if encoding == "f58plain" or _ascii_only() else "ƒ"
        return prefix + _in_base(number, _BASE58)
    if encoding == "dec":
        return str(number)
    if encoding == "hex":
        return hex(number)
    if encoding in ("dothex", "kvs"):
        digits = f"{number:016x}"
        dotted = ".".join(digits[i : i + 4] for i in range(0, 16, 4))
        return f"job.{dotted}" if encoding == "kvs" else dotted
    if encoding == "words":
        return "--".join(_half_in_words(half) for half in (number & 0xFFFFFFFF, number >> 32))
    if encoding == "emoji":
        return _in_base(number, EMOJI)
    raise OSError(errno.EPROTO, f"unknown job id encoding {encoding!r}; known are {', '.join(ENCODINGS)}")


def id_parse(text: str) -> int:
    """The id that a text in any of the eight forms names; blanks around it are ignored.

    Raises ParseError (a ValueError) for anything else, also for a number that does not fit 64 bits.
    """
    body = text.strip(" ")
    start = len(text) - len(text.lstrip(" "))
    if "." in body:
        return _parse_dotted(body, text, start)
    if "-" in body:
        return _parse_words(body, text, start)
    if body[:1] in ("f", "ƒ"):
        return _parse_digits(body[1:], _digit_values(_BASE58), "F58", text, start + 1)
    if "\U0001f000" <= body[:1] <= "\U0001ffff":
        return _parse_digits(body, _digit_values(EMOJI), "emoji", text, start)
    if body.startswith("0x"):
        return _bounded(_parse_plain(body[2:], _HEX, 16, text, start + 2), text, start)
    return _bounded(_parse_plain(body, _DECIMAL, 10, text, start), text, start)


def _ascii_only() -> bool:
    return "FLUX_F58_FORCE_ASCII" in os.environ or not _locale_is_utf8()


@cache
def _locale_is_utf8() -> bool:
    return locale.getpreferredencoding(False).lower().replace("-", "") == "utf8"


@cache
def _digit_values(alphabet: str) -> dict[str, int]:
    return {digit: value for value, digit in enumerate(alphabet)}


@cache
def _words() -> tuple[str, ...]:
    return tuple(WORDS.split())


@cache
def _word_values() -> dict[str, int]:
    return {word: value for value, word in enumerate(_words()[:_WORD_BASE])}


def _in_base(number: int, alphabet: str) -> str:
    base = len(alphabet)
    digits = []
    while True:
        number, digit = divmod(number, base)
        digits.append(alphabet[digit])
        if not number:
            return "".join(reversed(digits))


def _half_in_words(half: int) -> str:
    words = _words()
    rest, low = divmod(half, _WORD_BASE)
    high, middle = divmod(rest, _WORD_BASE)
    return f"{words[low]}-{words[middle]}-{words[high]}"


def _fail(reason: str, text: str, position: int) -> NoReturn:
    raise ParseError(f"not a job id: {reason}", text, position)


def _bounded(number: int, text: str, position: int) -> int:
    if number >= _LIMIT:
        _fail("the number does not fit 64 bits", text, position)
    return number


def _parse_plain(digits: str, allowed: frozenset[str], base: int, text: str, position: int) -> int:
    if not digits:
        _fail("expected digits", text, position)
    for i, digit in enumerate(digits):
        if digit not in allowed:
            _fail("expected a digit or the end", text, position + i)
    # 20 digits hold 2**64 in either base; int() would take its time over a million of them.
    significant = digits.lstrip("0") or "0"
    return int(significant, base) if len(significant) <= 20 else _LIMIT


def _parse_digits(digits: str, values: dict[str, int], name: str, text: str, position: int) -> int:
    if not digits:
        _fail(f"expected {name} digits", text, position)
    number = 0
    for i, digit in enumerate(digits):
        value = values.get(digit)
        if value is None:
            _fail(f"no such {name} digit", text, position + i)
        number = _bounded(number * len(values) + value, text, position)
    return number


def _parse_dotted(body: str, text: str, position: int) -> int:
    if body.startswith("job."):
        body, position = body[4:], position + 4
    groups = body.split(".")
    if len(groups) != 4:
        _fail("expected four groups of hexadecimal digits", text, position)
    number = 0
    for group in groups:
        if len(group) > 4:
            _fail("a group has at most four hexadecimal digits", text, position)
        number = number << 16 | _parse_plain(group, _HEX, 16, text, position)
        position += len(group) + 1
    return number


def _parse_words(body: str, text: str, position: int) -> int:
    halves = body.split("--")
    if len(halves) != 2:
        _fail("expected two halves of three words, joined with --", text, position)
    values = _word_values()
    number = 0
    for i, half in enumerate(halves):
        words = half.split("-")
        if len(words) != 3:
            _fail("expected three words, joined with -", text, position)
        value = 0
        for k, word in enumerate(words):
            if word not in values:
                _fail("unknown word", text, position + sum(len(w) + 1 for w in words[:k]))
            value += values[word] * _WORD_BASE**k
        if value >= 2**32:
            _fail("the number does not fit 64 bits", text, position)
        number |= value << (32 * i)
        position += len(half) + 2
    return number
