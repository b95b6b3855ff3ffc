"""Where submission plugins are, how they are imported, and how their code is called: within a time limit, with errors of one line.

Knows files and entry points, not what a plugin does: `fluxplug.cli.plugin` asks it for classes. In order:

1. `*.py` of the folders of FLUXPLUG_CLI_PLUGINPATH, then of FLUX_CLI_PLUGINPATH (separated by `:`), by name;
2. of `cli/plugins` in the configuration folder (FLUXPLUG_CONF_DIR, else FLUX_CONF_DIR, else /etc/fluxplug), then in
   `libexec/fluxplug` of the Python installation;
3. entry points of the group `fluxplug.cli.plugins`, by name: `module` or `module:Class`.

FLUXPLUG_CLI_PLUGINPATH_OVERRIDE, else FLUX_CLI_PLUGINPATH_OVERRIDE, replaces the folders of 1 and 2; empty, it leaves 3 alone.

Every `fluxplug submit` pays for this module, so it reads entry points from the files themselves: importlib.metadata costs as much as all the
rest of a start. While a plugin is imported or called, `flux.cli.plugin` and a few other names of Flux lead to ours (`flux_names`), unless a
Flux is installed.

The time limit is FLUXPLUG_CLI_PLUGIN_TIMEOUT (a duration, 10s; 0 is none), for each import and each call. It is an alarm signal, so it holds
in the main thread alone: elsewhere nothing is limited.
"""

from __future__ import annotations

import contextlib
import functools
import os
import signal
import sys
from typing import TYPE_CHECKING, Any

from fluxplug.clock import stopwatch
from fluxplug.errors import PluginError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from types import FrameType, ModuleType

GROUP = "fluxplug.cli.plugins"
TIMEOUT = "FLUXPLUG_CLI_PLUGIN_TIMEOUT"
DEFAULT_TIMEOUT = 10.0

# Names of Flux that plugins for it import, and where the same things are here.
FLUX_NAMES = {
    "flux": "fluxplug",
    "flux.cli": "fluxplug.cli",
    "flux.cli.plugin": "fluxplug.cli.plugin",
    "flux.constants": "fluxplug.constants",
    "flux.constraint": "fluxplug.constraint",
    "flux.constraint.parser": "fluxplug.constraint.parser",
    "flux.hostlist": "fluxplug.values.hostlist",
    "flux.idset": "fluxplug.values.idset",
    "flux.job": "fluxplug.job",
    "flux.job.directives": "fluxplug.job.directives",
    "flux.shape": "fluxplug.shape",
    "flux.shape.parser": "fluxplug.shape.parser",
    "flux.util": "fluxplug.values.duration",
}


# Files whose frames stand between a command and a plugin.
_CALLERS = (__file__, __file__.replace("plugin_search", "plugin"), contextlib.__file__)


class CLIPluginError(PluginError, ValueError):
    """A submission plugin that cannot be loaded, refuses, fails, or takes too long; `plugin` and `hook` say which and where."""

    def __init__(self, plugin: str, hook: str, reason: str) -> None:
        super().__init__(f"{plugin}: {hook}: {reason}")
        self.plugin = plugin
        self.hook = hook
        self.reason = reason


class _TooLong(BaseException):
    """Raised inside a plugin by the alarm: not an Exception, which its own `except Exception` would take."""


def search_path() -> list[str]:
    """The folders of plugin files, in order; some may not exist."""
    for name in ("FLUXPLUG_CLI_PLUGINPATH_OVERRIDE", "FLUX_CLI_PLUGINPATH_OVERRIDE"):
        if name in os.environ:
            return _folders(os.environ[name])
    given = [os.environ.get(name, "") for name in ("FLUXPLUG_CLI_PLUGINPATH", "FLUX_CLI_PLUGINPATH")]
    conf = os.environ.get("FLUXPLUG_CONF_DIR") or os.environ.get("FLUX_CONF_DIR") or "/etc/fluxplug"
    libexec = os.path.join(sys.prefix, "libexec", "fluxplug")  # noqa: PTH118 - no pathlib at start-up
    own = [f"{folder}/cli/plugins" for folder in (conf, libexec)]
    return list(dict.fromkeys([*_folders(given[0]), *_folders(given[1]), *own]))


def _folders(text: str) -> list[str]:
    return [folder for folder in text.split(os.pathsep) if folder]


def classes(of_module: Callable[[dict[str, Any]], list[type]]) -> Iterator[tuple[type, str]]:
    """Each plugin class with the file or module it came from, in loading order; `of_module` picks them from a module's names.

    Raises CLIPluginError where one cannot be imported, or an entry point has no plugin class.
    """
    seen: set[type] = set()
    for folder in search_path():
        for file in _files(folder):
            with calling(f"plugin {file}", "import"):
                namespace = vars(_module(file))
            for cls in of_module(namespace):
                if cls not in seen:
                    seen.add(cls)
                    yield cls, file
    for name, target, owner in entry_points():
        where = f"{target} ({owner})"
        with calling(f"plugin {name} of {where}", "import"):
            found = of_module(_target(target))
        if not found:
            raise CLIPluginError(f"plugin {name} of {where}", "import", "has no class derived from CLIPlugin")
        for cls in found:
            if cls not in seen:
                seen.add(cls)
                yield cls, where


def _files(folder: str) -> list[str]:
    try:
        names = sorted(os.listdir(folder))  # noqa: PTH208
    except OSError:  # a folder of the search path that is not there has no plugins
        return []
    return [f"{folder}/{name}" for name in names if name.endswith(".py") and not name.startswith(".")]


def _module(file: str) -> ModuleType:
    """A file as a module: imported once a process, so that its classes keep their identity."""
    from importlib.util import module_from_spec, spec_from_file_location  # noqa: PLC0415 - only where there are plugins
    from zlib import crc32  # noqa: PLC0415

    path = os.path.realpath(file)
    name = f"_fluxplug_cli_{os.path.basename(file)[:-3]}_{crc32(path.encode(errors='surrogateescape')):08x}"  # noqa: PTH119
    if name in sys.modules:
        return sys.modules[name]
    spec = spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"cannot load {file}")
    module = sys.modules[name] = module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _target(target: str) -> dict[str, Any]:
    """The names that an entry point offers: those of its module, or the one after the colon."""
    from importlib import import_module  # noqa: PLC0415

    module, _, attribute = target.partition(":")
    found: Any = import_module(module.strip())
    if not attribute:
        return dict(vars(found))
    for part in attribute.strip().split("."):
        found = getattr(found, part)
    return {attribute: found}


def entry_points() -> list[tuple[str, str, str]]:
    """(name, target, distribution) of each entry point of the group, by name; the first of two distributions of one name counts.

    Read again where sys.path or a folder of it has changed: a call costs a look at each folder.
    """
    key = tuple((folder, _changed(folder or ".")) for folder in dict.fromkeys(sys.path))
    if _ENTRY_POINTS.get("key") != key:
        _ENTRY_POINTS.update(key=key, rows=_read_entry_points(folder for folder, changed in key if changed))
    return list(_ENTRY_POINTS["rows"])


_ENTRY_POINTS: dict[str, Any] = {}


def _changed(folder: str) -> int:
    """When a folder changed; 0 for what is none."""
    try:
        found = os.stat(folder)  # noqa: PTH116
    except (OSError, ValueError):
        return 0
    return found.st_mtime_ns if found.st_mode & 0o170000 == 0o040000 else 0


def _read_entry_points(folders: Iterable[str]) -> list[tuple[str, str, str]]:
    found: dict[str, list[tuple[str, str, str]]] = {}
    for folder in folders:
        for name in sorted(os.listdir(folder or ".")):  # noqa: PTH208
            if name.endswith((".dist-info", ".egg-info")):
                owner = name.rpartition(".")[0].split("-")[0].lower().replace("_", "-").replace(".", "-")
                if owner not in found:
                    found[owner] = _of_group(f"{folder or '.'}/{name}/entry_points.txt", owner)
    return sorted(row for rows in found.values() for row in rows)


def _of_group(file: str, owner: str) -> list[tuple[str, str, str]]:
    try:
        with open(file, encoding="utf-8") as lines:  # noqa: PTH123
            text = lines.read()
    except (OSError, ValueError):  # most distributions have none
        return []
    if GROUP not in text:
        return []
    rows, inside = [], False
    for line in map(str.strip, text.splitlines()):
        if line.startswith("["):
            inside = line == f"[{GROUP}]"
        elif inside and "=" in line and not line.startswith(("#", ";")):
            name, _, target = line.partition("=")
            rows.append((name.strip(), target.partition("[")[0].strip(), owner))
    return rows


@contextlib.contextmanager
def calling(plugin: str, hook: str) -> Iterator[None]:
    """Around code of a plugin: the time limit, Flux's names, and a CLIPluginError for whatever it raises."""
    limit = _limit()
    try:
        with flux_names(), _alarm(limit):
            yield
    except CLIPluginError:
        raise
    except _TooLong:
        raise CLIPluginError(
            plugin, hook, f"took longer than {limit:g} s, and was stopped (${TIMEOUT} sets the limit)"
        ) from None
    except (Exception, SystemExit) as error:
        raise CLIPluginError(plugin, hook, _told(error)) from error


def _told(error: BaseException) -> str:
    """A ValueError is how a plugin says no, so its text is enough; anything else is a fault of the plugin, told with its place."""
    text = " ".join(str(error).split())
    if type(error) is ValueError and text:
        return text
    if isinstance(error, SyntaxError):
        text = f"{error.msg}" + (f" ({error.filename}:{error.lineno})" if error.filename else "")
        return f"SyntaxError: {text}"
    if isinstance(error, SystemExit):
        text = f"it exits with {error.code}"
    return f"{type(error).__name__}: {text or 'no message'}{_place(error)}"


def _place(error: BaseException) -> str:
    """The last line of the plugin's own file that ran, as ` (FILE:LINE)`; empty where none did."""
    own, line = "", 0
    frame = error.__traceback__
    while frame:
        file = frame.tb_frame.f_code.co_filename
        if not own and not file.startswith("<frozen") and not file.startswith(_CALLERS):
            own = file
        if file == own:
            line = frame.tb_lineno
        frame = frame.tb_next
    return f" ({own}:{line})" if own else ""


def _limit() -> float:
    text = os.environ.get(TIMEOUT)
    if not text:
        return DEFAULT_TIMEOUT
    from fluxplug.values.duration import parse_fsd  # noqa: PLC0415

    try:
        seconds = parse_fsd(text)
    except ValueError as error:
        raise PluginError(f"${TIMEOUT}: {error}") from None
    return 0.0 if seconds == float("inf") else seconds


@contextlib.contextmanager
def _alarm(seconds: float) -> Iterator[None]:
    """Raise _TooLong after so many seconds; 0 is never. A timer that somebody else runs is stopped meanwhile, and goes on afterwards."""

    def stop(_signal: int, _frame: FrameType | None) -> None:
        raise _TooLong

    try:
        before = signal.signal(signal.SIGALRM, stop) if seconds else None
    except ValueError:  # in any thread but the main one
        before = None
    if before is None:
        yield
        return
    began = stopwatch()
    # Again every second, for a plugin that catches everything and goes on.
    left, interval = signal.setitimer(signal.ITIMER_REAL, seconds, 1.0)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        if left:
            signal.setitimer(signal.ITIMER_REAL, max(left - (stopwatch() - began), 1e-3), interval)


@contextlib.contextmanager
def flux_names() -> Iterator[None]:
    """Let `import flux.cli.plugin` and the other FLUX_NAMES find ours, for the time of a call; no-op where a Flux is installed."""
    if "flux" in sys.modules or _flux_is_installed():
        yield
        return
    made = {name: _alias(name, target) for name, target in FLUX_NAMES.items()}
    for name, module in made.items():
        parent, _, child = name.rpartition(".")
        if parent:
            vars(made[parent]).setdefault(child, module)
    hidden = {name: sys.modules[name] for name in made if name in sys.modules}
    sys.modules.update(made)
    try:
        yield
    finally:
        for name in made:
            sys.modules.pop(name, None)
        sys.modules.update(hidden)


_ALIASES: dict[str, ModuleType] = {}


def _alias(name: str, target: str) -> ModuleType:
    """A module that imports its target when the first name is asked for: most plugins want one of them."""
    if name not in _ALIASES:
        module = type(sys)(name, f"{target}, under Flux's name, while a submission plugin runs.")
        module.__path__ = []

        def find(attribute: str) -> Any:
            if attribute.startswith("__"):
                raise AttributeError(attribute)
            from importlib import import_module  # noqa: PLC0415

            return getattr(import_module(target), attribute)

        vars(module)["__getattr__"] = find
        _ALIASES[name] = module
    return _ALIASES[name]


def _flux_is_installed() -> bool:
    """Whether `import flux` would find a package with code; a folder that happens to have the name is none."""
    return _has_flux(tuple(sys.path))


@functools.lru_cache(maxsize=1)
def _has_flux(path: tuple[str, ...]) -> bool:
    from importlib.machinery import PathFinder  # noqa: PLC0415

    spec = PathFinder.find_spec("flux", path)
    return spec is not None and spec.origin is not None
