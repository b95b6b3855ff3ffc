"""Constraints (RFC 31): which execution targets a job may use, as frozen values.

`parse_constraint` turns the JSON of `attributes.system.constraints` into a tree that is hashable, so that a pool can compile it once per
topology and keep the mask under it. `evaluate` folds the tree to a bit mask over whatever the caller numbers: ranks, or classes of
nodes. It knows no resources; the text form that users type is `query`.

Empty forms follow the RFC: `{}`, `{"and": []}` and `{"or": []}` match everything, `{"not": []}` nothing.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, TypeAlias

from attrs import define, frozen

from fluxplug.errors import DocumentError, DocumentTypeError, ParseError
from fluxplug.jobspec.query import MAX_DEPTH
from fluxplug.values.hostlist import MAX_HOSTS, Hostlist
from fluxplug.values.idset import IDset

if TYPE_CHECKING:
    from collections.abc import Callable

# Operators and operands in one constraint: a list of all nodes of the largest machine, one by one, still fits.
MAX_TERMS = 1 << 18
# RFC 20 keeps these out of property names; `^` may only lead, where it means "must not have".
_BAD_IN_PROPERTY = re.compile(r"[!&'\"^`|()]")


@frozen(cache_hash=True)
class Properties:
    """Has every property named; `^name` is "does not have it"."""

    values: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        return {"properties": list(self.values)}


@frozen(cache_hash=True)
class Hosts:
    """Is one of the hosts named by any of the hostlist strings."""

    values: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        return {"hostlist": list(self.values)}


@frozen(cache_hash=True)
class Ranks:
    """Is one of the ranks in any of the idset strings."""

    values: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        return {"ranks": list(self.values)}


@frozen(cache_hash=True)
class And:
    """Matches all; everything, if there is none."""

    values: tuple[Constraint, ...]

    def to_dict(self) -> dict[str, Any]:
        return {"and": [value.to_dict() for value in self.values]}


@frozen(cache_hash=True)
class Or:
    """Matches any; everything, if there is none."""

    values: tuple[Constraint, ...]

    def to_dict(self) -> dict[str, Any]:
        return {"or": [value.to_dict() for value in self.values]}


@frozen(cache_hash=True)
class Not:
    """Does not match all; nothing, if there is none."""

    values: tuple[Constraint, ...]

    def to_dict(self) -> dict[str, Any]:
        return {"not": [value.to_dict() for value in self.values]}


Constraint: TypeAlias = "Properties | Hosts | Ranks | And | Or | Not"

_LEAVES: dict[str, type[Properties | Hosts | Ranks]] = {"properties": Properties, "hostlist": Hosts, "ranks": Ranks}
_GROUPS: dict[str, type[And | Or | Not]] = {"and": And, "or": Or, "not": Not}


def parse_constraint(obj: Any, path: str = "constraints") -> Constraint | None:
    """The constraint in a JSON object; None, for None and `{}`, is no constraint: it matches everything.

    An object holds one operator. Raises DocumentError with the path of the offending part, DocumentTypeError for a wrong type, an
    unknown operator or a character that a property name cannot have (TypeErrors in Flux). At most MAX_DEPTH levels, MAX_TERMS
    operands and MAX_HOSTS hosts. `{}` below the top becomes `{"and": []}`.
    """
    if obj is None or obj == {}:
        return None
    return _Reader().read(obj, path, 1)


def evaluate(
    constraint: Constraint | None,
    universe: int,
    properties: Callable[[str], int],
    hosts: Callable[[Hostlist], int],
    ranks: Callable[[IDset], int],
) -> int:
    """The mask of the indexes in `universe` that match.

    The callbacks give the mask of the indexes that have a property (the name has no `^`), are one of the hosts, or one of the ranks;
    bits outside the universe are dropped. A host or rank that does not exist matches nothing.
    """
    match constraint:
        case None:
            return universe
        case Properties(values):
            mask = universe
            for value in values:
                mask &= ~properties(value[1:]) if value.startswith("^") else properties(value)
            return mask
        case Hosts(values):
            return universe & hosts(Hostlist(values))
        case Ranks(values):
            return universe & ranks(_union([IDset(value) for value in values]))
        case Or(parts) if parts:
            mask = 0
            for part in parts:
                mask |= evaluate(part, universe, properties, hosts, ranks)
            return mask
        case And(parts) | Or(parts) | Not(parts):
            mask = universe
            for part in parts:
                mask &= evaluate(part, universe, properties, hosts, ranks)
            return universe & ~mask if isinstance(constraint, Not) else mask


def _union(sets: list[IDset]) -> IDset:
    """One after the other would copy the growing union once a set; in pairs it is n log n."""
    while len(sets) > 1:
        sets = [a | b for a, b in zip(sets[::2], sets[1::2], strict=False)] + (sets[-1:] if len(sets) % 2 else [])
    return sets[0] if sets else IDset()


@define
class _Reader:
    """What one constraint may still use up."""

    terms: int = MAX_TERMS
    hosts: int = MAX_HOSTS

    def read(self, obj: Any, path: str, depth: int) -> Constraint:
        if not isinstance(obj, dict):
            raise DocumentTypeError(path, f"constraints must be a mapping, not {type(obj).__name__}")
        if depth > MAX_DEPTH:
            raise DocumentError(path, f"nested deeper than {MAX_DEPTH} levels")
        if not obj:
            return And(())
        if len(obj) > 1:
            names = ", ".join(repr(name) for name in list(obj)[:4])
            raise DocumentError(path, f"only one operator is allowed here, not {names}: combine them with 'and'")
        operator, values = next(iter(obj.items()))
        if operator not in _LEAVES and operator not in _GROUPS:
            known = ", ".join([*_LEAVES, *_GROUPS])
            raise DocumentTypeError(path, f"unknown constraint operator {operator!r}: expected one of {known}")
        path = f"{path}.{operator}"
        if not isinstance(values, (list, tuple)):
            raise DocumentTypeError(path, f"values must be a list, not {type(values).__name__}")
        self.terms -= len(values) + 1
        if self.terms < 0:
            raise DocumentError(path, f"more than {MAX_TERMS} terms in one constraint")
        if operator in _GROUPS:
            return _GROUPS[operator](tuple(self.read(v, f"{path}[{i}]", depth + 1) for i, v in enumerate(values)))
        for i, value in enumerate(values):
            self._check_operand(operator, value, f"{path}[{i}]")
        return _LEAVES[operator](tuple(values))

    def _check_operand(self, operator: str, value: Any, path: str) -> None:
        if not isinstance(value, str):
            raise DocumentTypeError(path, f"expected a string, not {type(value).__name__}")
        if operator == "properties":
            name = value.removeprefix("^")
            if not name:
                raise DocumentError(path, "a property needs a name")
            if _BAD_IN_PROPERTY.search(name):
                raise DocumentTypeError(path, f"invalid character in property {value!r}")
            return
        try:
            if operator == "ranks":
                IDset(value)
            else:
                self.hosts -= len(Hostlist(value))
        except ParseError as error:
            raise DocumentError(path, str(error)) from error
        if self.hosts < 0:
            raise DocumentError(path, f"more than {MAX_HOSTS} hosts in one constraint")
