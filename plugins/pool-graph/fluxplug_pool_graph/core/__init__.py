"""The graph and the matcher in C, as Python objects: the one package that holds cffi handles, and the one place where C codes become exceptions.

Nothing of cffi leaves it. What the numbers mean is said in csrc/include/fluxplug_graph.h: vertices are numbered in preorder of containment, so what lies below one is a
range.
"""

from fluxplug_pool_graph.core.codes import NONE, GraphArgumentError, GraphLookupError, check_code
from fluxplug_pool_graph.core.graph import Graph, Place
from fluxplug_pool_graph.core.match import (
    HAS_ALLOCATION,
    HAS_COUNT,
    HAS_RESERVATION,
    HAS_TAG,
    HAS_WHOLE,
    PROMISE,
    QUICK,
    CoreRequest,
    MatchCore,
    MatchSettings,
    unpacked,
)

__all__ = [
    "HAS_ALLOCATION",
    "HAS_COUNT",
    "HAS_RESERVATION",
    "HAS_TAG",
    "HAS_WHOLE",
    "NONE",
    "PROMISE",
    "QUICK",
    "CoreRequest",
    "Graph",
    "GraphArgumentError",
    "GraphLookupError",
    "MatchCore",
    "MatchSettings",
    "Place",
    "check_code",
    "unpacked",
]
