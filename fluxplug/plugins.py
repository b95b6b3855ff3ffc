"""Plugins: check them, look their classes up by axis and name, and call their hooks with real signatures.

The only module, with the markers in `hookspecs`, that touches pluggy. Used by the configuration (names to classes), by commands,
and by drivers (hooks). Not here: finding and importing (`discovery`), the meaning of each hook (`hookspecs`).

A plugin's classes are asked for when their axis is first looked at, so that a run that draws nothing imports no report.
Every failure is a PluginError of one line that names the plugin, its distribution or file, and what to do.
"""

from __future__ import annotations

import inspect
import re
from functools import cached_property
from typing import TYPE_CHECKING, Any

import attrs
import pluggy
from attrs import frozen

from fluxplug import hookspecs
from fluxplug.discovery import Candidate, find, load, select
from fluxplug.errors import DocumentError, PluginError
from fluxplug.suggest import instead

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from fluxplug.engine.job import Job

PREFIX = "fluxplug_"
HOOKS = tuple(name for name in vars(hookspecs) if name.startswith(PREFIX))
MAX_PRIORITY = 4294967295  # RFC 21: priorities are unsigned 32-bit

_CLASS_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@frozen
class Axis:
    """A kind of class that plugins register: what users call it, the hook, and what makes a class one of the kind.

    That is `methods`, and `texts`, attributes that are one line of text. Where `single`, the hook returns one class, not a list, and only
    one plugin may have it.
    """

    name: str
    label: str
    hook: str
    methods: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()
    single: bool = False


AXES = {
    axis.name: axis
    for axis in (
        Axis("pool", "pool", "fluxplug_register_pools", ("alloc", "free")),
        Axis("policy", "queue policy", "fluxplug_register_policies", ("schedule",)),
        Axis("ingest", "ingest plugin", "fluxplug_register_ingest", ("modify_jobspec", "validate")),
        Axis("priority", "priority plugin", "fluxplug_register_priorities", ("priority",)),
        Axis("executor", "executor", "fluxplug_register_executors", ("open", "launch", "signal", "stop", "close")),
        Axis("trace", "trace", "fluxplug_register_traces", ("jobs",)),
        Axis("workload", "workload model", "fluxplug_register_workloads", ("jobs",)),
        Axis("report", "report", "fluxplug_register_reports", ("write",)),
        Axis("command", "command", "fluxplug_register_commands", ("add_arguments", "run"), texts=("help",)),
        Axis("reapi", "ReapiCli", "fluxplug_register_reapi", ("initialize", "match", "info", "cancel"), single=True),
    )
}


@frozen
class Registered:
    """A class that a plugin registered under a name.

    `plugin` is the entry point's name or the file's stem; `distribution` is the file's path and `version` empty for a file.
    """

    axis: str
    name: str
    cls: type[Any]
    plugin: str
    distribution: str
    version: str

    @property
    def config(self) -> type[Any] | None:
        """The frozen attrs class of its configuration keys; None where it has none."""
        return getattr(self.cls, "Config", None)

    @property
    def owner(self) -> str:
        """The distribution with its version, or the file."""
        return f"{self.distribution} {self.version}".strip()


def two_owners(one: Registered, other: str) -> str:
    """What to say where somebody else, named by distribution and version, has the place of a class already."""
    axis = AXES[one.axis]
    what = axis.label if axis.single else f"{axis.label} {one.name!r}"
    # Commands and libraries are looked up without a configuration file, so that blocking in one would not help.
    blocking = axis.name not in ("command", "reapi")
    remedy = f' or block it with [plugins] block = ["{one.plugin}"]' if blocking else " of them"
    return f"{what} has two owners, {other} and {one.owner}; uninstall one{remedy}"


class Registry:
    """The classes of one axis by name; iterates over the names in order."""

    def __init__(self, axis: Axis, members: Iterable[Registered]) -> None:
        self.axis = axis
        self._members = {one.name: one for one in sorted(members, key=lambda one: one.name)}

    def __getitem__(self, name: str) -> Registered:
        """The class of that name. Raises PluginError with the nearest name and all that are installed."""
        try:
            return self._members[name]
        except KeyError:
            raise PluginError(self.missing(name)) from None

    def __contains__(self, name: object) -> bool:
        return name in self._members

    def __iter__(self) -> Iterator[str]:
        return iter(self._members)

    def __len__(self) -> int:
        return len(self._members)

    def values(self) -> Iterable[Registered]:
        """All of them, in order of their names."""
        return self._members.values()

    def classes(self) -> dict[str, type[Any]]:
        """The classes alone, by name."""
        return {name: one.cls for name, one in self._members.items()}

    def missing(self, name: str) -> str:
        """What to say where nothing is registered under a name."""
        return f"no {self.axis.label} is named {name!r}{instead(name, self._members, 'installed')}"


class Plugins:
    """The loaded plugins: registries by axis, and a typed front to the hooks.

    Hooks raise whatever their plugins raise: see `hookspecs` for what is meant to be raised.
    """

    def __init__(self, chosen: Iterable[Candidate] = ()) -> None:
        """Import, check and register what `discovery.select` returned. Raises PluginError."""
        self._manager = pluggy.PluginManager("fluxplug")
        self._manager.add_hookspecs(hookspecs)
        self._hook = self._manager.hook
        self.loaded: dict[str, Candidate] = {}
        for one in chosen:
            _register(self._manager, load(one), one)
            self.loaded[one.name] = one
        self._implemented = frozenset(name for name in HOOKS if getattr(self._hook, name).get_hookimpls())
        self._registries: dict[str, Registry] = {}

    @classmethod
    def load(cls, block: Iterable[str] = (), path: Iterable[str | Path] = (), *, entry_points: bool = True) -> Plugins:
        """Find, select and load plugins. Raises PluginError.

        `block` has names of plugins or distributions; `path` folders whose `*.py` files are plugins too; without `entry_points`
        what is installed, core's own classes included, is left out.
        """
        return cls(select(find(path, entry_points=entry_points), block))

    # Classes.

    @cached_property
    def pools(self) -> Registry:
        """Resource pools by name."""
        return self.registry("pool")

    @cached_property
    def policies(self) -> Registry:
        """Queue policies by name."""
        return self.registry("policy")

    @cached_property
    def ingest(self) -> Registry:
        """Ingest plugins by name."""
        return self.registry("ingest")

    @cached_property
    def priorities(self) -> Registry:
        """Priority plugins by name."""
        return self.registry("priority")

    @cached_property
    def executors(self) -> Registry:
        """Executors by name."""
        return self.registry("executor")

    @cached_property
    def traces(self) -> Registry:
        """Trace formats by name."""
        return self.registry("trace")

    @cached_property
    def workloads(self) -> Registry:
        """Workload models by name."""
        return self.registry("workload")

    @cached_property
    def reports(self) -> Registry:
        """Reports by name."""
        return self.registry("report")

    @cached_property
    def commands(self) -> Registry:
        """Commands by name."""
        return self.registry("command")

    @cached_property
    def reapi(self) -> Registry:
        """The class behind `ReapiCli`, if a plugin offers one, by its name."""
        return self.registry("reapi")

    def registry(self, axis: str) -> Registry:
        """The registry of an axis. Raises PluginError where a class is unfit or a name has two owners."""
        if axis not in self._registries:
            self._registries[axis] = Registry(AXES[axis], self._collect(AXES[axis]))
        return self._registries[axis]

    def _collect(self, axis: Axis) -> Iterable[Registered]:
        members: dict[str, Registered] = {}
        for one, impl in self._each(axis.hook):
            place = f"{axis.hook} ({_place(impl.function)})"
            try:
                classes = impl.function()
            except Exception as error:
                raise PluginError(f"{one}: {place} failed: {_one_line(error)}; {_remedy(one)}") from error
            if axis.single:
                classes = [classes]
            if not isinstance(classes, (list, tuple)):
                raise PluginError(f"{one}: {place} returned {_kind(classes)}; return a list of classes")
            for cls in classes:
                if problem := _unfit(cls, axis):
                    raise PluginError(f"{one}: {place} returned {_kind(cls)}, {problem}")
                new = Registered(axis.name, cls.name, cls, one.name, one.distribution, one.version)
                old = members.setdefault("" if axis.single else new.name, new)
                if old is not new:
                    raise PluginError(two_owners(new, old.owner))
        return members.values()

    def _each(self, hook: str) -> Iterator[tuple[Candidate, pluggy.HookImpl]]:
        """The implementations of a hook with their plugins, in loading order: for hooks whose caller must know who answers."""
        for impl in getattr(self._hook, hook).get_hookimpls():
            one = self.loaded[impl.plugin_name]
            if impl.wrapper or impl.hookwrapper:
                raise PluginError(
                    f"{one}: {hook} cannot be wrapped ({_place(impl.function)}); take `wrapper` out of @hookimpl"
                )
            yield one, impl

    # What was loaded.

    def hooks_of(self, plugin: str) -> tuple[str, ...]:
        """The hooks that a loaded plugin implements, in life-cycle order."""
        return tuple(
            name
            for name in HOOKS
            if any(impl.plugin_name == plugin for impl in getattr(self._hook, name).get_hookimpls())
        )

    def module_of(self, plugin: str) -> object:
        """The module (or object) of a loaded plugin."""
        return self._manager.get_plugin(plugin)

    def wants(self, hook: str) -> bool:
        """Whether any plugin implements a hook, given without its prefix: one set lookup, to spare building arguments."""
        return PREFIX + hook in self._implemented

    # Hooks, in life-cycle order.

    def add_options(self, command: str, parser: ArgumentParser) -> None:
        """Let each plugin add its options to a command, under a heading of its own. Raises PluginError for an option taken twice."""
        for one, impl in self._each("fluxplug_add_options"):
            given = {
                "command": command,
                "parser": parser.add_argument_group(f"options of plugin {one.name} ({one.owner})"),
            }
            try:
                impl.function(*[given[name] for name in impl.argnames])
            except Exception as error:
                place = f"fluxplug_add_options ({_place(impl.function)})"
                raise PluginError(f"{one}: {place} failed: {_one_line(error)}; {_remedy(one)}") from error

    def modify_jobspec(self, prog: str, args: Namespace | None, jobspec: dict[str, Any]) -> None:
        """Let plugins edit a valid jobspec in place. Raises PluginError for one that fails or does not leave it valid."""
        given = {"prog": prog, "args": args, "jobspec": jobspec}
        for one, impl, who in self._modifiers:
            edit(jobspec, impl.function, [given[name] for name in impl.argnames], who, _remedy(one))

    def validate_jobspec(self, jobspec: dict[str, Any]) -> None:
        """Ask plugins whether a jobspec is acceptable. Raises ValueError, with the reason, where one refuses; PluginError for one that fails."""
        for one, impl, who in self._validators:
            judge(impl.function, (jobspec,) if impl.argnames else (), who, _remedy(one))

    @cached_property
    def _modifiers(self) -> list[tuple[Candidate, pluggy.HookImpl, str]]:
        return self._in_order("fluxplug_modify_jobspec")

    @cached_property
    def _validators(self) -> list[tuple[Candidate, pluggy.HookImpl, str]]:
        return self._in_order("fluxplug_validate_jobspec")

    def _in_order(self, hook: str) -> list[tuple[Candidate, pluggy.HookImpl, str]]:
        """The implementations of a hook in the order in which pluggy would call them, each with its plugin and who that is."""
        found = [(one, impl, f"{one}: {hook} ({_place(impl.function)})") for one, impl in self._each(hook)]
        return found[::-1]

    def job_dependencies(self, job: Job) -> list[str]:
        """What plugins say that a job must wait for, in loading order. Raises PluginError for an answer that is no list of str."""
        answers = self._hook.fluxplug_job_dependencies(job=job)
        for answer in answers:
            if not isinstance(answer, (list, tuple)) or not all(isinstance(text, str) for text in answer):
                raise PluginError(self._bad_answer("fluxplug_job_dependencies", answer, "a list of texts"))
        return [text for answer in reversed(answers) for text in answer]

    def job_priority(self, job: Job) -> int | None:
        """The priority that the first plugin with an opinion gives; None where none has one. Raises PluginError for no priority."""
        answer = self._hook.fluxplug_job_priority(job=job)
        if answer is None or (type(answer) is int and 0 <= answer <= MAX_PRIORITY):
            return answer
        raise PluginError(self._bad_answer("fluxplug_job_priority", answer, f"None or an int from 0 to {MAX_PRIORITY}"))

    def pass_begin(self, queue: str, now: float) -> None:
        """Say that a pass begins."""
        self._hook.fluxplug_pass_begin(queue=queue, now=now)

    def pass_end(self, queue: str, now: float, started: Sequence[int], reserved: Mapping[int, float]) -> None:
        """Say that a pass has ended."""
        self._hook.fluxplug_pass_end(queue=queue, now=now, started=started, reserved=reserved)

    def job_event(self, jobid: int, time: float, name: str, context: Mapping[str, Any]) -> None:
        """Say that an event was entered into a job's log."""
        self._hook.fluxplug_job_event(jobid=jobid, time=time, name=name, context=context)

    def shutdown(self) -> None:
        """Say that the scheduler ends."""
        self._hook.fluxplug_shutdown()

    def _bad_answer(self, hook: str, answer: object, wanted: str) -> str:
        owners = " or ".join(str(self.loaded[impl.plugin_name]) for impl in getattr(self._hook, hook).get_hookimpls())
        return f"{owners}: {hook} returned {answer!r:.60}; it has to return {wanted}"


def edit(
    jobspec: dict[str, Any],
    function: Callable[..., object],
    arguments: Iterable[Any],
    who: str,
    remedy: str = "repair it",
) -> None:
    """Call what may edit a jobspec, and check what it leaves. Raises PluginError that begins with `who` and ends with `remedy`."""
    from fluxplug.jobspec.validate import check_canonical, check_keys, check_v1  # noqa: PLC0415 - few plugins edit

    try:
        function(*arguments)
    except Exception as error:
        raise PluginError(f"{who} failed: {_one_line(error)}; {remedy}") from error
    try:
        check_keys(jobspec)
        (check_v1 if jobspec["version"] == 1 else check_canonical)(jobspec)
    except DocumentError as error:
        raise PluginError(f"{who} leaves a jobspec that is not valid: {error}; {remedy}") from error


def judge(function: Callable[..., object], arguments: Iterable[Any], who: str, remedy: str = "repair it") -> None:
    """Call what may refuse a jobspec: its ValueError passes, as its answer. Anything else is a PluginError that begins with `who`."""
    try:
        function(*arguments)
    except ValueError:
        raise
    except Exception as error:
        raise PluginError(f"{who} failed: {_one_line(error)}; {remedy}") from error


def _register(manager: pluggy.PluginManager, plugin: object, one: Candidate) -> None:
    """Enter a plugin's hooks. pluggy finds what is wrong with them; this says it in one line."""
    for name, function in _functions(plugin):
        own = function.__module__ != hookspecs.__name__
        if own and name.startswith(PREFIX) and manager.parse_hookimpl_opts(plugin, name) is None:
            raise PluginError(
                f"{one}: {name} ({_place(function)}) is not marked; put @hookimpl from fluxplug.hookspecs above it, or rename it"
            )
    try:
        manager.register(plugin, one.name)
    except pluggy.PluginValidationError as error:
        raise PluginError(f"{one}: {_unknown_argument(manager, plugin) or _one_line(error)}") from error
    except ValueError as error:  # pluggy: one object under two names
        raise PluginError(f"{one} is the same object as another plugin; remove one of the two entry points") from error
    try:
        manager.check_pending()
    except pluggy.PluginValidationError as error:
        wrong = next(hook for hook in manager.get_hookcallers(plugin) or () if not hook.has_spec())
        place = _place(wrong.get_hookimpls()[0].function)
        raise PluginError(
            f"{one}: no hook is named {wrong.name!r} ({place}){instead(wrong.name, HOOKS, 'hooks')}"
        ) from error


def _unknown_argument(manager: pluggy.PluginManager, plugin: object) -> str | None:
    """Which hook of a plugin has an argument that its specification lacks, and what that allows."""
    for name, function in _functions(plugin):
        opts = manager.parse_hookimpl_opts(plugin, name)
        hook = (opts and opts.get("specname")) or name
        if opts is None or hook not in HOOKS:
            continue
        allowed = list(inspect.signature(getattr(hookspecs, hook)).parameters)
        for argument in inspect.signature(getattr(plugin, name)).parameters.values():
            if argument.default is argument.empty and argument.name not in allowed:
                wanted = instead(argument.name, allowed, "arguments")
                return f"hook {hook} ({_place(function)}) has no argument {argument.name!r}{wanted}"
    return None


def _unfit(cls: Any, axis: Axis) -> str | None:
    """Why a class cannot be registered on an axis, and what to do; None where it can."""
    if not isinstance(cls, type):
        return "which is not a class; return classes, not their instances or names"
    name = getattr(cls, "name", None)
    if not isinstance(name, str) or not _CLASS_NAME.fullmatch(name):
        return f'whose name is {name!r:.60}; give it `name = "..."` of letters, digits and .-_, the word for sched.toml'
    missing = [method for method in axis.methods if not callable(getattr(cls, method, None))]
    missing += sorted(getattr(cls, "__abstractmethods__", frozenset()).difference(missing))
    if missing:
        return f"which is no {axis.label}: it lacks {', '.join(missing)}; implement them"
    for text in axis.texts:
        value = getattr(cls, text, None)
        if not isinstance(value, str) or not value.strip() or "\n" in value:
            return f"whose {text} is {value!r:.60}; give it one line of text"
    config = getattr(cls, "Config", None)
    if config is not None and not (isinstance(config, type) and attrs.has(config) and _is_frozen(config)):
        return f"whose Config is {_kind(config)}; decorate it with attrs.frozen"
    return None


def _is_frozen(cls: type[Any]) -> bool:
    try:
        setattr(object.__new__(cls), "any", None)  # noqa: B010 - what is assigned to does not matter
    except attrs.exceptions.FrozenInstanceError:
        return True
    except AttributeError:  # slots, but not frozen
        return False
    return False


def _functions(plugin: object) -> list[tuple[str, Any]]:
    """The functions among a plugin's members, found without running any of its code."""
    members = ((name, inspect.getattr_static(plugin, name, None)) for name in dir(plugin))
    return [(name, member) for name, member in members if inspect.isfunction(member)]


def _place(function: Any) -> str:
    """FILE:LINE of a function."""
    code = getattr(inspect.unwrap(function), "__code__", None)
    return f"{code.co_filename}:{code.co_firstlineno}" if code else repr(function)


def _kind(value: object) -> str:
    """A class by its name, anything else by its type."""
    return value.__name__ if isinstance(value, type) else f"a {type(value).__name__} ({value!r:.60})"


def _one_line(error: BaseException) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())}"


def _remedy(one: Candidate) -> str:
    return f'repair it, or block it with [plugins] block = ["{one.name}"]'
