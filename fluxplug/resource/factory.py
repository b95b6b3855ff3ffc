"""Makes the pool that an R needs: `ResourcePool(R)`, Flux's entry to pools. It knows no pool; the plugin registry does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from fluxplug.errors import DocumentError, InfeasibleRequest, InsufficientResources
from fluxplug.resource.document import MissingKeyError, read_json

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from fluxplug.resource.pool import ResourcePoolImplementation
    from fluxplug.resource.rset import ResourceSet, Rv1Set


class ResourcePool:
    """Calling this returns a pool: that of the installed plugin named `rv` and R's version (`rv1`), made from `arg`.

    `arg` is an R document, its JSON text, a set, or None for an empty pool of R version `version`; a pool is returned as it is. The
    other arguments go to the pool. Raises PluginError where no plugin has the pool, and what the pool raises for a bad R.
    """

    InsufficientResources = InsufficientResources
    InfeasibleRequest = InfeasibleRequest

    def __new__(  # type: ignore[misc]
        cls,
        arg: Mapping[str, Any] | str | Rv1Set | ResourceSet | ResourcePoolImplementation | None = None,
        version: int = 1,
        log: Callable[[int, str], None] | None = None,
        **kwargs: Any,
    ) -> ResourcePoolImplementation:
        from fluxplug.resource.pool import ResourcePoolImplementation  # noqa: PLC0415 - light start

        if isinstance(arg, ResourcePoolImplementation):
            return arg
        if isinstance(arg, str):
            arg = cast("Mapping[str, Any]", read_json(arg))
        if arg is None:
            arg = {"version": version}
        found = _version_of(arg)
        kind = pool_class(f"rv{found}")
        return kind(arg, log=log, **kwargs)


def pool_class(name: str) -> Callable[..., ResourcePoolImplementation]:
    """The pool class that an installed plugin registers under `name`. Raises PluginError that lists what is installed."""
    from fluxplug.plugins import Plugins  # noqa: PLC0415 - the registry is not needed before a pool is

    found: Callable[..., ResourcePoolImplementation] = Plugins.load().pools[name].cls
    return found


def _version_of(arg: Any) -> int:
    version = getattr(arg, "version", None)
    if version is None:
        if not hasattr(arg, "keys"):
            raise TypeError(f"expected an R document, its JSON text, a set or a pool, not {type(arg).__name__}")
        if "version" not in arg:
            raise MissingKeyError("version", "missing")
        version = arg["version"]
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise DocumentError("version", f"R version {version!r:.40} not supported")
    return version
