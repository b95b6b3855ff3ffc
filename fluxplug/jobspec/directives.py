'''Submission directives: options of `batch` that stand in the script itself (RFC 36), `#FLUX: -N4 --queue=debug`.

It finds them and splits them into words; what the words mean is the command line's business. A directive is a line that begins with a sentinel:
anything but letters, digits and `_`, then `flux:` or `FLUX:`. The first sentinel is that of the whole script. Words are split as a POSIX shell does, and

    """..."""     (or with single quotes) is literal, quotes and backslashes included
    """           at the end of a line: the following lines after the sentinel are, up to one that ends so, less the first one's indent

Directives end at the first line that is neither blank nor begins as the sentinel does; one that comes later is an error.
'''

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from fluxplug.errors import FluxplugError

if TYPE_CHECKING:
    from fluxplug.jobspec.document import Readable

_LINE = re.compile(r"(?P<prefix>[^\w]*)(?P<tag>flux:|FLUX:)(?P<rest>.*)", re.DOTALL)
_BLANK = " \t\r\n"


class DirectiveSyntaxError(FluxplugError, ValueError):
    """A script whose directives do not follow the grammar; `lineno` counts from 1."""

    def __init__(self, lineno: int, reason: str) -> None:
        super().__init__(f"line {lineno}: {reason}")
        self.lineno = lineno
        self.reason = reason


class Directive(NamedTuple):
    """One directive: where it begins, and what it asks for: SETARGS, options of the command, or NOOP, a comment."""

    lineno: int
    action: str
    args: list[str]


class DirectiveParser:
    """The directives of a script: `.script` is its whole text, `.directives` a list of Directive in their order.

    Takes an open file, text or UTF-8; time in proportion to it. Raises DirectiveSyntaxError (a ValueError).
    """

    def __init__(self, file: Readable) -> None:
        text = file.read(-1)
        if isinstance(text, bytes):
            try:
                text = text.decode()
            except UnicodeDecodeError as error:
                lineno = 1 + error.object.count(b"\n", 0, error.start)
                raise DirectiveSyntaxError(lineno, f"a script must be UTF-8: {error}") from error
        self.script = text
        self.directives: list[Directive] = []
        self._sentinel: tuple[str, str] | None = None
        self._first = 0  # the line that it was first seen in
        self._disabled = False
        lines = iter(enumerate(text.split("\n"), 1))
        for lineno, line in lines:
            rest = self._directive(lineno, line)
            if rest is not None:
                self._add(lineno, rest, lines)

    def _directive(self, lineno: int, line: str) -> str | None:
        """What follows the sentinel; None if the line is no directive."""
        match = _LINE.fullmatch(line)
        if match is None:
            if self._sentinel is not None and line.strip() and not line.startswith(self._sentinel[0].rstrip()):
                self._disabled = True
            return None
        if self._disabled:
            last = self.directives[-1].lineno if self.directives else self._first
            raise DirectiveSyntaxError(
                lineno, f"orphan {match['tag']!r} detected: directives disabled after line {last}"
            )
        found = (match["prefix"], match["tag"])
        if self._sentinel is None:
            self._sentinel, self._first = found, lineno
        elif found != self._sentinel:
            first = "".join(self._sentinel)
            raise DirectiveSyntaxError(
                lineno,
                f"sentinel changed from {first!r} to {''.join(found)!r}: all directives of a script begin alike; "
                f"to switch one off, put a # behind the sentinel: {first} # {match['rest'].strip()}",
            )
        return match["rest"]

    def _add(self, lineno: int, rest: str, lines: enumerate[str]) -> None:
        words, opened = _split(lineno, rest)
        if opened is not None:
            words[-1] += self._block(lineno, rest, opened, lines)
        if words and not words[0].startswith("-"):
            raise DirectiveSyntaxError(lineno, f"Unknown directive: {rest}: expected an option, such as -N4")
        if words:
            self.directives.append(Directive(lineno, "SETARGS", words))
        elif rest.strip():
            self.directives.append(Directive(lineno, "NOOP", []))

    def _block(self, begin: int, rest: str, quote: str, lines: enumerate[str]) -> str:
        """The literal text of the lines up to one that ends with `quote`."""
        found: list[str] = []
        indent = ""
        lineno = begin
        for lineno, line in lines:
            body = self._directive(lineno, line)
            if body is None:
                break
            if not found:
                indent = body[: len(body) - len(body.lstrip(_BLANK))]
            ended = body.rstrip(_BLANK).endswith(quote)
            if ended:
                body = body.rstrip(_BLANK).removesuffix(quote)
            found.append(body.removeprefix(indent) if body.startswith(indent) else body.lstrip(_BLANK))
            if ended:
                return "\n".join(found)
        raise DirectiveSyntaxError(lineno, f"unterminated multi-line quote at line {begin}: `{rest.strip()}'")


def _split(lineno: int, text: str) -> tuple[list[str], str | None]:
    """The words of a directive; and the triple quote that is open at the end of the line, to be continued in the last word."""
    words: list[str] = []
    word: str | None = None  # None between words
    position, end = 0, len(text)
    while position < end:
        char = text[position]
        if char in _BLANK:
            if word is not None:
                words.append(word)
                word = None
            position += 1
        elif char == "#" and word is None:
            break
        elif char in "'\"" and text.startswith(char * 3, position):
            close = text.find(char * 3, position + 3)
            if close < 0:
                if text[position + 3 :].strip():
                    raise DirectiveSyntaxError(lineno, f"unclosed triple quote: {text.strip()}")
                return [*words, word or ""], char * 3
            word = (word or "") + text[position + 3 : close]
            position = close + 3
        elif char in "'\"":
            quoted, position = _quoted(lineno, text, position)
            word = (word or "") + quoted
        elif char == "\\":
            if position + 1 >= end:
                raise DirectiveSyntaxError(lineno, f"{text}: No escaped character")
            word = (word or "") + text[position + 1]
            position += 2
        else:
            word = (word or "") + char
            position += 1
    return ([*words, word] if word is not None else words), None


def _quoted(lineno: int, text: str, start: int) -> tuple[str, int]:
    """What stands between the quote at `start` and its partner, and the position behind that."""
    quote, position = text[start], start + 1
    found: list[str] = []
    while position < len(text):
        char = text[position]
        if char == quote:
            return "".join(found), position + 1
        if char == "\\" and quote == '"' and text[position + 1 : position + 2] in ('"', "\\", "$", "`"):
            position += 1
            char = text[position]
        found.append(char)
        position += 1
    raise DirectiveSyntaxError(lineno, f"{text}: No closing quotation")
