"""Which jobs a listing asks for (RFC 43): constraints over records, compiled to one function."""

from __future__ import annotations

import operator
import re
from typing import TYPE_CHECKING, Any

from fluxplug.errors import DocumentError
from fluxplug.instance.record import MAIN_ATTRIBUTES
from fluxplug.values.hostlist import Hostlist
from fluxplug.values.idset import IDset

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Test = Callable[[Mapping[str, Any]], bool]

STATES = {
    "new": 1, "depend": 2, "priority": 4, "sched": 8, "run": 16, "cleanup": 32, "inactive": 64, "pending": 14, "running": 48, "active": 62,
}  # fmt: skip
RESULTS = {"completed": 1, "failed": 2, "canceled": 4, "timeout": 8}
TIMES = ("t_submit", "t_depend", "t_run", "t_cleanup", "t_inactive")
MAX_DEPTH = 50
_COMPARE = {">=": operator.ge, "<=": operator.le, ">": operator.gt, "<": operator.lt}
_COMPARISON = re.compile(r"\s*(>=|<=|>|<)\s*([0-9.eE+-]+)\s*")


def compile_constraint(constraint: Any, path: str = "constraint", depth: int = 1) -> Test:
    """A test of records. Raises DocumentError, with the path, for what is no constraint."""
    if not isinstance(constraint, dict) or depth > MAX_DEPTH:
        raise DocumentError(path, f"must be an object with one operator, nested {MAX_DEPTH} deep at most")
    if not constraint:
        return lambda _: True
    if len(constraint) > 1:
        raise DocumentError(path, "constraint must only contain 1 element")
    ((name, values),) = constraint.items()
    where = f"{path}.{name}"
    if not isinstance(values, list):
        raise DocumentError(where, "must be a list")
    if name in {"and", "or", "not"}:
        tests = [compile_constraint(value, f"{where}[{i}]", depth + 1) for i, value in enumerate(values)]
        if name == "or":
            return lambda record: not tests or any(test(record) for test in tests)
        if name == "and":
            return lambda record: all(test(record) for test in tests)
        return lambda record: not all(test(record) for test in tests)
    return _leaf(name, values, where)


def _leaf(name: str, values: list[Any], where: str) -> Test:
    if name == "userid":
        wanted = {_number(value, where) for value in values}
        return lambda record: -1 in wanted or record.get("userid") in wanted
    if name in {"name", "queue"}:
        texts = {_text(value, where) for value in values}
        return lambda record: record.get(name, "") in texts
    if name in {"states", "results"}:
        words, key = (STATES, "state") if name == "states" else (RESULTS, "result")
        mask = 0
        for value in values:
            if isinstance(value, str) and value.lower() in words:
                mask |= words[value.lower()]
            else:
                mask |= _number(value, where)
        return lambda record: bool(record.get(key, 0) & mask)
    if name == "hostlist":
        hosts = set(Hostlist(",".join(_text(value, where) for value in values)))
        return lambda record: not hosts.isdisjoint(Hostlist(record.get("nodelist", "")))
    if name == "ranks":
        ranks = IDset(",".join(_text(value, where) for value in values))
        return lambda record: bool(IDset(record.get("ranks", "")).intersect(ranks))
    if name in TIMES:
        if len(values) != 1 or not (found := _COMPARISON.fullmatch(_text(values[0], where))):
            raise DocumentError(where, 'must be one text like ">=1700.0"')
        compare, bound = _COMPARE[found[1]], float(found[2])
        return lambda record: name in record and compare(record[name], bound)
    raise DocumentError(where, f"unknown constraint operator {name[:80]!r}")


def _number(value: Any, where: str) -> int:
    if type(value) is not int:
        raise DocumentError(where, f"must be integers or known names, not {value!r:.80}")
    return value


def _text(value: Any, where: str) -> str:
    if not isinstance(value, str):
        raise DocumentError(where, f"must be texts, not {value!r:.80}")
    return value


def check_attributes(attrs: Any) -> frozenset[str] | None:
    """The attributes that a listing asks for; None for all. Raises DocumentError for one that does not exist."""
    if not isinstance(attrs, list) or not all(isinstance(name, str) for name in attrs):
        raise DocumentError("attrs", "must be a list of names of attributes")
    if "all" in attrs:
        return None
    for name in attrs:
        if name not in MAIN_ATTRIBUTES and name != "id":
            raise DocumentError("attrs", f"{name[:80]!r} is no attribute; there are id, {', '.join(MAIN_ATTRIBUTES)}")
    return frozenset(attrs)


def listing_key(record: Mapping[str, Any]) -> tuple[float, ...]:
    """The order of jobs in listings: pending by priority, highest first, then running, newest start first, then those that are over."""
    if "t_inactive" in record:
        return (2, -record["t_inactive"], -record["id"])
    if "t_run" in record:
        return (1, -record["t_run"], record["id"])
    return (0, -record.get("priority", 0), record["id"])
