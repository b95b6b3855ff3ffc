"""Throw-away plugins: files in a folder, and distributions that look installed. Nothing is mocked: the real loader finds them."""

from __future__ import annotations

import sys
import textwrap
import time
from itertools import count

import pytest

HEAD = """\
import attrs
from fluxplug.config import option
from fluxplug.hookspecs import hookimpl
"""


@pytest.fixture
def utc(monkeypatch):
    """Local time is UTC."""
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.fixture
def plugin_folder(tmp_path):
    """Write files `stem=source` into a folder of plugins and return it; each source begins with the usual imports (3 lines)."""

    def write(folder="plugins", **sources):
        path = tmp_path / folder
        path.mkdir(exist_ok=True)
        for stem, source in sources.items():
            (path / f"{stem}.py").write_text(HEAD + textwrap.dedent(source), encoding="utf-8")
        return path

    return write


@pytest.fixture
def distribution(tmp_path, monkeypatch):
    """Install a distribution for the time of a test: its version, and entry points `name=source` of modules of its own."""
    numbers = count()
    before = set(sys.modules)

    def install(name, version="1.0", **entries):
        site = tmp_path / f"site-{next(numbers)}"
        info = site / f"{name.replace('-', '_')}-{version}.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n", encoding="utf-8")
        lines = ["[fluxplug]"]
        for entry, source in entries.items():
            module = f"{name}_{entry}_{abs(hash(site))}".replace("-", "_")
            lines.append(f"{entry} = {module}")
            if source is not None:
                (site / f"{module}.py").write_text(HEAD + textwrap.dedent(source), encoding="utf-8")
        (info / "entry_points.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
        monkeypatch.syspath_prepend(str(site))
        return site

    yield install
    for name in set(sys.modules) - before:
        if str(tmp_path) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]
