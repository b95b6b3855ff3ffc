"""Submission plugins: `CLIPlugin`, which a site derives from, and `CLIPluginRegistry`, which finds, calls and judges its plugins.

A submission plugin adds options to `fluxplug submit`, `run`, `batch`, `alloc` and `bulksubmit`, and edits what they make:

    from fluxplug.cli.plugin import CLIPlugin

    class GpuMode(CLIPlugin):
        "Choose the mode of the GPUs."

        def __init__(self, prog):
            super().__init__(prog, prefix="amd")
            self.add_option("--gpumode", choices=["SPX", "TPX", "CPX"], help="mode of the GPUs")

        def modify_jobspec(self, args, jobspec):
            if args.gpumode:
                jobspec.setattr("gpumode", args.gpumode)

The names are those of Flux's `flux.cli.plugin`, and plugins written for it load as they are (`fluxplug.cli.plugin_search`). The commands
use the registry, and so does `JobspecV1.apply_options(prog=...)`. Not here: where plugins are looked for, and hooks of a scheduler
(`fluxplug.hookspecs`). Every start of `fluxplug submit` pays for what this module imports.
"""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

from fluxplug.cli import plugin_search
from fluxplug.cli.plugin_search import CLIPluginError

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Callable, Iterator

    from fluxplug.jobspec.model import Jobspec

__all__ = ["CLIPlugin", "CLIPluginError", "CLIPluginOption", "CLIPluginRegistry", "PluginArgsProxy"]

PACKAGED = "fluxplug"  # the path of a plugin of core's


class CLIPluginOption:
    """An option of a plugin: `name` as users type it (`--site-thing`), `dest`, and `kwargs` for `ArgumentParser.add_argument`.

    `alias` is the name without the prefix under which the plugin's own callbacks find the value; None where the plugin chose `dest`.
    """

    __slots__ = ("alias", "dest", "kwargs", "name")

    def __init__(self, name: str, dest: str, kwargs: dict[str, Any], alias: str | None = None) -> None:
        self.name = name
        self.dest = dest
        self.kwargs = kwargs
        self.alias = alias

    @property
    def default(self) -> Any:
        """The value where a user gives none."""
        action = self.kwargs.get("action")
        return self.kwargs.get("default", {"store_true": False, "store_false": True}.get(action) if action else None)

    def __repr__(self) -> str:
        return f"CLIPluginOption({self.name!r}, {self.dest!r}, {self.kwargs!r})"


class CLIPlugin:
    """The base of submission plugins. A subclass is made with the name of the command as its one argument, and calls this constructor.

    `prog` is "submit", "run", "bulksubmit", "batch", "alloc", or "validate" where jobs are taken in; a leading "flux " or "fluxplug " is
    dropped. `prefix` begins the names of the options; a false one leaves them as they are. `path` is the file or module that it came from.
    """

    path: str | None = None

    def __init__(self, prog: str, prefix: str | None = "ex", version: str | None = None) -> None:
        self.prog = prog.removeprefix("fluxplug ").removeprefix("flux ")
        self.prefix = prefix
        self.version = version
        self.options: list[CLIPluginOption] = []

    def add_option(self, name: str, **kwargs: Any) -> None:
        """Add the option `--PREFIX-NAME`; `kwargs` are those of `ArgumentParser.add_argument`. ValueError where `name` has no leading `--`."""
        bare = name[2:]
        if not name.startswith("--") or not bare or bare.startswith("-"):
            raise ValueError(f"add_option: {name!r}: the name of an option begins with --")
        flag = f"--{self.prefix}-{bare}" if self.prefix else name
        dest = kwargs.get("dest")
        alias = None
        if dest is None:
            alias = bare.replace("-", "_")
            dest = flag[2:].replace("-", "_")
        self.options.append(CLIPluginOption(flag, dest, {**kwargs, "dest": dest}, alias))

    def preinit(self, args: Any) -> None:
        """Look at the options, or change them, before the jobspec is made. ValueError refuses the command line."""

    def modify_jobspec(self, args: Any, jobspec: Jobspec) -> None:
        """Edit the jobspec after all options of core's; it is validated afterwards. ValueError refuses the job."""

    def validate(self, jobspec: Jobspec) -> None:
        """Refuse a job where it is taken in, with a ValueError."""

    def help(self, option: str) -> None:
        """Print the long help of an option: here the docstring of the class."""
        import inspect  # noqa: PLC0415 - for --help alone

        print(inspect.getdoc(type(self)) or f"{option}: the plugin {type(self).__name__} has no further help")


class PluginArgsProxy:
    """The options as a plugin's callbacks see them: its own also by their names without the prefix, for reading and writing."""

    def __init__(self, args: Namespace, plugin: CLIPlugin) -> None:
        aliases = {one.alias: one.dest for one in plugin.options if one.alias}
        object.__setattr__(self, "_args", args)
        object.__setattr__(self, "_aliases", aliases)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # copy and pickle ask before there is anything to ask
            raise AttributeError(name)
        return getattr(self._args, self._aliases.get(name, name))

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self._args, self._aliases.get(name, name), value)

    def __delattr__(self, name: str) -> None:
        delattr(self._args, self._aliases.get(name, name))

    def __contains__(self, name: str) -> bool:
        return hasattr(self._args, self._aliases.get(name, name))

    def __repr__(self) -> str:
        return f"PluginArgsProxy({self._args!r})"


class CLIPluginRegistry:
    """The plugins of one command: `plugins` in loading order, `options` of all of them, `dropped` with what was in their way.

    Loads every subclass of CLIPlugin in the files of the search path, then those of the entry points `fluxplug.cli.plugins`, then the
    packaged `shape`. A plugin with an option or a dest that has an owner already, core's options included, is dropped whole: first wins.
    Raises CLIPluginError (a ValueError) where one cannot be loaded. Files and modules are imported once a process.
    """

    def __init__(self, prog: str) -> None:
        self.prog = prog.removeprefix("fluxplug ").removeprefix("flux ")
        self.plugins: list[CLIPlugin] = []
        self.options: list[CLIPluginOption] = []
        self.dropped: list[tuple[CLIPlugin, str]] = []
        self._flags: dict[str, str] = {}
        self._dests: dict[str, str] = {}
        for cls, path in plugin_search.classes(_own_classes):
            self._add(cls, path)
        from fluxplug.cli.plugin_shape import ResourcesShape  # noqa: PLC0415 - it derives from a class of this module

        self._add(ResourcesShape, PACKAGED)

    def _add(self, cls: type[CLIPlugin], path: str) -> None:
        with (
            nullcontext() if path == PACKAGED else plugin_search.calling(f"plugin {cls.__name__} of {path}", "__init__")
        ):
            plugin = cls(self.prog)
            plugin.options = options = [_option(one, plugin) for one in plugin.options]
            plugin.path = path
        reason = self._conflict(options)
        if reason:
            self.dropped.append((plugin, reason))
            return
        self.plugins.append(plugin)
        for one in options:
            self._flags[one.name] = self._dests[one.dest] = f"plugin {cls.__name__}"
            self.options.append(one)

    def _conflict(self, options: list[CLIPluginOption]) -> str:
        if not options:
            return ""
        from fluxplug.cli.submission.options import flags_of  # noqa: PLC0415 - nothing to compare where there are no options

        core = flags_of(self.prog)
        own: set[str] = set()
        for one in options:
            if one.name in core or one.name in own:
                return f"{one.name} is an option of {'its own' if one.name in own else self.prog}"
            own.add(one.name)
            if one.name in self._flags:
                return f"{one.name} is an option of {self._flags[one.name]}"
            if one.dest in self._dests:
                return f"dest {one.dest!r} of {one.name} is one of {self._dests[one.dest]}"
        return ""

    def preinit(self, args: Namespace) -> None:
        """Call each plugin's `preinit`, in loading order. CLIPluginError names a plugin that raises or takes too long."""
        for plugin in self._overriding("preinit"):
            with _calling(plugin, "preinit"):
                plugin.preinit(PluginArgsProxy(args, plugin))

    def modify_jobspec(self, args: Namespace, jobspec: Jobspec) -> None:
        """Call each plugin's `modify_jobspec`, in loading order, and validate what it left.

        CLIPluginError names a plugin that raises, takes too long, or makes a valid jobspec invalid.
        """
        sound: bool | None = None
        for plugin in self._overriding("modify_jobspec"):
            packaged = (
                plugin.path == PACKAGED
            )  # what users ask `shape` for is theirs: ranges are refused where jobs are taken in
            if not packaged and sound is None:
                sound = not _fault(jobspec)
            with _calling(plugin, "modify_jobspec"):
                plugin.modify_jobspec(PluginArgsProxy(args, plugin), jobspec)
            if sound and not packaged:
                fault = _fault(jobspec)
                if fault:
                    raise CLIPluginError(
                        _name(plugin), "modify_jobspec", f"leaves a jobspec that is not valid: {fault}"
                    )

    def validate(self, jobspec: Jobspec) -> None:
        """Call each plugin's `validate`, in loading order. CLIPluginError, a ValueError, where one refuses the job."""
        for plugin in self._overriding("validate"):
            with _calling(plugin, "validate"):
                plugin.validate(jobspec)

    def print_plugins(self) -> None:
        """Print the search path, the plugins with their options, and those that were dropped."""
        print("search path:")
        for folder in plugin_search.search_path():
            print(f"  {folder}")
        print(f"  entry points {plugin_search.GROUP}")
        print(f"plugins of {self.prog}:")
        for plugin in self.plugins:
            version = f" {plugin.version}" if plugin.version else ""
            print(f"  {type(plugin).__name__}{version} ({plugin.path})")
            for one in plugin.options:
                print(f"    {one.name}")
        for plugin, reason in self.dropped:
            print(f"  {type(plugin).__name__} ({plugin.path}) is dropped: {reason}")

    def print_help(self, name: str) -> None:
        """Print the long help of an option, named with or without `--`, and exit with 0. ValueError where no plugin has it."""
        flag = name if name.startswith("--") else f"--{name}"
        for plugin in self.plugins:
            if any(one.name == flag for one in plugin.options):
                with _calling(plugin, "help"):
                    plugin.help(flag)
                sys.exit(0)
        raise ValueError(f"--help: no such option {name}")

    def owner(self, option: CLIPluginOption) -> str:
        """What to call the plugin of an option in an error."""
        return next(_name(plugin) for plugin in self.plugins if option in plugin.options)

    def _overriding(self, hook: str) -> Iterator[CLIPlugin]:
        """The plugins with a hook of their own: the empty ones of the base need no timer."""
        default: Callable[..., None] = getattr(CLIPlugin, hook)
        return (plugin for plugin in self.plugins if getattr(type(plugin), hook, None) is not default)


def _option(one: Any, plugin: CLIPlugin) -> CLIPluginOption:
    """An option of a plugin; as ours where its class is that of an installed Flux."""
    if isinstance(one, CLIPluginOption):
        return one
    automatic = one.dest == one.name.removeprefix("--").replace("-", "_")
    alias = one.dest.removeprefix(f"{plugin.prefix}_".replace("-", "_")) if automatic and plugin.prefix else None
    return CLIPluginOption(one.name, one.dest, {**one.kwargs, "dest": one.dest}, alias)


def _own_classes(namespace: dict[str, Any]) -> list[type[CLIPlugin]]:
    """The plugin classes of a module, in the order in which it has them; those of a Flux that is installed count too."""
    found = [
        one
        for one in namespace.values()
        if isinstance(one, type) and not _is_base(one) and any(map(_is_base, one.__mro__))
    ]
    return list(dict.fromkeys(found))


def _is_base(cls: type) -> bool:
    return cls is CLIPlugin or (cls.__name__ == "CLIPlugin" and cls.__module__ == "flux.cli.plugin")


def _calling(plugin: CLIPlugin, hook: str) -> AbstractContextManager[None]:
    """Around a call. What core's own plugins raise is as good as any error of core's."""
    return nullcontext() if plugin.path == PACKAGED else plugin_search.calling(_name(plugin), hook)


def _name(plugin: CLIPlugin) -> str:
    return f"plugin {type(plugin).__name__} of {plugin.path}"


def _fault(jobspec: Jobspec) -> str:
    """What is wrong with a jobspec; empty if nothing is."""
    from fluxplug.jobspec.v1 import JobspecV1, validate_jobspec  # noqa: PLC0415 - only where there are plugins

    try:
        validate_jobspec(jobspec, 1 if isinstance(jobspec, JobspecV1) else None)
    except (ValueError, TypeError, OSError) as error:
        return str(error)
    return ""
