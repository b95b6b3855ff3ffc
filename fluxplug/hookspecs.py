"""Every hook of fluxplug, in the order in which a scheduler's life meets them: the table of contents of the plugin contract.

A plugin is a module (or object) that an installed distribution names in its `fluxplug` entry points, or a `*.py` file in a
folder of `[plugins] path`. It marks functions of these names with `hookimpl`, and may leave out arguments that it does not
need:

    from fluxplug.hookspecs import hookimpl

    @hookimpl
    def fluxplug_register_policies():
        return [Easy]

Hooks sit at the boundaries, a few calls a tick. Inside a pass the engine calls the chosen policy and pool directly, so what
runs for every job of every pass belongs in a policy or a pool, not in a hook. All plugins that implement a hook are called, the
last loaded first; entry points load in order of their names, then the files of the search path, so that a site's own file
comes first. An exception that a hook raises, but for those named here, is a bug of its plugin and ends the command.

Not here: how plugins are found and called (`fluxplug.plugins`). `docs/hooks.md` is the same list with examples.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pluggy import HookimplMarker, HookspecMarker

if TYPE_CHECKING:
    from argparse import Namespace, _ArgumentGroup
    from collections.abc import Mapping, Sequence

    from fluxplug.engine.job import Job

hookimpl = HookimplMarker("fluxplug")
_hookspec = HookspecMarker("fluxplug")


# Registration: what there is to choose from by name.


@_hookspec
def fluxplug_register_pools() -> list[type]:  # type: ignore[empty-body]
    """Return the resource-pool classes of this plugin.

    Called once for each `Plugins`, when a pool is first looked up. Returns a list of classes, each with `name`, the word used
    in `[sched] pool`, a docstring, `alloc` and the rest of `fluxplug.resource.pool.ResourcePoolImplementation`, and optionally
    `Config`, a frozen attrs class whose fields are the keys of `[pool.NAME]`.
    """


@_hookspec
def fluxplug_register_policies() -> list[type]:  # type: ignore[empty-body]
    """Return the queue-policy classes of this plugin.

    Called once for each `Plugins`, when a policy is first looked up. Returns a list of classes, each with `name`, the word used
    in `queue-policy`, a docstring, `schedule` and the rest of `fluxplug.policy.QueuePolicy`, and optionally `Config`, a frozen
    attrs class whose fields are the keys of `policy-params`.
    """


@_hookspec
def fluxplug_register_ingest() -> list[type]:  # type: ignore[empty-body]
    """Return the ingest plugins of this plugin: steps that each job passes as it comes in, with configuration keys of their own.

    Called once for each `Plugins`, when an ingest plugin is first looked up. Returns a list of classes, each with `name`, a docstring,
    `modify_jobspec`, `validate` and the rest of `fluxplug.ingest.IngestPlugin`, and optionally `Config`, a frozen attrs class whose fields
    are the keys of `[ingest.NAME]`. One is at work where the configuration has that table. Rules without keys need no class: see
    `fluxplug_modify_jobspec` and `fluxplug_validate_jobspec`.
    """


@_hookspec
def fluxplug_register_priorities() -> list[type]:  # type: ignore[empty-body]
    """Return the priority classes of this plugin: what decides the order of the pending jobs, with configuration keys of their own.

    Called once for each `Plugins`, when a priority plugin is first looked up. Returns a list of classes, each with `name`, the word used in
    `[sched] priority`, a docstring, `priority` and the rest of `fluxplug.priority.PriorityPlugin`, and optionally `Config`, a frozen attrs class
    whose fields are the keys of `[priority.NAME]`. A rule without keys, which never changes its mind, needs no class: see
    `fluxplug_job_priority`, which goes first.
    """


@_hookspec
def fluxplug_register_executors() -> list[type]:  # type: ignore[empty-body]
    """Return the executor classes of this plugin: what runs the jobs that an instance has started.

    Called once for each `Plugins`, when an executor is first looked up, which a simulation never does. Returns a list of classes, each with
    `name`, the word used in `[sched] executor`, a docstring, `launch` and the rest of `fluxplug.exec.Executor`, and optionally `Config`, a
    frozen attrs class whose fields are the keys of `[executor.NAME]`.
    """


@_hookspec
def fluxplug_register_traces() -> list[type]:  # type: ignore[empty-body]
    """Return the trace classes of this plugin: the formats in which a simulation reads its jobs.

    Called once for each `Plugins`, when a trace is first looked up. Returns a list of classes, each with `name`, a docstring,
    `jobs` and the rest of `fluxplug.sim.trace.Trace`, and optionally `Config`.
    """


@_hookspec
def fluxplug_register_workloads() -> list[type]:  # type: ignore[empty-body]
    """Return the workload models of this plugin: generators of jobs for `fluxplug workload generate`.

    Called once for each `Plugins`, when a model is first looked up. Returns a list of classes, each with `name`, a docstring,
    `jobs` and the rest of `fluxplug.sim.workload.WorkloadModel`, and optionally `Config`, whose fields are the parameters of the model.
    """


@_hookspec
def fluxplug_register_reports() -> list[type]:  # type: ignore[empty-body]
    """Return the report classes of this plugin: what draws a schedule, as a page or a picture.

    Called once for each `Plugins`, when a report is first looked up. Returns a list of classes, each with `name`, a docstring,
    `write` and the rest of `fluxplug.report.base.Report`.
    """


@_hookspec
def fluxplug_register_commands() -> list[type]:  # type: ignore[empty-body]
    """Return the command classes of this plugin: each is one more `fluxplug NAME`.

    Called once for each `Plugins`, when the command line has a word that is no command of core's, and for `fluxplug --help`; so what
    a command needs is better imported in its `run`. Returns a list of classes, each with `name`, `help` (one line), `run` and
    the rest of `fluxplug.command.PluginCommand`. Only installed plugins are asked, not the files of `[plugins] path`.
    """


@_hookspec
def fluxplug_register_reapi() -> type:  # type: ignore[empty-body]
    """Return the class behind `fluxplug.reapi.ReapiCli`: a graph scheduler as a library.

    Called once for each `Plugins`, when a `ReapiCli` is made. Returns one class, a subclass of `fluxplug.reapi.ReapiCli` with a `name`
    of its own. One installed plugin may offer it.
    """


# The command line.


@_hookspec
def fluxplug_add_options(command: str, parser: _ArgumentGroup) -> None:
    """Add options to a command that takes jobs.

    Called once a run, before the command line is parsed, with the command's name (`simulate`, `explain`). `parser` is an argparse
    group of the plugin's own, headed by its name in `--help`; call `parser.add_argument` on it. An option that another owns
    already is an error that names the plugin. The values arrive as `args` in `fluxplug_modify_jobspec`.
    """


# Ingest: each job, once, before the engine knows it.


@_hookspec
def fluxplug_modify_jobspec(prog: str, args: Namespace | None, jobspec: dict[str, Any]) -> None:
    """Change a job's request as it comes in.

    Called once for each submitted job, before the site's defaults are applied, with the command that submits it and its parsed options
    (None where there are none for plugins). May edit `jobspec`, a valid jobspec document, in place; nothing else. What it leaves is
    validated. Returns nothing. Cannot be wrapped. An exception, or a jobspec that is not valid any more, ends the command with an error
    that names the plugin.
    """


@_hookspec
def fluxplug_validate_jobspec(jobspec: dict[str, Any]) -> None:
    """Refuse a job that breaks a rule of the site.

    Called once for each submitted job, after every `fluxplug_modify_jobspec`, the defaults, the queue's constraint and the limits. Must not
    change `jobspec`. Raises ValueError, whose text the submitter sees, to refuse the job; returns nothing. Cannot be wrapped. Any other
    exception ends the command with an error that names the plugin.
    """


# The queue: when a job may run, and how urgent it is.


@_hookspec
def fluxplug_job_dependencies(job: Job) -> list[str]:  # type: ignore[empty-body]
    """Name what a job must wait for, beyond what its jobspec says.

    Called once for each job, when it enters the queue. Must not change the job. Returns a list of descriptions, shown by
    `fluxplug explain`; those of all plugins are joined, and the job is not eligible before each has been taken back.
    """


@_hookspec(firstresult=True)
def fluxplug_job_priority(job: Job) -> int | None:
    """Give a job its priority: 0 (held) to 4294967295, higher goes first.

    Called when a job becomes eligible and whenever its urgency changes. Must not change the job. The first plugin that returns a
    number decides, and the others are not asked; None passes. Where all pass, the plugin of `[sched] priority` decides: by default, the
    urgency.
    """


# The pass and the job's life: for watching, never for changing.


@_hookspec
def fluxplug_pass_begin(queue: str, now: float) -> None:
    """A scheduling pass over a queue begins.

    Called before each pass, with the queue's name (empty where no queues are configured) and the instant. Returns nothing.
    """


@_hookspec
def fluxplug_pass_end(queue: str, now: float, started: Sequence[int], reserved: Mapping[int, float]) -> None:
    """A scheduling pass over a queue has ended.

    Called after each pass that began, with the ids of the jobs that it started, in order, and the start it promised to each job
    that holds a reservation. Both must be left as they are. Returns nothing.
    """


@_hookspec
def fluxplug_job_event(jobid: int, time: float, name: str, context: Mapping[str, Any]) -> None:
    """An event was entered into a job's log (RFC 21: submit, priority, alloc, start, finish, ...).

    Called once for each event, in log order, after the engine has taken it in. `context` must be left as it is. Returns nothing.
    """


# The end.


@_hookspec
def fluxplug_shutdown() -> None:
    """The scheduler ends: close files, send what is buffered.

    Called once, after the last event, also when a command ends with an error. Returns nothing.
    """
