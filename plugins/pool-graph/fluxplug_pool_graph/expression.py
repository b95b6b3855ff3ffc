"""Search criteria of `find`: text to a tree (fluxion.md section 9.3). Matchers evaluate the tree over vertices."""

from __future__ import annotations

import re

from attrs import field, frozen

from fluxplug.errors import ParseError
from fluxplug.values.hostlist import Hostlist
from fluxplug.values.jobid import id_parse

_TOKEN = re.compile(r"[ \t]*(?:([()])|([^ \t()]+))")

_WORDS = {
    "status": ("up", "down"),
    "sched-now": ("allocated", "free"),
    "sched-future": ("reserved", "free"),
}
_JOBS = ("jobid-alloc", "jobid-reserved", "jobid-span", "jobid-tag")
_BOOLEANS = {"true": "true", "t": "true", "false": "false", "f": "false"}


@frozen
class Expression:
    """A term, or `and`/`or` over two operands.

    `key` is the term's key, or the word. `value` is the lower-cased value; of the job terms `jobid` has the number, of
    `names` the set of host names is in `names`.
    """

    key: str
    value: str = ""
    jobid: int = 0
    names: frozenset[str] = frozenset()
    operands: tuple[Expression, ...] = field(default=())

    def terms(self) -> list[Expression]:
        """Every term, left to right."""
        if not self.operands:
            return [self]
        return [term for operand in self.operands for term in operand.terms()]


def parse_expression(text: str) -> Expression:
    """Read an expression. Raises ParseError."""
    tokens: list[tuple[str, int]] = []
    place = 0
    body = text.rstrip(" \t")
    while place < len(body):
        match = _TOKEN.match(body, place)
        if match is None:
            raise ParseError("cannot be read", text, place)
        # A bracket belongs to the value when a hostlist has opened it; parentheses never do.
        tokens.append((match[1] or match[2], match.start(match.lastindex or 0)))
        place = match.end()
    parsed, rest = _sequence(text, tokens, 0)
    if rest < len(tokens):
        raise ParseError("unmatched ')'", text, tokens[rest][1])
    return parsed


def _sequence(text: str, tokens: list[tuple[str, int]], at: int) -> tuple[Expression, int]:
    """Read `term { [and|or] term }`, from left to right."""
    left, at = _operand(text, tokens, at)
    while at < len(tokens) and tokens[at][0] != ")":
        word = tokens[at][0]
        joined = word if word in ("and", "or") else "and"
        right, at = _operand(text, tokens, at + 1 if word in ("and", "or") else at)
        left = Expression(joined, operands=(left, right))
    return left, at


def _operand(text: str, tokens: list[tuple[str, int]], at: int) -> tuple[Expression, int]:
    if at >= len(tokens):
        raise ParseError("a term is missing", text, len(text))
    word, position = tokens[at]
    if word == "(":
        inner, at = _sequence(text, tokens, at + 1)
        if at >= len(tokens):
            raise ParseError("unmatched '('", text, position)
        return inner, at + 1
    if word == ")":
        raise ParseError("a term is missing", text, position)
    return _term(text, word, position), at + 1


def _term(text: str, word: str, position: int) -> Expression:
    key, equals, raw = word.partition("=")
    value = raw.lower()
    if equals and raw:
        if key in _WORDS and value in _WORDS[key]:
            return Expression(key, value)
        if key in _JOBS:
            return Expression(key, value, jobid=id_parse(raw))
        if key == "names":
            return Expression(key, value, names=frozenset(Hostlist(raw)))
        if key == "property":
            return Expression(key, value)
        if key == "agfilter" and value in _BOOLEANS:
            return Expression(key, _BOOLEANS[value])
    raise ParseError("not a term", text, position)
