"""Which task runs on which node (RFC 34), and how many tasks each node gets.

`assign` decides the numbers, `TaskMap` numbers the tasks and gives the texts that shells, PMI libraries and users read.
Nodes are places in R (0, 1, ...), not broker ranks and not host names. An empty map means "unknown". The executor calls
this; scheduling does not.
"""

from __future__ import annotations

import json
import re
from collections import deque
from typing import TYPE_CHECKING, NamedTuple

from attrs import frozen

from fluxplug.errors import DocumentError, DocumentTypeError, ParseError
from fluxplug.values.idset import IDset

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

#: The most tasks and the highest node of a map: ten bytes of text can ask for 10**27.
MAX_TASKS = 2**24

_PMI_START = re.compile(r"\s*\(\s*vector\s*", re.ASCII)
_PMI_BLOCK = re.compile(r",\s*\(\s*([0-9]+)\s*,\s*([0-9]+)\s*,\s*([0-9]+)\s*\)\s*", re.ASCII)
_PMI_END = re.compile(r"(?:,\s*)?\)\s*", re.ASCII)
_MAP_KEY = re.compile(r'"map"\s*:\s*')


class Block(NamedTuple):
    """`repeat` times: `ppn` consecutive tasks on each of `nnodes` nodes from `nodeid` on."""

    nodeid: int
    nnodes: int
    ppn: int
    repeat: int = 1


@frozen
class TaskMap:
    """A mapping of tasks 0..n-1 to nodes, as compressed blocks.

    Make it with `parse`, `from_document`, `from_blocks`, `block` or `cyclic`. Two maps are equal when their blocks are,
    which is finer than placing every task alike.
    """

    blocks: tuple[Block, ...] = ()

    @classmethod
    def from_blocks(cls, blocks: Iterable[Sequence[int]]) -> TaskMap:
        """Compress blocks: a block that continues the run of the one before widens it, an equal one repeats it.

        Blocks without tasks are dropped (Flux itself writes them). Raises ValueError for negative numbers, for a map of
        more than MAX_TASKS tasks and for nodes beyond that.
        """
        runs: list[Block] = []
        total = 0
        for given in blocks:
            block = Block(*given)
            if min(block) < 0:
                raise ValueError(f"invalid entry {list(block)}: a number is negative")
            total += block.nnodes * block.ppn * block.repeat
            if total > MAX_TASKS or block.nodeid + block.nnodes > MAX_TASKS:
                raise ValueError(f"a taskmap has at most {MAX_TASKS} tasks and nodes")
            if not block.nnodes * block.ppn * block.repeat:
                continue
            last = runs[-1] if runs else None
            if (
                last
                and last.repeat == block.repeat == 1
                and last.ppn == block.ppn
                and last.nodeid + last.nnodes == block.nodeid
            ):
                runs[-1] = last._replace(nnodes=last.nnodes + block.nnodes)
            else:
                runs.append(block)
        merged: list[Block] = []
        for block in runs:
            if merged and merged[-1][:3] == block[:3]:
                merged[-1] = block._replace(repeat=merged[-1].repeat + block.repeat)
            else:
                merged.append(block)
        return cls(tuple(merged))

    @classmethod
    def from_document(cls, value: object, path: str = "") -> TaskMap:
        """Read `[[nodeid, nnodes, ppn, repeat], ...]` or `{"version": 1, "map": [...]}`.

        Raises DocumentError, DocumentTypeError where a type is wrong.
        """
        if isinstance(value, dict):
            for key in ("version", "map"):
                if key not in value:
                    raise DocumentError(path, f"taskmap has no {key}")
            if value["version"] != 1:
                raise DocumentError(path, f"taskmap version must be 1, not {value['version']!r}")
            value = value["map"]
        if not isinstance(value, list):
            raise DocumentTypeError(path, "a taskmap is an array of arrays")
        for i, entry in enumerate(value):
            if not isinstance(entry, list):
                raise DocumentTypeError(path, f"entry {i} in taskmap is not an array")
            if len(entry) != 4 or not all(type(number) is int for number in entry):
                raise DocumentError(path, f"entry {i} in taskmap is not four integers")
        try:
            return cls.from_blocks(value)
        except ValueError as error:
            raise DocumentError(path, str(error)) from error

    @classmethod
    def parse(cls, text: str) -> TaskMap:
        """Read any of the text forms: RFC 34 JSON with or without its wrapper, raw (`0-3;4-7`), PMI (`(vector,(0,2,4))`).

        The empty text is the empty map. Raises ParseError (a ValueError).
        """
        body = text.lstrip()
        if body.startswith(("[", "{")):
            return _parse_json(text, len(text) - len(body))
        if body.startswith(("(", "vector")):
            return _parse_pmi(text)
        return _parse_raw(text)

    @classmethod
    def block(cls, counts: Sequence[int]) -> TaskMap:
        """Number the tasks node by node; `counts[i]` is how many node i has."""
        return cls.from_blocks((i, 1, count, 1) for i, count in enumerate(counts))

    @classmethod
    def cyclic(cls, counts: Sequence[int], stride: int = 1) -> TaskMap:
        """Number the tasks in rounds of up to `stride` (at least 1) a node, until each node i has `counts[i]`."""
        if stride < 1:
            raise ValueError(f"a stride must be at least 1, not {stride}")
        blocks = []
        left = {i: count for i, count in enumerate(counts) if count > 0}
        while left:
            # Rounds in which every node takes a full stride and none finishes early are alike: one block each, repeated.
            rounds = max(1, min(left.values()) // stride)
            nodes = list(left)
            if rounds > 1 and nodes[-1] - nodes[0] == len(nodes) - 1:
                blocks.append(Block(nodes[0], len(nodes), stride, rounds))
                taken = stride * rounds
            else:
                blocks += [Block(i, 1, min(stride, left[i])) for i in nodes]
                taken = stride
            left = {i: count - taken for i, count in left.items() if count > taken}
        return cls.from_blocks(blocks)

    @property
    def ntasks(self) -> int:
        """The number of tasks."""
        return sum(block.nnodes * block.ppn * block.repeat for block in self.blocks)

    @property
    def nnodes(self) -> int:
        """One more than the highest node with a task."""
        return max((block.nodeid + block.nnodes for block in self.blocks), default=0)

    def runs(self) -> Iterator[tuple[int, int, int]]:
        """(node, first task, number of tasks), in task order; some neighbours may be on the same node."""
        task = 0
        for nodeid, nnodes, ppn, repeat in self.blocks:
            for _ in range(repeat):
                for node in range(nodeid, nodeid + nnodes):
                    yield node, task, ppn
                    task += ppn

    def nodeid(self, task: int) -> int:
        """The node of a task; linear in the blocks. Raises IndexError for a task that is not in the map."""
        left = task
        for block in self.blocks if task >= 0 else ():
            size = block.nnodes * block.ppn
            if left < size * block.repeat:
                return block.nodeid + left % size // block.ppn
            left -= size * block.repeat
        raise IndexError(f"task {task} is not in 0..{self.ntasks - 1}")

    def taskids(self, node: int) -> IDset:
        """The tasks of a node; empty for a node without any. Linear in the runs of the map."""
        tasks = IDset()
        for place, task, count in self.runs():
            if place == node:
                tasks.set(task, task + count - 1)
        return tasks

    def to_document(self) -> dict[str, object]:
        """The wrapped form: `{"version": 1, "map": [...]}`."""
        return {"version": 1, "map": [list(block) for block in self.blocks]}

    def encode(self) -> str:
        """RFC 34 without wrapper: `[[0,2,4,1]]`."""
        return json.dumps([list(block) for block in self.blocks], separators=(",", ":"))

    def raw(self) -> str:
        """One idset of tasks a node, joined with `;`. Linear in the runs of the map and its nodes."""
        sets: dict[int, IDset] = {}
        for node, task, count in self.runs():
            sets.setdefault(node, IDset()).set(task, task + count - 1)
        return ";".join(str(sets[node]) if node in sets else "" for node in range(self.nnodes))

    def pmi(self) -> str:
        """The value of `PMI_process_mapping`; empty for the empty map. PMI knows no repeat: blocks are written again."""
        if not self.blocks:
            return ""
        blocks = (f",({b.nodeid},{b.nnodes},{b.ppn})" * b.repeat for b in self.blocks)
        return f"(vector{''.join(blocks)})"

    def multiline(self) -> str:
        """A line `TASK: NODE` for every task, joined with newlines."""
        return "\n".join(
            f"{task}: {node}" for node, first, count in self.runs() for task in range(first, first + count)
        )


def assign(cores: Sequence[int], ntasks: int, cores_per_task: int = 1) -> list[int]:
    """How many of `ntasks` tasks each node gets; `cores[i]` is what node i of R has allocated.

    Nodes take turns, those with the most cores first, each turn one task, as long as they have `cores_per_task` left
    (or as many as the smallest node has, if that is less); when all are full they start again with all cores free.
    Linear in `ntasks`. Raises ValueError for no nodes, for counts that are not positive and over MAX_TASKS tasks.
    """
    if not cores or min(cores) < 0:
        raise ValueError("tasks need at least one node, and a node cannot have less than no cores")
    if not 1 <= ntasks <= MAX_TASKS or cores_per_task < 1:
        raise ValueError(f"need 1..{MAX_TASKS} tasks of at least one core, not {ntasks} of {cores_per_task}")
    size = min(cores_per_task, *cores)
    counts = [0] * len(cores)
    order = sorted(range(len(cores)), key=lambda node: -cores[node])
    turns: deque[tuple[int, int]] = deque()
    placed = 0
    while placed < ntasks:
        if not turns:
            turns.extend((node, cores[node]) for node in order)
        node, free = turns.popleft()
        if free >= size:
            counts[node] += 1
            placed += 1
            turns.append((node, free - size))
    return counts


def assign_per_resource(cores: Sequence[int], kind: str, count: int = 1) -> list[int]:
    """What the `per-resource` shell option gives instead: `count` tasks for every `node`, or for every allocated `core`.

    Raises ValueError for another `kind` and for a `count` below 1.
    """
    if count < 1:
        raise ValueError(f"per-resource.count must be at least 1, not {count}")
    if kind == "node":
        return [count] * len(cores)
    if kind == "core":
        return [count * number for number in cores]
    raise ValueError(f"per-resource.type must be node or core, not {kind!r}")


def _parse_json(text: str, start: int) -> TaskMap:
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        raise ParseError(error.msg, text, error.pos) from error
    except RecursionError as error:
        raise ParseError("a taskmap nests two arrays deep", text, start) from error
    except ValueError as error:  # an integer of thousands of digits
        raise ParseError("a number is too long", text, start) from error
    key = _MAP_KEY.search(text)
    try:
        return TaskMap.from_document(value)
    except DocumentError as error:
        raise ParseError(error.reason, text, key.end() if key else start) from error


def _parse_pmi(text: str) -> TaskMap:
    start = _PMI_START.match(text)
    if start is None:
        raise ParseError("expected (vector", text, 0)
    blocks = []
    position = start.end()
    while match := _PMI_BLOCK.match(text, position):
        if max(len(number) for number in match.groups()) > len(str(MAX_TASKS)):
            raise ParseError("a number is too long", text, position)
        blocks.append(tuple(map(int, match.groups())))
        position = match.end()
    end = _PMI_END.match(text, position)
    if end is None or end.end() != len(text):
        raise ParseError("expected ,(nodeid,nnodes,ppn) or )", text, position if end is None else end.end())
    try:
        return TaskMap.from_blocks(blocks)
    except ValueError as error:
        raise ParseError(str(error), text, start.end()) from error


def _parse_raw(text: str) -> TaskMap:
    if not text:
        return TaskMap()
    found = []  # (first task, last task, node, position)
    position = 0
    for node, part in enumerate(text.split(";")):
        if part:
            try:
                tasks = IDset(part)
            except ParseError as error:
                raise ParseError(error.reason, text, position + error.position) from error
            found += [(low, high, node, position) for low, high in tasks.ranges()]
        position += len(part) + 1
    blocks = []
    expected = 0
    for low, high, node, position in sorted(found):
        if low != expected:
            reason = f"missing taskid: {expected}" if low > expected else f"duplicate taskid specified: {low}"
            raise ParseError(reason, text, position)
        blocks.append((node, 1, high - low + 1, 1))
        expected = high + 1
    try:
        return TaskMap.from_blocks(blocks)
    except ValueError as error:
        raise ParseError(str(error), text) from error
