"""Readers of graph documents, by the names that resource-query knows: each makes a Description of a text.

Not here: matching, and changing a graph that exists (attach, update): those take Descriptions. fluxion.md section 2 specifies them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fluxplug.errors import ConfigError
from fluxplug_pool_graph.readers import grug, hwloc, jgf, rv1exec
from fluxplug_pool_graph.readers.limits import GraphReadError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fluxplug_pool_graph.description import Description

__all__ = ["NAMES", "GraphReadError", "UnknownReaderError", "read"]

#: What `read` accepts, in the order of the specification.
NAMES = ("grug", "hwloc", "jgf", "jgf_shorthand", "rv1exec", "rv1exec_force")


class UnknownReaderError(ConfigError):
    """A name that no reader has; the text lists those there are."""


def read(name: str, text: str | bytes, *, allowlist: Iterable[str] = ()) -> Description:
    """Read a document with the reader `name`; linear in the document and in the graph that it describes.

    `allowlist` names the objects to keep, and only hwloc looks at it; empty keeps all. Raises UnknownReaderError for a name that is
    not in NAMES, GraphReadError for a text that the reader cannot read.
    """
    if name == "grug":
        return grug.read(text)
    if name == "hwloc":
        return hwloc.read(text, allowlist)
    # For loading, a shorthand document is a JGF document, and the forced reader differs only in when it is chosen.
    if name in ("jgf", "jgf_shorthand"):
        return jgf.read(text)
    if name in ("rv1exec", "rv1exec_force"):
        return rv1exec.read(text)
    raise UnknownReaderError(f"no reader is named {name!r}; there are {', '.join(NAMES)}")
