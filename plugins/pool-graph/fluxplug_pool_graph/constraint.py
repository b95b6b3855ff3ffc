"""Constraints on nodes (RFC 31) as the graph reads them: a small expression, compiled once per jobspec.

Used by jobspec.py, which compiles it, and by matchers, which test it on vertices of the types in `CONSTRAINED`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import yaml
from attrs import field, frozen

from fluxplug.errors import FluxplugError, ParseError
from fluxplug.values.hostlist import Hostlist
from fluxplug.values.idset import IDset

if TYPE_CHECKING:
    from fluxplug_pool_graph.description import Vertex

#: Only vertices of these types are tested; all others pass.
CONSTRAINED = ("node", "storage_node")

_FORBIDDEN = set("!&'\"^`|()")


class JobspecError(FluxplugError, ValueError):
    """A jobspec that the graph cannot read; the text is the original's (fluxion.md section 9.4)."""


@frozen
class Constraint:
    """One operator: `properties`, `hostlist`, `ranks` over plain values, or `and`, `or`, `not` over operands.

    `names` holds property names (a leading `^` negates one) or host names, `ranks` holds ranks.
    """

    operator: str
    names: frozenset[str] = frozenset()
    ranks: IDset = field(factory=IDset, eq=str)
    operands: tuple[Constraint, ...] = field(default=())

    def accepts(self, vertex: Vertex) -> bool:
        """Whether a vertex of a constrained type has what is asked for. Values of properties do not matter."""
        if self.operator == "properties":
            return all(
                (name[1:] not in vertex.properties) if name.startswith("^") else (name in vertex.properties)
                for name in self.names
            )
        if self.operator == "hostlist":
            return vertex.name in self.names
        if self.operator == "ranks":
            return vertex.rank >= 0 and vertex.rank in self.ranks
        if self.operator == "or":
            return any(operand.accepts(vertex) for operand in self.operands)
        held = all(operand.accepts(vertex) for operand in self.operands)
        return held if self.operator == "and" else not held


def compile_constraint(node: yaml.Node) -> Constraint | None:
    """The constraint under a YAML node; None for `{}`, which holds everywhere. Raises JobspecError."""
    if not isinstance(node, yaml.MappingNode):
        raise JobspecError("constraint is not a mapping")
    if not node.value:
        return None
    if len(node.value) > 1:
        raise JobspecError("constraint must have exactly one operator")
    key, value = node.value[0]
    operator = key.value
    if operator not in ("properties", "hostlist", "ranks", "and", "or", "not"):
        raise JobspecError(f"unknown constraint operator: {operator}")
    if not isinstance(value, yaml.SequenceNode):
        raise JobspecError(f"{operator} operator value must be an array")
    if operator in ("and", "or", "not"):
        # An operand {} holds everywhere, as an empty `and` does.
        operands = tuple(compile_constraint(entry) or Constraint("and") for entry in value.value)
        return Constraint(operator, operands=operands)
    entries = [_entry(operator, entry) for entry in value.value]
    if operator == "properties":
        return Constraint(operator, names=frozenset(entries))
    try:
        if operator == "hostlist":
            return Constraint(operator, names=frozenset(Hostlist(entries)))
        ranks = IDset("")
        for text in entries:
            ranks.add(text)
    except ParseError as exc:
        raise JobspecError(f"{exc.text} is invalid") from exc
    return Constraint(operator, ranks=ranks)


def _entry(operator: str, node: yaml.Node) -> str:
    if not isinstance(node, yaml.ScalarNode):
        raise JobspecError(f"{operator} operator value must be an array of strings")
    text = str(node.value)
    if operator == "properties" and (node.style not in ("'", '"') or _FORBIDDEN & set(text.removeprefix("^"))):
        raise JobspecError(f"{text} is invalid")
    return text
