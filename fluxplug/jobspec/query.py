"""The text syntax of constraints and queries (RFC 35): text in, `{operator: [values...]}` out.

It knows the grammar, not what an operator means: `--requires` (`parse_requires`), job listings and others share it, each with its own
default operator, aliases and separators. Whether the result is a constraint is the business of `constraint.parse_constraint`.

    expr := expr expr | expr AND expr | expr OR expr | "not" expr | "(" expr ")" | "-" term | term
    AND  := "&" | "&&" | "and"            OR := "|" | "||" | "or"
    term := [operator ":"] operand        the operand, or the whole term, may stand in '...' or "..."

From loose to tight: OR, AND, not, minus. Two expressions side by side mean AND, with a rule of their own:

- a term or `(` first ends everything to its left in the same parentheses: `a|b c` is `(a|b) & c`;
- a `not` or `-` joins the operand just before it, tighter than a `not` there: `a|b -c` is `a | (b & -c)`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, ClassVar

from attrs import frozen

from fluxplug.errors import ParseError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

# A constraint nested deeper than this is refused here and in `constraint`: far beyond any use, far below Python's recursion limit.
MAX_DEPTH = 100
# Hostlists of the largest machines written out name by name stay below this.
MAX_TEXT = 1 << 20

_WORD = re.compile(r"[^\s()&|'\"]+")
_BAD_IN_OPERATOR = re.compile(r"[^\w.+@-]")
_KEYWORDS = frozenset({"and", "or", "not"})
# "beside" is the AND of two expressions side by side.
_LEVEL = {"(": 0, "or": 1, "and": 2, "beside": 2, "not": 3}

Tree = dict[str, list[Any]]


class ConstraintSyntaxError(ParseError):
    """A constraint text that does not follow the grammar."""


@frozen
class _Token:
    kind: str  # "and", "or", "not", "-", "(", ")" or "term"
    position: int
    text: str
    operator: str | None = None
    operand: str = ""


class ConstraintParser:
    """A parser of RFC 35 texts; a subclass says what its operators are called.

    - `operator_map`: alias to operator; the entry under None is the operator of a bare term, without which a bare term is an error.
    - `split_values`: operator to the separator at which its operand is split into several values.
    - `combined_terms`: operators of which two neighbours joined by AND become one list of values.
    """

    operator_map: ClassVar[Mapping[str | None, str]] = {}
    split_values: ClassVar[Mapping[str, str]] = {}
    combined_terms: ClassVar[frozenset[str] | set[str]] = frozenset()

    def parse(self, text: str) -> Tree:
        """The object that `text` stands for. Linear in its length; ConstraintSyntaxError for anything outside the grammar."""
        if len(text) > MAX_TEXT:
            raise ConstraintSyntaxError(f"longer than {MAX_TEXT} characters", text, MAX_TEXT)
        stack = _Stack(text, self.combined_terms)
        minus = False
        for token in _tokens(text):
            if minus and token.kind != "term":
                raise ConstraintSyntaxError(f"Invalid token {token.text!r}", text, token.position)
            if token.kind == "term":
                if not minus:
                    stack.juxtapose(loosely=True)
                leaf = self._leaf(text, token)
                stack.operand({"not": [leaf]} if minus else leaf, 2 if minus else 1)
                minus = False
            elif token.kind == "-":
                stack.juxtapose(loosely=False)
                minus = True
            else:
                stack.push(token)
        if minus:
            raise ConstraintSyntaxError("Unexpected end of input", text, len(text))
        return stack.finish()

    def _leaf(self, text: str, token: _Token) -> Tree:
        operator = self.operator_map.get(token.operator, token.operator)
        if operator is None:
            raise ConstraintSyntaxError(f"Missing operator before {token.text!r}", text, token.position)
        if operator in _KEYWORDS:
            raise ConstraintSyntaxError(f"{operator!r} cannot be an operator", text, token.position)
        separator = self.split_values.get(operator)
        values = token.operand.split(separator) if separator else [token.operand]
        if "" in values:
            raise ConstraintSyntaxError(f"Empty value in {token.text!r}", text, token.position)
        return {operator: values}


class RequiresParser(ConstraintParser):
    """The syntax of `--requires`: bare terms are node properties."""

    operator_map: ClassVar[Mapping[str | None, str]] = {
        None: "properties",
        "host": "hostlist",
        "hosts": "hostlist",
        "rank": "ranks",
    }
    split_values: ClassVar[Mapping[str, str]] = {"properties": ","}
    combined_terms: ClassVar[frozenset[str] | set[str]] = frozenset({"properties"})


def parse_requires(requires: str | list[str]) -> Tree:
    """The constraint object of one `--requires` text, or of several joined by blanks. ConstraintSyntaxError if there is none.

    Operators are not checked, as in Flux: `foo:bar` gives `{"foo": ["bar"]}`, which validation then refuses.
    """
    return RequiresParser().parse(requires if isinstance(requires, str) else " ".join(requires))


class _Stack:
    """Operands and the operators that still wait for their right side: precedence climbing without recursion."""

    def __init__(self, text: str, combined_terms: frozenset[str] | set[str]) -> None:
        self.text = text
        self.combined_terms = combined_terms
        self.operands: list[tuple[Tree, int]] = []  # the tree and its depth
        self.operators: list[tuple[str, int]] = []  # the kind and its position
        self.complete = False  # the last thing read ends an expression
        self.open = 0

    def operand(self, tree: Tree, depth: int) -> None:
        self.operands.append((tree, depth))
        self.complete = True

    def juxtapose(self, loosely: bool) -> None:
        """An expression begins; where one stands before it, join them."""
        if self.complete:
            if loosely:
                self._reduce(_LEVEL["or"])
            self.operators.append(("beside", len(self.text)))
            self.complete = False

    def push(self, token: _Token) -> None:
        kind = token.kind
        if kind == "(":
            self.juxtapose(loosely=True)
            self.open += 1
            if self.open > MAX_DEPTH:
                raise ConstraintSyntaxError(f"Parentheses nested deeper than {MAX_DEPTH}", self.text, token.position)
            self.operators.append((kind, token.position))
        elif kind == "not":
            self.juxtapose(loosely=False)
            self.operators.append((kind, token.position))
        elif kind == ")" and not self.open:
            raise ConstraintSyntaxError("Mismatched parenthesis", self.text, token.position)
        elif not self.complete:
            raise ConstraintSyntaxError(f"Invalid token {token.text!r}", self.text, token.position)
        elif kind == ")":
            self._reduce(_LEVEL["or"])
            self.operators.pop()
            self.open -= 1
        else:
            self._reduce(_LEVEL[kind])
            self.operators.append((kind, token.position))
            self.complete = False

    def finish(self) -> Tree:
        if self.complete:
            self._reduce(_LEVEL["or"])
            if self.operators:
                raise ConstraintSyntaxError("Unclosed parenthesis", self.text, self.operators[-1][1])
            return self.operands[0][0]
        raise ConstraintSyntaxError("Unexpected end of input", self.text, len(self.text))

    def _reduce(self, level: int) -> None:
        """Apply the operators on top that bind at least as tightly as `level`, down to the innermost open parenthesis."""
        operators, operands = self.operators, self.operands
        while operators and _LEVEL[operators[-1][0]] >= level:
            kind, position = operators.pop()
            right, depth = operands.pop()
            if kind == "not":
                tree, depth = {"not": [right]}, depth + 1
            else:
                left, left_depth = operands.pop()
                tree, left_down, right_down = self._join("or" if kind == "or" else "and", left, right)
                depth = max(left_depth + left_down, depth + right_down)
            if depth > MAX_DEPTH:
                raise ConstraintSyntaxError(f"Expressions nested deeper than {MAX_DEPTH}", self.text, position)
            operands.append((tree, depth))

    def _join(self, kind: str, left: Tree, right: Tree) -> tuple[Tree, int, int]:
        """`left` extended by `right`, or a new node over both; and how many levels each of them moves down."""
        if kind in left:
            left[kind].append(right)
            return left, 0, 1
        if kind == "and":
            for operator in self.combined_terms & left.keys() & right.keys():
                left[operator] += right[operator]
                return left, 0, 0
        return {kind: [left, right]}, 1, 1


def _tokens(text: str) -> Iterator[_Token]:
    position, end = 0, len(text)
    while position < end:
        start, char = position, text[position]
        if char.isspace():
            position += 1
        elif char in "()-":
            position += 1
            yield _Token(char, start, char)
        elif char in "&|":
            position += 2 if text.startswith(char * 2, position) else 1
            yield _Token("and" if char == "&" else "or", start, text[start:position])
        elif char in "'\"":
            body, position = _quoted(text, position)
            yield _term(text, start, body)
        else:
            match = _WORD.match(text, position)
            if match is None:
                raise ConstraintSyntaxError(f"Invalid token {char!r}", text, position)
            word, position = match.group(), match.end()
            if text[position : position + 1] in ("'", '"'):
                if word.find(":") != len(word) - 1:
                    raise ConstraintSyntaxError("Quote inside a word", text, position)
                body, position = _quoted(text, position)
                yield _term(text, start, word + body)
            elif word in _KEYWORDS:
                yield _Token(word, start, word)
            else:
                yield _term(text, start, word)


def _quoted(text: str, start: int) -> tuple[str, int]:
    """The text between the quote at `start` and its partner, and where the input goes on."""
    end = text.find(text[start], start + 1)
    if end < 0:
        raise ConstraintSyntaxError(f"Unclosed quote {text[start]!r}", text, start)
    after = text[end + 1 : end + 2]
    if after and not after.isspace() and after not in "()&|":
        raise ConstraintSyntaxError("Expected a blank or an operator after the quote", text, end + 1)
    return text[start + 1 : end], end + 1


def _term(text: str, start: int, term: str) -> _Token:
    operator, colon, operand = term.partition(":")
    if not colon:
        if not term:
            raise ConstraintSyntaxError("Empty term", text, start)
        return _Token("term", start, term, None, term)
    if not operator:
        raise ConstraintSyntaxError(f"Missing operator in {term!r}", text, start)
    bad = _BAD_IN_OPERATOR.search(operator)
    if bad is not None:
        raise ConstraintSyntaxError(f"invalid character {bad.group()!r} in operator {operator + ':'!r}", text, start)
    if not operand:
        raise ConstraintSyntaxError(f"Missing argument to token {operator + ':'!r}", text, start)
    return _Token("term", start, term, operator, operand)
