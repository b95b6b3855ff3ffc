"""Configurations of instances: each kind of text, how they add up, and what is refused."""

from __future__ import annotations

import pytest

from fluxplug.errors import OptionError
from fluxplug.jobspec.batchconfig import BatchConfig


def config(*pieces):
    made = BatchConfig()
    for piece in pieces:
        assert made.update(piece) is made
    return made.config


def test_kinds_of_texts(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.toml").write_text("[a]\nb = 1\n")
    (tmp_path / "a.json").write_text('{"a": {"b": 2}}')
    assert config() is None
    assert config("a.toml") == config(str(tmp_path / "a.toml")) == {"a": {"b": 1}}
    assert config("a.json") == {"a": {"b": 2}}
    assert config("a.b=[1]") == {"a": {"b": [1]}}
    assert config("a=x=y") == {"a": "x=y"}
    assert config("a=NaN") == {"a": "NaN"}
    assert config('\n{"a": 1}\n') == config("\na = 1\n") == {"a": 1}
    assert config({"a": 1}) == {"a": 1}


def test_pieces_add_up():
    given = {"a": {"b": 1, "c": {"d": 2}}}
    assert config(given, "a.c.e=3", "a.b=x", "f=1", "f.g=2") == {"a": {"b": "x", "c": {"d": 2, "e": 3}}, "f": {"g": 2}}
    assert given == {"a": {"b": 1, "c": {"d": 2}}}


def test_get():
    made = BatchConfig()
    assert made.get("a", 3) == 3
    made.update("a.b=1")
    assert (made.get("a.b"), made.get("a"), made.get("a.b.c"), made.get("x", 0)) == (1, {"b": 1}, None, 0)


def test_named_configurations(tmp_path, monkeypatch):
    for place, text in [("user", "from = 'user'"), ("site1", "from = 'site1'"), ("site2", "from = 'site2'")]:
        folder = tmp_path / place / "flux" / "config"
        folder.mkdir(parents=True)
        (folder / f"{place}.toml").write_text(text)
        (folder / "all.toml").write_text(text)
        (folder / "all.json").write_text("{}")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "user"))
    monkeypatch.setenv("XDG_CONFIG_DIRS", f"{tmp_path}/site1:{tmp_path}/site2")
    assert [config(name)["from"] for name in ("user", "site1", "site2", "all")] == ["user", "site1", "site2", "user"]
    with pytest.raises(OptionError, match=r"^--conf=none: no such configuration: tried .*/user/flux/config/none\.toml"):
        config("none")
    monkeypatch.delenv("XDG_CONFIG_HOME")
    monkeypatch.delenv("XDG_CONFIG_DIRS")
    with pytest.raises(OptionError, match=r"\.config/flux/config/none\.json, /etc/xdg/flux/config/none\.toml"):
        config("none")


@pytest.mark.parametrize(
    ("piece", "reason"),
    [
        (3, "expected a text or a mapping"),
        ("a..b=1", "expected KEY=VALUE"),
        ("none.toml", "No such file"),
        ("bad.toml", "not TOML"),
        ("raw.toml", "not UTF-8"),
        ("bad.json", "YAML|JSON"),
        ("list.json", "must be a mapping"),
        ("a = \n", "neither JSON nor TOML"),
        ("{\n", "neither JSON nor TOML"),
        ("a = 2020-01-01\n", "a: date has no place"),
        ("a = inf\n", "a: must be a finite number"),
        ({"a": {1}}, "a: set has no place"),
        ("", "no such configuration"),
    ],
)
def test_refusals(tmp_path, monkeypatch, piece, reason):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bad.toml").write_text("a = ")
    (tmp_path / "raw.toml").write_bytes(b"a = '\xff'")
    (tmp_path / "bad.json").write_text("{")
    (tmp_path / "list.json").write_text("[1]")
    made = BatchConfig().update("x=1")
    with pytest.raises(OptionError, match=reason):
        made.update(piece)
    assert made.config == {"x": 1}
