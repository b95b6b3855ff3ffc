"""The commands `resource` and `resource-query` as `fluxplug` runs them."""

import io
import json
import socket
import sys
import xml.etree.ElementTree as ET

import pytest
from fluxplug_pool_graph.readers import read
from machines import r_of, racks
from slow import SlowMatcher

from fluxplug.cli.main import main
from fluxplug.resource.rset import ResourceSet

parse = ET.fromstring  # what is read is our own


@pytest.fixture
def files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "m.json").write_text(json.dumps(racks(2, 2, 2)))
    (tmp_path / "R.json").write_text(json.dumps(r_of("1", "node1", core="0")))
    (tmp_path / "other.json").write_text(json.dumps(r_of("7", "node7", core="0")))
    return tmp_path


def test_they_are_in_the_help(capsys):
    assert main(["--help"]) == 0
    out = capsys.readouterr().out
    assert "    resource " in out
    assert "    resource-query" in out
    assert main(["plugins", "show", "pool-graph"]) == 0


class TestDiscover:
    def test_an_r(self, monkeypatch, capsys):
        monkeypatch.setattr(socket, "gethostname", lambda: "here12")
        assert main(["resource", "discover"]) == 0
        found = ResourceSet(capsys.readouterr().out)
        assert (found.nnodes, str(found.nodelist)) == (1, "here12")
        assert found.ncores >= 1

    def test_a_graph_into_a_file(self, files, capsys):
        assert main(["resource", "discover", "--format", "jgf", "-o", "here.json"]) == 0
        assert capsys.readouterr() == ("", "")
        text = (files / "here.json").read_text()
        assert read("jgf", text).vertices[1].name == socket.gethostname()
        assert main(["resource", "graph", "here.json", "-o", "here.svg"]) == 0

    def test_a_host_name_that_can_be_no_path(self, monkeypatch, capsys):
        monkeypatch.setattr(socket, "gethostname", lambda: "a/b")
        assert main(["resource", "discover"]) == 2
        assert capsys.readouterr().err.startswith("fluxplug resource: hostname: 'a/b' cannot be a part of a path")


class TestGraph:
    @pytest.mark.parametrize("options", [[], ["-f", "jgf"], ["--highlight", "R.json"], ["--reserved", "R.json"]])
    def test_an_svg(self, files, options):
        assert main(["resource", "graph", "m.json", "-o", "m.svg", *options]) == 0
        text = (files / "m.svg").read_text()
        parse(text)
        assert ("highlighted" in text) is ("--highlight" in options)
        assert ("1 reserved" in text) is ("--reserved" in options)

    def test_a_page(self, files):
        assert main(["resource", "graph", "m.json", "-o", "m.HTML", "--allocated", "R.json"]) == 0
        assert "1 allocated" in (files / "m.HTML").read_text()

    def test_an_r_by_its_own_graph(self, files):
        document = json.loads((files / "R.json").read_text())
        document["scheduling"] = racks(1, 1, 1)
        (files / "both.json").write_text(json.dumps(document))
        assert main(["resource", "graph", "both.json", "-o", "m.svg"]) == 0
        assert "rack0" in (files / "m.svg").read_text()

    @pytest.mark.parametrize(
        ("words", "text"),
        [
            (["m.json", "-o", "m.png"], "-o m.png: the name of a picture ends in .svg or .html"),
            (["none.json", "-o", "m.svg"], "none.json: No such file or directory"),
            (["m.json", "-o", "none/m.svg"], "none/m.svg: No such file or directory"),
            (["m.json", "-o", "m.svg", "-f", "xml"], "m.json: no reader is named 'xml'"),
            (["m.json", "-o", "m.svg", "-f", "rv1exec"], "m.json: version: expected 1"),
            (["m.json", "-o", "m.svg", "--highlight", "other.json"], "--highlight other.json: rank 7 (node7)"),
            (["m.json", "-o", "m.svg", "--highlight", "bad.json"], "bad.json: not UTF-8 text at byte 0"),
        ],
    )
    def test_what_does_not_go(self, files, words, text, capsys):
        (files / "bad.json").write_bytes(b"\xff")
        assert main(["resource", "graph", *words]) == 2
        assert text in capsys.readouterr().err
        assert not list(files.glob("*.svg"))


class TestQuery:
    @pytest.fixture(autouse=True)
    def slow(self, monkeypatch):
        monkeypatch.setattr("fluxplug_pool_graph.matchers.matcher_class", lambda: SlowMatcher)

    def test_all_words_are_its_own(self, capsys):
        assert main(["resource-query", "-h"]) == 0
        sys.stderr.flush()
        out, err = capsys.readouterr()
        assert (out, err.split("\n")[1]) == ("", "usage: resource-query [OPTIONS...]")
        assert main(["resource-query", "--config=x"]) == 1
        sys.stderr.flush()
        assert "unrecognized option '--config=x'" in capsys.readouterr().err

    def test_a_session(self, files, monkeypatch, capsys):
        monkeypatch.setattr("sys.stdin", io.StringIO("find status=up\nquit\n"))
        assert main(["resource-query", "-L", "m.json", "-f", "jgf"]) == 0
        assert 'INFO: EXPRESSION="status=up"' in capsys.readouterr().out
