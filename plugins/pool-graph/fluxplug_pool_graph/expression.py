"""Search criteria of `find`, compiled to a flat program (fluxion.md section 9.3). Matchers run the program for each vertex."""

from __future__ import annotations

import re
from typing import TypeAlias

from attrs import frozen

from fluxplug.errors import ParseError
from fluxplug.values.hostlist import Hostlist
from fluxplug.values.jobid import id_parse

#: Parentheses may be nested this deep.
MAX_DEPTH = 100

_TOKEN = re.compile(r"[()]|[^ \t()]+")
_WORDS = {
    "status": ("up", "down"),
    "sched-now": ("allocated", "free"),
    "sched-future": ("reserved", "free"),
}
_JOBS = ("jobid-alloc", "jobid-reserved", "jobid-span", "jobid-tag")
_BOOLEANS = {"true": "true", "t": "true", "false": "false", "f": "false"}


@frozen
class Term:
    """`key=value`, the value lower-cased, `t` and `f` of agfilter written out.

    `jobid` has the number of the job terms, `names` the lower-cased host names of `names`.
    """

    key: str
    value: str
    jobid: int = 0
    names: frozenset[str] = frozenset()

    @property
    def names_a_job(self) -> bool:
        """Whether the term is about one job."""
        return self.key in _JOBS


#: Terms, and the words `and` and `or` after their two operands: run it with a stack.
Expression: TypeAlias = "tuple[Term | str, ...]"


def wants_counts(expression: Expression) -> bool:
    """Whether the filters' contents are asked for, and vertices without a filter to be left out."""
    return Term("agfilter", "true") in expression


def parse_expression(text: str) -> Expression:
    """Read an expression; linear. Raises ParseError."""
    tokens = [(match[0], match.start()) for match in _TOKEN.finditer(text)]
    program: list[Term | str] = []
    rest = _sequence(text, tokens, 0, program, 0)
    if rest < len(tokens):
        raise ParseError("unmatched ')'", text, tokens[rest][1])
    return tuple(program)


def _sequence(text: str, tokens: list[tuple[str, int]], at: int, program: list[Term | str], depth: int) -> int:
    """Read `term { [and|or] term }`, from left to right; return where it ends."""
    at = _operand(text, tokens, at, program, depth)
    while at < len(tokens) and tokens[at][0] != ")":
        word = tokens[at][0]
        joins = word in ("and", "or")
        at = _operand(text, tokens, at + joins, program, depth)
        program.append(word if joins else "and")
    return at


def _operand(text: str, tokens: list[tuple[str, int]], at: int, program: list[Term | str], depth: int) -> int:
    if at >= len(tokens):
        raise ParseError("a term is missing", text, len(text))
    word, position = tokens[at]
    if word == ")":
        raise ParseError("a term is missing", text, position)
    if word != "(":
        program.append(_term(text, word, position))
        return at + 1
    if depth >= MAX_DEPTH:
        raise ParseError(f"more than {MAX_DEPTH} parentheses in each other", text, position)
    at = _sequence(text, tokens, at + 1, program, depth + 1)
    if at >= len(tokens):
        raise ParseError("unmatched '('", text, position)
    return at + 1


def _term(text: str, word: str, position: int) -> Term:
    key, _, raw = word.partition("=")
    value = raw.lower()
    if raw:
        if key in _WORDS and value in _WORDS[key]:
            return Term(key, value)
        if key in _JOBS:
            return Term(key, value, jobid=id_parse(raw))
        if key == "names":
            return Term(key, value, names=frozenset(Hostlist(value)))
        if key == "property":
            return Term(key, value)
        if key == "agfilter" and value in _BOOLEANS:
            return Term(key, _BOOLEANS[value])
    raise ParseError("not a term", text, position)
