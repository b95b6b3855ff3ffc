"""Submission plugins for the time of a test, and the command that they change."""

from __future__ import annotations

import json
import textwrap

import pytest

from fluxplug.cli import plugin_search
from fluxplug.cli.main import main


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Write plugin files `stem=source` into the only folder of the search path; entry points are left out."""
    monkeypatch.setattr(plugin_search, "entry_points", list)
    monkeypatch.setenv("FLUXPLUG_CLI_PLUGINPATH_OVERRIDE", str(tmp_path / "site"))

    def write(import_line="from fluxplug.cli.plugin import CLIPlugin", **sources):
        (tmp_path / "site").mkdir(exist_ok=True)
        for stem, source in sources.items():
            text = f"{import_line}\n{textwrap.dedent(source)}"
            (tmp_path / "site" / f"{stem}.py").write_text(text, encoding="utf-8")
        return tmp_path / "site"

    return write


@pytest.fixture
def submit(capsys):
    """`fluxplug submit --dry-run` with no environment: exit code, jobspec or None, standard error."""

    def run(*words, prog="submit"):
        code = main([prog, "--dry-run", "--env=-*", "--rlimit=-*", "--cwd=/w", *words])
        out, err = capsys.readouterr()
        return code, json.loads(out) if out.startswith("{") else out or None, err

    return run


@pytest.fixture
def simple():
    """The source of a plugin class: its methods are `body`, not indented."""

    def source(body, name="Site", prefix="site", options=("--thing",)):
        lines = [
            f"class {name}(CLIPlugin):",
            f'    "The {name}."',
            "    def __init__(self, prog):",
            f"        super().__init__(prog, prefix={prefix!r})",
        ]
        lines += [f"        self.add_option({one!r})" for one in options]
        return "\n".join([*lines, textwrap.indent(textwrap.dedent(body), "    ")])

    return source
