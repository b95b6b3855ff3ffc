"""A graph as a reader leaves it: plain vertices and edges, in the order in which they were made.

Every reader produces one, every matcher is built from one. Nothing here knows about time, jobs or policies.
"""

from __future__ import annotations

from attrs import define, field

from fluxplug.values.idset import IDset

CONTAINMENT = "containment"


@define(slots=True)
class Vertex:
    """One vertex. Its index is its place in `Description.vertices`; fluxion.md section 1.1 has the meaning of the fields.

    `id` and `rank` are -1 where there is none. `size` counts what the vertex pools. `paths` has one absolute path a subsystem.
    `up` is the status; `exclusive` is only a statement about a job, made by documents that describe an allocation.
    """

    type: str
    basename: str
    name: str
    id: int
    uniq_id: int
    rank: int = -1
    size: int = 1
    unit: str = ""
    up: bool = True
    exclusive: bool = False
    properties: dict[str, str] = field(factory=dict)
    paths: dict[str, str] = field(factory=dict)


@define(slots=True)
class Edge:
    """A directed edge between two vertices, by index. Edges of one source keep their order."""

    source: int
    target: int
    subsystem: str = CONTAINMENT


@define(slots=True)
class Description:
    """Vertices and edges of all subsystems. `types` are the type names in the order in which the document introduces them.

    `free_ranks` is only a statement about a job (fluxion.md section 7.4): what an update leaves out of the document.
    """

    vertices: list[Vertex] = field(factory=list)
    edges: list[Edge] = field(factory=list)
    types: list[str] = field(factory=list)
    free_ranks: IDset = field(factory=IDset)
