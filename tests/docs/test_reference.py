"""docs/hooks.md and docs/config.md against the code, both ways: nothing is missing and nothing is stale."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest

from fluxplug import hookspecs
from fluxplug.cli.main import COMMANDS
from fluxplug.config.options import keys_of
from fluxplug.config.tables import TABLES
from fluxplug.plugins import AXES, HOOKS, Plugins

ROOT = Path(__file__).parents[2]
HOOKS_MD = (ROOT / "docs" / "hooks.md").read_text(encoding="utf-8")
CONFIG_MD = (ROOT / "docs" / "config.md").read_text(encoding="utf-8")
# Keys that no table class declares, because their values are further tables.
NESTED = {"resource": {"config"}}


def documented_tables():
    """Table -> its documented keys with their rows; a heading may name several tables."""
    found = {}
    for section in re.split(r"^##+ ", CONFIG_MD, flags=re.MULTILINE)[1:]:
        heading, _, body = section.partition("\n")
        rows = dict(re.findall(r"^\| `([^`]+)` (\|.*)$", body, flags=re.MULTILINE))
        for name in re.findall(r"`\[+([^\]`]+)\]+`", heading):
            found[name] = rows
    return found


def test_each_hook_is_documented_with_its_arguments():
    for name in HOOKS:
        arguments = ", ".join(inspect.signature(getattr(hookspecs, name)).parameters)
        assert f"`{name}({arguments})`" in HOOKS_MD


def test_no_documented_hook_is_stale():
    assert set(re.findall(r"\bfluxplug_[a-z_]+", HOOKS_MD)) == set(HOOKS)
    for name, arguments in re.findall(r"^###? `(fluxplug_\w+)\(([^)]*)\)`", HOOKS_MD, flags=re.MULTILINE):
        assert arguments == ", ".join(inspect.signature(getattr(hookspecs, name)).parameters)


def test_hooks_are_documented_in_the_order_of_the_specifications():
    entries = re.findall(r"^(?:### |\| )`(fluxplug_\w+)\(", HOOKS_MD, flags=re.MULTILINE)
    assert entries == list(HOOKS)


def test_contracts_of_the_axes_exist():
    from importlib import import_module

    rows = re.findall(r"^\| `(fluxplug_register_\w+)\(\)` \|[^|]*\| `([\w.]+)` \|", HOOKS_MD, flags=re.MULTILINE)
    assert [hook for hook, _ in rows] == [axis.hook for axis in AXES.values()]
    for axis, (_, path) in zip(AXES.values(), rows, strict=True):
        module, _, name = path.rpartition(".")
        base = getattr(import_module(module), name)
        assert all(callable(getattr(base, method)) for method in axis.methods)


def test_examples_of_hooks_run(tmp_path):
    for number, source in enumerate(re.findall(r"```python\n(.*?)```", HOOKS_MD, flags=re.DOTALL)):
        head = "from fluxplug.hookspecs import hookimpl\nfrom fluxplug.policy import QueuePolicy\n"
        head += "class Fair(QueuePolicy):\n    name = 'fair'\n    def schedule(self, pass_): yield\n"
        (tmp_path / f"example{number}.py").write_text(head + source, encoding="utf-8")
    plugins = Plugins.load(path=[tmp_path], entry_points=False)
    assert "fair" in plugins.policies
    assert list(plugins.commands) == ["hello"]
    assert set(keys_of(plugins.ingest["long-wait"].config)) == {"patience"}
    for module in map(plugins.module_of, plugins.loaded):
        if config := getattr(module.Fair, "Config", None):
            assert set(keys_of(config)) == {"half-life", "weight", "users", "mode"}


@pytest.mark.parametrize("table", TABLES)
def test_each_key_is_documented(table):
    rows = documented_tables()[table]
    keys = keys_of(TABLES[table])
    assert set(rows) == set(keys) | NESTED.get(table, set())
    for name, key in keys.items():
        assert f"| {key.type_text}" in rows[name], "its type"
        if key.range_text:
            assert key.range_text in rows[name], "its range"
        if key.default_text != "unset":
            assert key.default_text in rows[name], "its default"


def test_no_documented_table_is_stale():
    assert set(documented_tables()) == {*TABLES, "pool.NAME", "ingest.NAME", "priority.NAME", "executor.NAME"}


def test_policies_of_the_tree_are_documented_with_their_keys():
    policies = Plugins.load().policies
    rows = dict(re.findall(r"^\| `([a-z]+)` \| ((?:`|none).*) \|$", CONFIG_MD, flags=re.MULTILINE))
    assert set(rows) == set(policies)
    for name, row in rows.items():
        config = policies[name].config
        keys = keys_of(config) if config else {}
        assert set(re.findall(r"`([a-z-]+)` \((\d+)\)", row)) == {(key.name, key.default_text) for key in keys.values()}


def test_each_command_is_documented():
    page = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (`fluxplug .*?`) \|", page, flags=re.MULTILINE)
    assert sorted(re.findall(r"`fluxplug (\w+)`", " ".join(rows))) == sorted(COMMANDS)
    assert set(re.findall(r"(?:`|^)fluxplug (\w+)", CONFIG_MD, flags=re.MULTILINE)) <= set(COMMANDS)
