"""Yes, no and paused as one character, with the letter for terminals without such characters and the color for those with.

For columns such as `{color_up}{up:>2}{color_off}` and `{up.ascii}`.
"""

from __future__ import annotations

COLOR_OFF = "\x1b[0m"


class Mark(str):
    """A character for the eye; `ascii` is the letter instead."""

    __slots__ = ("ascii",)

    ascii: str

    def __new__(cls, sign: str, letter: str) -> Mark:  # noqa: PYI034 - typing.Self needs 3.11
        self = super().__new__(cls, sign)
        self.ascii = letter
        return self

    @classmethod
    def yes_or_no(cls, yes: bool) -> Mark:
        """✔ or ✗."""
        return YES if yes else NO


YES = Mark("✔", "y")
NO = Mark("✗", "n")
PAUSED = Mark("⏸", "p")

_COLORS = {YES: "\x1b[32m", NO: "\x1b[31m", PAUSED: "\x1b[33m"}


def color_of(mark: Mark) -> str:
    """The code that begins the color of a mark: green, red, yellow."""
    return _COLORS[mark]
