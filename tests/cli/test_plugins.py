"""`fluxplug plugins`: the list, the pages of single plugins, and both as JSON."""

from __future__ import annotations

import json

import pytest

from fluxplug import __version__
from fluxplug.cli.main import main

SITE = '''
"""What our site adds."""

class Fair:
    """Whoever has used least goes first.

    A second paragraph.
    """
    name = "fair"
    @attrs.frozen
    class Config:
        half_life: float = option(86400.0, help="how fast usage is forgotten", unit="seconds", min=60)
        mode: str = option("user", choices=("user", "account"))
    def schedule(self, pass_): yield

@hookimpl
def fluxplug_register_policies(): return [Fair]

@hookimpl
def fluxplug_job_event(): pass
'''


@pytest.fixture
def site(distribution):
    distribution("site-plugins", "4.2", site=SITE)


def test_the_list(site, capsys):
    assert main(["plugins"]) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert rows[0] == ["axis", "name", "distribution", "version"]
    assert ["policy", "fair", "site-plugins", "4.2"] in rows
    assert ["trace", "swf", "fluxplug", __version__] in rows
    assert ["hooks", "site", "site-plugins", "4.2"] in rows


def test_the_list_as_json(site, capsys):
    assert main(["plugins", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert {"axis": "policy", "name": "fair", "distribution": "site-plugins", "version": "4.2"} in rows


def test_files_of_a_configuration(plugin_folder, tmp_path, capsys):
    folder = plugin_folder("mine", site=SITE)
    path = tmp_path / "sched.toml"
    path.write_text("[plugins]\npath = ['mine']\nblock = ['policy-fcfs']", encoding="utf-8")
    assert main(["plugins", "--config", str(path)]) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["policy", "fair", str(folder / "site.py")] in rows
    assert "fcfs" not in [row[1] for row in rows]


def test_a_page(site, capsys):
    assert main(["plugins", "show", "fair"]) == 0
    assert capsys.readouterr().out == (
        "fair: policy of site-plugins 4.2\n"
        "\n"
        "Whoever has used least goes first.\n"
        "\n"
        "A second paragraph.\n"
        "\n"
        "Keys, as policy-params of [sched] or [queues.NAME]:\n"
        "  key        type      default  unit     range                     help\n"
        "  half-life  duration  86400.0  seconds  60 or more                how fast usage is forgotten\n"
        '  mode       string    "user"            one of "user", "account"\n'
    )


def test_a_plugin_has_a_page_too(site, capsys):
    assert main(["plugins", "show", "site", "--json"]) == 0
    (page,) = json.loads(capsys.readouterr().out)
    assert page["hooks"] == ["fluxplug_register_policies", "fluxplug_job_event"]
    assert page["distribution"] == "site-plugins"


def test_a_page_as_json(site, capsys):
    assert main(["plugins", "--json", "show", "fair"]) == 0
    (page,) = json.loads(capsys.readouterr().out)
    assert page["keys"][0] == {
        "key": "half-life",
        "type": "duration",
        "default": "86400.0",
        "unit": "seconds",
        "range": "60 or more",
        "help": "how fast usage is forgotten",
    }


@pytest.mark.parametrize(
    "name",
    [
        *("rv1", "easy", "fcfs", "hybrid", "conservative", "swf", "jobspec-jsonl", "lublin", "html", "svg"),
        *("resource.discover", "resource.graph", "resource-query", "graph"),
    ],
)
def test_each_of_the_tree_is_documented(name, capsys):
    assert main(["plugins", "show", name]) == 0
    out = capsys.readouterr().out
    assert "(not documented)" not in out


def test_each_key_of_the_tree_has_help(capsys):
    assert main(["plugins", "--json"]) == 0
    for row in json.loads(capsys.readouterr().out):
        if row["axis"] == "hooks":
            continue
        assert main(["plugins", "show", row["name"], "--json"]) == 0
        for page in json.loads(capsys.readouterr().out):
            assert all(key["help"] for key in page.get("keys", ())), row
