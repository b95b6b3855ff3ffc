"""What the machine has: R and its algebra, requests, and the contract of pools. Names are those of Flux's `flux.resource`.

Everything is imported when it is first asked for. `Rv1Pool` is here too where its plugin is installed.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fluxplug.errors import InfeasibleRequest, InsufficientResources
    from fluxplug.resource.factory import ResourcePool
    from fluxplug.resource.list import ResourceStatus, SchedResourceList, resource_list, resource_status
    from fluxplug.resource.pool import ResourcePoolImplementation
    from fluxplug.resource.request import ResourceRequest
    from fluxplug.resource.rset import ResourceSet, Rv1Set
    from fluxplug.values.count import ResourceCount

__all__ = [
    "InfeasibleRequest",
    "InsufficientResources",
    "ResourceCount",
    "ResourcePool",
    "ResourcePoolImplementation",
    "ResourceRequest",
    "ResourceSet",
    "ResourceStatus",
    "Rv1Set",
    "SchedResourceList",
    "resource_list",
    "resource_status",
]

_HOME = {
    "InfeasibleRequest": "fluxplug.errors",
    "InsufficientResources": "fluxplug.errors",
    "ResourceCount": "fluxplug.values.count",
    "ResourcePool": "fluxplug.resource.factory",
    "ResourcePoolImplementation": "fluxplug.resource.pool",
    "ResourceRequest": "fluxplug.resource.request",
    "ResourceSet": "fluxplug.resource.rset",
    "ResourceStatus": "fluxplug.resource.list",
    "Rv1Set": "fluxplug.resource.rset",
    "SchedResourceList": "fluxplug.resource.list",
    "resource_list": "fluxplug.resource.list",
    "resource_status": "fluxplug.resource.list",
}


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    if name == "Rv1Pool":  # a plugin's: found through the registry, never imported from here
        return import_module("fluxplug.resource.factory").pool_class("rv1")
    if name == "ResourceJournalConsumer":  # a client's, of which this package knows nothing
        return import_module("fluxplug.job.journal").ResourceJournalConsumer
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
