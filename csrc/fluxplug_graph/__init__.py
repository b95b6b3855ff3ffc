"""The C core of fluxplug's resource graph: `ffi` and `lib` of cffi, and nothing else. include/fluxplug_graph.h is the documentation."""

from fluxplug_graph._core import ffi, lib

__all__ = ["ffi", "lib"]
