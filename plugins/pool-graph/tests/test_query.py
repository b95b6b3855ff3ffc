"""What a session does where no recorded one can be followed: bad input, and what the original aborts or hangs on."""

import io
import json
import sys

import pytest
from fluxplug_pool_graph.query import run
from slow import SlowMatcher

R = {"version": 1, "execution": {"R_lite": [{"rank": "0-1", "children": {"core": "0-1"}}], "nodelist": ["n[0-1]"]}}
JOB = {
    "version": 1,
    "resources": [{"type": "slot", "count": 1, "label": "s", "with": [{"type": "node", "count": 1}]}],
    "tasks": [{"command": ["a"], "slot": "s", "count": {"per_slot": 1}}],
    "attributes": {"system": {"duration": 60}},
}


@pytest.fixture
def session(tmp_path, monkeypatch):
    """Run lines on a small machine; return exit status, standard output and error."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "R.json").write_text(json.dumps(R))
    (tmp_path / "job.json").write_text(json.dumps(JOB))

    def play(*lines, argv=()):
        out, err = io.StringIO(), io.StringIO()
        status = run(
            ["-L", "R.json", "-f", "rv1exec", *argv], SlowMatcher, io.StringIO("\n".join(lines) + "\n"), out, err
        )
        return status, out.getvalue(), err.getvalue()

    return play


def test_the_end_of_input_ends_the_session(session):
    assert session("list") == (0, "", "")


def test_a_match_and_its_release(session):
    status, out, err = session("match allocate job.json", "cancel 1", "info 1", argv=["-P", "low"])
    assert (status, err) == (0, "")
    assert out.startswith("      ------n0[1:x]\n      ---cluster0[1:s]\n")
    assert "INFO: 1, CANCELED, 0, job.json, " in out


def test_an_output_file_that_cannot_be_written(session):
    status, out, err = session("list", argv=["-t", "nowhere/out"])
    assert (status, out) == (1, "")
    assert "nowhere/out" in err


def test_later_times_need_a_filter_at_the_root(session):
    lines = ["match allocate_orelse_reserve job.json"] * 3
    status, out, err = session(*lines, "match allocate job.json", argv=["-p", "node:gpu,cluster:core", "-P", "low"])
    assert status == 0
    status, out, err = session(*lines, argv=["-p", "node:core"])
    assert (status, out.count("RESOURCES=ALLOCATED")) == (0, 2)
    assert "filter" in err


@pytest.mark.parametrize(
    "line",
    [
        "remove 0-4294967291 false",
        "remove 99999999999999999999 false",
        "remove /cluster0 true",
        "attach job.json",
        "attach R.json",
        "cancel 99999999999999999999999",
        "info -1",
        "update allocate rv1exec job.json 5 0 10",
        "update allocate rv1exec R.json 5 0 99999999999999999999",
        "partial-cancel 1 jgf job.json",
        "match allocate R.json",
        "match allocate .",
        "find " + "(" * 2000,
        "set-property /cluster0 a=\udcff",
        "get-status \udcff",
        "cat .",
        "help \udcff",
    ],
)
def test_bad_input_leaves_the_session_going(session, line):
    status, out, _ = session(line, "match allocate job.json", "find status=up", "quit")
    assert status == 0
    assert "RESOURCES=ALLOCATED" in out


def test_an_attached_subgraph_needs_a_vertex_that_is_there(session, tmp_path):
    node = {"id": "9", "metadata": {"type": "node", "id": 9, "rank": 9, "paths": {"containment": "/x/node9"}}}
    (tmp_path / "g.json").write_text(json.dumps({"graph": {"nodes": [node], "edges": []}}))
    _, _, err = session("attach g.json", "get-status /x/node9")
    assert "can't attach JGF subgraph" in err
    assert "nothing to attach it to" in err


def test_lines_keep_what_is_not_ascii_outside_the_c_locale(session, monkeypatch):
    monkeypatch.setenv("LC_ALL", "en_US.UTF-8")
    lines = ("match allocate job.json", "find jobid-tag=ƒ2")
    assert 'EXPRESSION="jobid-tag=ƒ2"' in session(*lines)[1]
    monkeypatch.setenv("LC_ALL", "C")
    assert 'EXPRESSION="jobid-tag=2"' in session(*lines)[1]


def test_a_terminal_without_line_editing(session, monkeypatch):
    class Typed(io.StringIO):
        def isatty(self):
            return True

    lines = iter(["get-status /cluster0", "quit"])
    asked = []
    monkeypatch.setitem(sys.modules, "readline", None)
    monkeypatch.setattr("builtins.input", lambda prompt: asked.append(prompt) or next(lines))
    session()  # writes the files
    out = io.StringIO()
    assert run(["-L", "R.json", "-f", "rv1exec"], SlowMatcher, Typed(), out, io.StringIO()) == 0
    assert (out.getvalue(), asked) == ("/cluster0 is up\n", ["resource-query> "] * 2)
