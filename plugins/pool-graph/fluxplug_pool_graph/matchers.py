"""The matcher that the command, the library and the pool use: the one place that chooses it."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, cast

from fluxplug.errors import PluginError

if TYPE_CHECKING:
    from fluxplug_pool_graph.matcher import Matcher


def matcher_class() -> type[Matcher]:
    """The matcher in C. Raises PluginError where it cannot be loaded; imported here, since most of the plugin needs none."""
    try:
        native = importlib.import_module("fluxplug_pool_graph.native")
    except ImportError as error:
        raise PluginError(
            f"plugin 'pool-graph': its matcher in C cannot be loaded ({error}); install fluxplug-graph for this Python"
        ) from error
    return cast("type[Matcher]", native.CMatcher)
