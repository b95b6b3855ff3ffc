"""What an instance says of itself: its configuration, its plugins, its figures."""

from __future__ import annotations

import math
import resource
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from fluxplug.plugins import AXES

if TYPE_CHECKING:
    from fluxplug.config import Config
    from fluxplug.instance.instance import Instance
    from fluxplug.plugins import Plugins


def _plain(value: Any) -> Any:
    """JSON values; what has no number is null."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_plain(one) for one in value]
    if value is None or isinstance(value, (str, int, float, bool)):
        return value
    if attrs.has(type(value)):
        return {
            field.name: _plain(getattr(value, field.name))
            for field in attrs.fields(type(value))
            if field.name != "plugins"
        }
    return str(value)


def config_document(config: Config) -> dict[str, Any]:
    """The configuration with everything filled in."""
    found: dict[str, Any] = _plain(config)
    return found


def plugins_document(plugins: Plugins) -> dict[str, Any]:
    """What is loaded, by axis."""
    found = [
        {"axis": axis, "name": one.name, "owner": one.owner} for axis in AXES for one in plugins.registry(axis).values()
    ]
    return {"plugins": found}


def memory() -> int:
    """Bytes of this process that are in memory."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return pages * resource.getpagesize()


def metrics_text(instance: Instance) -> str:
    """Figures in the text format of Prometheus."""
    stats = instance.requests.stats()
    jobs = stats["jobs"]
    lines = ["# HELP fluxplug_jobs Jobs by state.", "# TYPE fluxplug_jobs gauge"]
    lines += [
        f'fluxplug_jobs{{state="{state}"}} {jobs[state]}'
        for state in ("depend", "priority", "sched", "run", "cleanup", "inactive")
    ]
    lines += [
        "# HELP fluxplug_jobs_ended_total Jobs that have ended, by result.",
        "# TYPE fluxplug_jobs_ended_total counter",
    ]
    lines += [
        f'fluxplug_jobs_ended_total{{result="{result}"}} {jobs[result]}'
        for result in ("successful", "failed", "canceled", "timeout")
    ]
    sets = instance.requests.sets()
    lines += ["# HELP fluxplug_cores Cores by state.", "# TYPE fluxplug_cores gauge"]
    lines += [f'fluxplug_cores{{state="{state}"}} {sets[state].ncores}' for state in sets]
    for name, kind, text, value in (
        ("passes_total", "counter", "Scheduling passes.", stats["passes"]),
        ("ticks_total", "counter", "Ticks of the core loop.", stats["ticks"]),
        ("store_bytes", "gauge", "Size of the store on disk.", stats["store"]["bytes"]),
        ("entries_total", "counter", "Log entries ever stored.", stats["store"]["entries"]),
        ("memory_bytes", "gauge", "Memory of the server.", memory()),
    ):
        lines += [f"# HELP fluxplug_{name} {text}", f"# TYPE fluxplug_{name} {kind}", f"fluxplug_{name} {value}"]
    return "\n".join(lines) + "\n"
