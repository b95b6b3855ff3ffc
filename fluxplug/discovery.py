"""Plugins as things on disk: find them, leave out the blocked ones, import one.

Knows entry points and files, not hooks: `fluxplug.plugins` takes what is found here and makes a plugin of it. The steps are apart so
that a caller can say where a wrong name stands:

    found = find(path)               # entry points and files; imports nothing
    chosen = select(found, block)    # without what is blocked
    plugins = Plugins(chosen)        # imports, checks, registers

Every failure is a PluginError of one line that names the plugin, its distribution or file, and what to do.
"""

from __future__ import annotations

import importlib.util
import re
import sys
import traceback
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING
from zlib import crc32

from attrs import frozen

from fluxplug.errors import PluginError
from fluxplug.suggest import instead

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import ModuleType

GROUP = "fluxplug"


@frozen
class Candidate:
    """A plugin that was found and not yet imported: an entry point of a distribution, or a file of the search path.

    `distribution` is the file's path and `version` empty for a file; `target` is what to import.
    """

    name: str
    distribution: str
    version: str
    target: str
    file: Path | None = None

    @property
    def owner(self) -> str:
        """The distribution with its version, or the file: what a user can uninstall, upgrade or edit."""
        return f"{self.distribution} {self.version}".strip()

    def __str__(self) -> str:
        return f"plugin {self.name!r} of {self.owner}"


def find(path: Iterable[str | Path] = (), *, entry_points: bool = True) -> tuple[Candidate, ...]:
    """All plugins there are, in loading order: core's own, entry points by name, then the files of each folder by name.

    Imports nothing. Raises PluginError where a folder is missing or two plugins have the same name.
    """
    found: list[Candidate] = []
    if entry_points:
        found += sorted(map(_installed, metadata.entry_points(group=GROUP)), key=_installed_order)
    for folder in map(Path, path):
        if not folder.is_dir():
            what = "is not a folder" if folder.exists() else "does not exist"
            raise PluginError(f"plugin folder {folder} {what}; create it or take it out of [plugins] path")
        files = sorted(file for file in folder.glob("*.py") if file.is_file())
        found += [Candidate(file.stem, str(file), "", _private_name(file), file) for file in files]
    owners: dict[str, Candidate] = {}
    for one in found:
        other = owners.setdefault(one.name, one)
        if other is not one:
            raise PluginError(
                f"two plugins are named {one.name!r}: one of {other.owner} and one of {one.owner}; remove or rename one of them"
            )
    return tuple(found)


def select(found: Iterable[Candidate], block: Iterable[str] = ()) -> tuple[Candidate, ...]:
    """The plugins that are not blocked; `block` has names of plugins (a file's is its stem) or of distributions.

    Raises PluginError for a name that blocks nothing.
    """
    found = tuple(found)
    blocked: set[str] = set()
    for name in block:
        hit = {one.name for one in found if name == one.name or _normal(name) == _normal(one.distribution)}
        if not hit:
            known = {one.name for one in found} | {one.distribution for one in found if one.file is None}
            raise PluginError(f"no plugin or distribution {name!r} to block{instead(name, known, 'there are')}")
        blocked |= hit
    return tuple(one for one in found if one.name not in blocked)


def load(one: Candidate) -> object:
    """Import a plugin. Whatever it raises becomes a PluginError with the plugin's own line."""
    try:
        if one.file is None:
            return metadata.EntryPoint(one.name, one.target, GROUP).load()
        return _load_file(one.target, one.file)
    except (Exception, SystemExit) as error:
        text = " ".join(str(error.msg if isinstance(error, SyntaxError) else error).split()) or "no message"
        raise PluginError(
            f"{one} fails to import: {type(error).__name__}: {text} ({_origin(error, one)}); "
            f'repair or reinstall it, or block it with [plugins] block = ["{one.name}"]'
        ) from error


def _installed(entry: metadata.EntryPoint) -> Candidate:
    distribution = entry.dist
    if distribution is None:  # an EntryPoint that was not read from a distribution; entry_points() makes none
        return Candidate(entry.name, "unknown", "", entry.value)
    return Candidate(entry.name, distribution.metadata["Name"], distribution.version, entry.value)


def _installed_order(one: Candidate) -> tuple[bool, str, str]:
    return one.name != "builtin", one.name, one.distribution


def _normal(name: str) -> str:
    """Distribution names that differ in case or in `-_.` are the same (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _private_name(file: Path) -> str:
    """A module name for a plugin file that no import can clash with; the same for the same file."""
    return f"_fluxplug_file_{file.stem}_{crc32(str(file.resolve()).encode()):08x}"


def _load_file(name: str, file: Path) -> ModuleType:
    """A file is imported once a process, like any module, so that its classes keep their identity."""
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise ImportError(f"cannot load {file}")
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _origin(error: BaseException, one: Candidate) -> str:
    """FILE:LINE of the plugin's last own frame; the entry point where none of its lines ran."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{error.filename}:{error.lineno or 0}"
    own = one.target if one.file else re.split(r"[.:]", one.target)[0].strip()
    for frame, line in reversed(list(traceback.walk_tb(error.__traceback__))):
        name = frame.f_globals.get("__name__", "")
        if name == own or name.startswith(own + "."):
            return f"{frame.f_code.co_filename}:{line}"
    return f"entry point {one.name} = {one.target}"
