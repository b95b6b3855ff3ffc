"""List the plugins that are installed and not blocked: what they register, under which names, from which distribution.

`fluxplug plugins show NAME` prints the documentation of one and its configuration keys.
"""

from __future__ import annotations

import argparse
import inspect
import json
from typing import TYPE_CHECKING, Any

from fluxplug.errors import PluginError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fluxplug.plugins import Plugins, Registered

# Where a user writes the keys of a class, by axis.
KEYS_GO = {
    "pool": "[pool.{name}]",
    "policy": "policy-params of [sched] or [queues.NAME]",
    "ingest": "[ingest.{name}], which puts it to work",
    "priority": "[priority.{name}]",
    "executor": "[executor.{name}]",
    "trace": "--set KEY=VALUE of `fluxplug simulate`",
    "workload": "--set KEY=VALUE of `fluxplug workload generate`",
    "report": "arguments of the class",
    "command": "options of the command",
    "reapi": "options of `ReapiCli.initialize`",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    _add_common(parser)
    show = parser.add_subparsers(dest="action", metavar="ACTION").add_parser(
        "show", help="show the documentation and the configuration keys of one"
    )
    show.add_argument("name", metavar="NAME", help="a name from the list")
    _add_common(show, default=argparse.SUPPRESS)


def _add_common(parser: argparse.ArgumentParser, default: Any = None) -> None:
    parser.add_argument(
        "--config", metavar="FILE", default=default, help="block and add plugins as this file's [plugins] says"
    )
    parser.add_argument("--json", action="store_true", default=default or False, help="print JSON")


def run(args: argparse.Namespace) -> int:
    """Run the command. Raises ConfigError for the file, PluginError for a plugin that cannot be loaded or is not there."""
    from fluxplug.config import load_plugins  # noqa: PLC0415 - the command line starts without what it does not run
    from fluxplug.plugins import AXES, Plugins  # noqa: PLC0415

    plugins = load_plugins(args.config) if args.config else Plugins.load()
    registered = [one for axis in AXES for one in plugins.registry(axis).values()]
    if args.action == "show":
        return _show(args.name, plugins, registered, as_json=args.json)
    rows = [(one.axis, one.name, one.distribution, one.version) for one in registered]
    register = {axis.hook for axis in AXES.values()}
    for name, one in plugins.loaded.items():
        if set(plugins.hooks_of(name)) - register:
            rows.append(("hooks", name, one.distribution, one.version))
    columns = ("axis", "name", "distribution", "version")
    if args.json:
        print(json.dumps([dict(zip(columns, row, strict=True)) for row in rows], indent=2))
    else:
        _print_table([columns, *rows])
    return 0


def _show(name: str, plugins: Plugins, registered: Sequence[Registered], *, as_json: bool) -> int:
    found = [_described(one) for one in registered if one.name == name]
    if name in plugins.loaded:
        one = plugins.loaded[name]
        doc = inspect.getdoc(plugins.module_of(name)) or ""
        told: dict[str, Any] = {
            "axis": "plugin",
            "name": name,
            "distribution": one.distribution,
            "version": one.version,
            "doc": doc,
        }
        found.append({**told, "hooks": list(plugins.hooks_of(name))})
    if not found:
        from fluxplug.suggest import instead  # noqa: PLC0415 - only in errors

        names = {one.name for one in registered} | set(plugins.loaded)
        raise PluginError(f"nothing is named {name!r}{instead(name, names, 'installed')}")
    if as_json:
        print(json.dumps(found, indent=2))
        return 0
    for number, told in enumerate(found):
        print("\n" if number else "", end="")
        print(f"{told['name']}: {told['axis']} of {told['distribution']} {told['version']}".rstrip())
        print(f"\n{told['doc'] or '(not documented)'}")
        if told.get("hooks"):
            print(f"\nHooks: {', '.join(told['hooks'])}")
        if told.get("keys"):
            print(f"\nKeys, as {KEYS_GO[told['axis']].format(name=name)}:")
            columns = ("key", "type", "default", "unit", "range", "help")
            _print_table([columns, *(tuple(key[column] for column in columns) for key in told["keys"])], indent="  ")
    return 0


def _described(one: Registered) -> dict[str, Any]:
    from fluxplug.config.options import keys_of  # noqa: PLC0415

    try:
        keys = keys_of(one.config) if one.config else {}
    except TypeError as error:
        raise PluginError(f"plugin {one.plugin!r} of {one.owner}: {one.axis} {one.name!r}: {error}") from error
    return {
        "axis": one.axis,
        "name": one.name,
        "distribution": one.distribution,
        "version": one.version,
        "plugin": one.plugin,
        "doc": inspect.getdoc(one.cls) or "",
        "keys": [
            {
                "key": key.name,
                "type": key.type_text,
                "default": key.default_text,
                "unit": key.unit,
                "range": key.range_text,
                "help": key.help,
            }
            for key in keys.values()
        ],
    }


def _print_table(rows: Sequence[tuple[str, ...]], indent: str = "") -> None:
    """Columns as wide as their widest cell; columns with a head alone are left out."""
    used = [column for column in zip(*rows, strict=True) if any(column[1:])] or [rows[0]]
    widths = [max(map(len, column)) for column in used]
    for row in zip(*used, strict=True):
        print(indent + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
