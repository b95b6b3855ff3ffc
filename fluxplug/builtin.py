"""Core's own plugin, the entry point `builtin`: the priority, trace formats, workload models and reports that ship with fluxplug.

Pools and queue policies are in plugins of their own. Classes are imported when their axis is first looked at.
"""

from __future__ import annotations

from fluxplug.hookspecs import hookimpl


@hookimpl
def fluxplug_register_priorities() -> list[type]:
    from fluxplug.priority import Urgency  # noqa: PLC0415 - as those below

    return [Urgency]


@hookimpl
def fluxplug_register_traces() -> list[type]:
    from fluxplug.sim.traces.jsonl import JsonlTrace  # noqa: PLC0415 - a run that reads no trace does without
    from fluxplug.sim.traces.swf import SwfTrace  # noqa: PLC0415

    return [JsonlTrace, SwfTrace]


@hookimpl
def fluxplug_register_workloads() -> list[type]:
    from fluxplug.sim.lublin import Lublin  # noqa: PLC0415

    return [Lublin]


@hookimpl
def fluxplug_register_reports() -> list[type]:
    from fluxplug.report.html import HtmlReport  # noqa: PLC0415
    from fluxplug.report.svg import SvgReport  # noqa: PLC0415

    return [HtmlReport, SvgReport]
