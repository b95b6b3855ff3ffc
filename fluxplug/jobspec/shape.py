"""Shapes: the resources of a jobspec in one line (RFC 46), `node=2/slot=4/[core=3;gpu=1]`.

It knows the grammar and the counts, not which vertices make sense together: the result goes through the validators like any
other list of resources. `--resources-shape` and the tests' scenario builders call it.

    list   := "[" vertex (";" vertex)* "]" | vertex
    vertex := type ["=" count] ["{" [item ("," item)*] "}"] ["/" list]
    item   := key ":" value | ["+"|"-"] key

The first item of a `slot` is its label, and a slot must hold something. Blanks may stand between any two parts.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any, NoReturn

from fluxplug.errors import ParseError
from fluxplug.values.count import parse_count

#: The deepest nesting of vertices and of values: beyond any machine, and far below Python's recursion limit.
MAX_DEPTH = 100
MAX_TEXT = 1 << 20

_BLANKS = re.compile(r"\s*")
_BARE = re.compile(r"[^\s=\[\]{};/,:'\"]+")
_QUOTED = re.compile(r"'[^']*'|\"(?:[^\"\\]|\\.)*\"", re.DOTALL)
_COUNT = re.compile(r"\[[^\]]*\]|[^\s\[\]{};/'\"]*")
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?P<fraction>\.[0-9]+)?(?P<exponent>[eE][+-]?[0-9]+)?")
_SURROGATE = re.compile("[\ud800-\udfff]")
_CONSTANTS = {"true": True, "false": False, "null": None}
_RESERVED = frozenset({"type", "count", "with"})
# No number of a resource is longer, and int() refuses thousands of digits.
_LONGEST_NUMBER = 64


class ShapeSyntaxError(ParseError):
    """A shape that does not follow the grammar."""


class ShapeParser:
    """Turns shapes into lists of RFC 14 resource vertices; set the attributes on the instance or in a subclass."""

    #: The label of a slot without one (RFC 46 says `default`, Flux `task`).
    default_slot_label = "task"
    #: Counts that are ranges become mappings instead of strings; an unbounded stepped one has a `max` of infinity.
    range_as_dict = False

    def parse(self, text: str) -> list[dict[str, Any]]:
        """The `resources` that `text` means, keys in the order type, count, label, others, with.

        Linear in the text. Raises ShapeSyntaxError (a ValueError), also for nesting beyond MAX_DEPTH, for a label given
        twice, and for several slots of which one has no label.
        """
        if len(text) > MAX_TEXT:
            raise ShapeSyntaxError(f"longer than {MAX_TEXT} characters", text, MAX_TEXT)
        return _Reader(text, self).resources()


class _Reader:
    def __init__(self, text: str, options: ShapeParser) -> None:
        self.text = text
        self.options = options
        self.position = 0
        self.labels: set[str] = set()
        self.slots = 0
        self.unlabelled: int | None = None  # where the first slot without a label is

    def resources(self) -> list[dict[str, Any]]:
        vertices = self.vertices(1)
        if self.next():
            self.fail(f"Invalid token {self.next()!r}")
        if self.slots > 1 and self.unlabelled is not None:
            self.fail("Multiple slots require labels", self.unlabelled)
        return vertices

    def fail(self, reason: str, position: int | None = None) -> NoReturn:
        raise ShapeSyntaxError(reason, self.text, self.position if position is None else position)

    def next(self) -> str:
        """The next character that is no blank, which stays unread; empty at the end."""
        blanks = _BLANKS.match(self.text, self.position)
        if blanks:
            self.position = blanks.end()
        return self.text[self.position : self.position + 1]

    def take(self, character: str) -> bool:
        found = self.next() == character
        self.position += found
        return found

    def expected(self, what: str) -> NoReturn:
        found = self.next()
        self.fail(f"Invalid token {found!r}, expected {what}" if found else f"Unexpected end of input, expected {what}")

    def vertices(self, depth: int) -> list[dict[str, Any]]:
        if self.next() != "[":
            return [self.vertex(depth)]
        opened = self.position
        self.position += 1
        vertices = [self.vertex(depth)]
        while self.take(";"):
            vertices.append(self.vertex(depth))
        if not self.take("]"):
            if not self.next():
                self.fail("Unclosed bracket", opened)
            self.expected("; or ]")
        return vertices

    def vertex(self, depth: int) -> dict[str, Any]:
        if depth > MAX_DEPTH:
            self.fail(f"resources nested deeper than {MAX_DEPTH} levels")
        self.next()
        start = self.position
        name = self.string("a resource type")
        slot = name.lower() == "slot"
        vertex: dict[str, Any] = {"type": "slot" if slot else name, "count": 1}
        if self.take("="):
            vertex["count"] = self.count()
        if slot:
            self.slots += 1
            vertex["label"] = self.options.default_slot_label
        items = self.items(0, vertex) if self.next() == "{" else {}
        if slot and not items and self.unlabelled is None:
            self.unlabelled = start
        vertex.update(items)
        if self.take("/"):
            vertex["with"] = self.vertices(depth + 1)
        elif slot:
            self.expected("/ and what the slot holds")
        return vertex

    def count(self) -> int | str | dict[str, Any]:
        self.next()
        start = self.position
        match = _COUNT.match(self.text, start)
        token = match[0] if match else ""
        if not token:
            self.expected("a count")
        try:
            spec = parse_count(token)
        except ParseError as error:
            self.fail(f"Illegal count: {error.reason}", start + error.position)
        text = token.strip("[]")
        # The reader of idsets skips empty items; a jobspec that we write has none.
        if "" in text.split(","):
            self.fail("Illegal count: an empty item", start)
        self.position = start + len(token)
        if text.isdigit():
            return spec.min
        if not self.options.range_as_dict or spec.listed:
            return text
        if spec.max is None and spec.operand == 1 and spec.operator == "+":
            return {"min": spec.min}
        high = math.inf if spec.max is None else spec.max
        return {"min": spec.min, "max": high, "operand": spec.operand, "operator": spec.operator}

    def items(self, depth: int, vertex: dict[str, Any] | None) -> dict[str, Any]:
        """The items in braces; `vertex` is what they describe, None for a value."""
        if depth > MAX_DEPTH:
            self.fail(f"values nested deeper than {MAX_DEPTH} levels")
        opened = self.position
        self.position += 1
        found: dict[str, Any] = {}
        if self.take("}"):
            return found
        if vertex is not None and vertex["type"] == "slot":
            found["label"] = self.label()
        else:
            self.item(depth, vertex, found)
        while self.take(","):
            self.item(depth, vertex, found)
        if not self.take("}"):
            if not self.next():
                self.fail("Unclosed brace", opened)
            self.expected(", or }")
        return found

    def label(self) -> str:
        self.next()
        start = self.position
        label = self.string("the label of the slot")
        if self.next() == ":":
            self.fail("the label of a slot comes before its other keys", start)
        if label in self.labels:
            self.fail(f"another slot has the label {label!r}", start)
        self.labels.add(label)
        return label

    def item(self, depth: int, vertex: dict[str, Any] | None, found: dict[str, Any]) -> None:
        sign = self.next() if self.next() in ("+", "-") else ""
        self.position += len(sign)
        start = self.position
        key = self.string("a key")
        # Only as a vertex's own key, and only bare, is x short for exclusive.
        if vertex is not None and key == "x" and self.text[start] == "x":
            key = "exclusive"
        if key in found or (vertex is not None and key in _RESERVED):
            self.fail(f"key {key!r} is given twice" if key in found else f"key {key!r} cannot be set here", start)
        if not self.take(":"):
            found[key] = sign != "-"
        elif sign:
            self.fail(f"a key with {sign} has no value", self.position - 1)
        else:
            found[key] = self.value(depth + 1)

    def value(self, depth: int) -> Any:
        if depth > MAX_DEPTH:
            self.fail(f"values nested deeper than {MAX_DEPTH} levels")
        following = self.next()
        if following == "{":
            return self.items(depth, None)
        if following == "[":
            return self.array(depth)
        start = self.position
        text = self.string("a value", empty=True)
        if following in ("'", '"'):
            return text
        if text in _CONSTANTS:
            return _CONSTANTS[text]
        number = _NUMBER.fullmatch(text)
        if number is None:
            return text
        if len(text) > _LONGEST_NUMBER:
            self.fail("a number is too long", start)
        if number["fraction"] is None and number["exponent"] is None:
            return int(text)
        if math.isinf(float(text)):
            self.fail("a number is too large", start)
        return float(text)

    def array(self, depth: int) -> list[Any]:
        opened = self.position
        self.position += 1
        if self.take("]"):
            return []
        values = [self.value(depth + 1)]
        while self.take(","):
            values.append(self.value(depth + 1))
        if not self.take("]"):
            if not self.next():
                self.fail("Unclosed bracket", opened)
            self.expected(", or ]")
        return values

    def string(self, what: str, *, empty: bool = False) -> str:
        """A bare word, '...' as it stands, or "..." with JSON's escapes."""
        quote = self.next()
        start = self.position
        if quote not in ("'", '"'):
            bare = _BARE.match(self.text, start)
            if bare is None:
                self.expected(what)
            self.position = bare.end()
            return bare[0]
        quoted = _QUOTED.match(self.text, start)
        if quoted is None:
            self.fail(f"Unclosed quote {quote}")
        self.position = quoted.end()
        value = quoted[0][1:-1]
        if quote == '"' and "\\" in value:
            try:
                value = json.loads(quoted[0], strict=False)
            except json.JSONDecodeError as error:
                self.fail(error.msg, start + error.pos)
        if not (value or empty):
            self.fail(f"expected {what}, not an empty string", start)
        if _SURROGATE.search(value):
            self.fail("half a surrogate pair is no text", start)
        return value
