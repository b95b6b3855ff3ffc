"""The recorded sessions of resource-query, replayed in this process over the slow matcher and the one in C.

Standard output, standard error, exit status and output files must be the original's, but for times and the wording of help.
The one in C replays every session; the slow one some of them, by their place in the file, unless FLUXPLUG_SLOW is set.
"""

import importlib.util
import io
import json
import os

import pytest
from fluxplug_pool_graph.native import CMatcher
from fluxplug_pool_graph.query import run
from slow import SlowMatcher

FILES = ("cases.jsonl", "random_visible.jsonl")
EVERY = {CMatcher: 1, SlowMatcher: 1 if os.environ.get("FLUXPLUG_SLOW") else 8}
#: This one takes the slow matcher longer than all others together.
LONG = {"t3006-resource-advanced/003"}


@pytest.fixture(scope="module")
def compare(shared):
    """How the recorder's own script compares a text with what was recorded: masks and all."""
    spec = importlib.util.spec_from_file_location("run_cases", shared / "golden" / "run_cases.py")
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    return lambda name, want, got: script.compare_text(name, want, got, False)


def replay(case, folder, data, matcher):
    """Run one session in a folder of its own; return exit status, standard output and error."""
    (folder / "data").symlink_to(data)
    for name, text in {**case.get("files", {}), **case.get("graph", {})}.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode("utf-8", "surrogateescape"))
    for name in case["expect"].get("out_files", {}):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
    out, err = io.StringIO(), io.StringIO()
    status = run(case["argv"], matcher, io.StringIO(case["stdin"]), out, err)
    return status, out.getvalue(), err.getvalue()


@pytest.mark.parametrize("matcher", [SlowMatcher, CMatcher])
@pytest.mark.parametrize("file", FILES)
def test_recorded_sessions(file, matcher, *, shared, compare, tmp_path, monkeypatch):
    monkeypatch.setenv("LC_ALL", "C")  # in which they were recorded
    wrong = []
    lines = (shared / "golden" / file).read_text(encoding="utf-8").splitlines()
    for number, line in enumerate(lines):
        case = json.loads(line)
        if number % EVERY[matcher] or (EVERY[matcher] > 1 and case["id"] in LONG):
            continue
        folder = tmp_path / str(number)
        folder.mkdir()
        monkeypatch.chdir(folder)
        status, out, err = replay(case, folder, shared / "golden" / "data", matcher)
        want = case["expect"]
        pairs = [("stdout", want["stdout"], out), ("stderr", want["stderr"], err)]
        for name, text in want.get("out_files", {}).items():
            pairs.append((name, text, (folder / name).read_bytes().decode("utf-8", "surrogateescape")))
        differences = [difference for pair in pairs if (difference := compare(*pair))]
        if status != want["rc"] or differences:
            wrong.append((case["id"], status, differences))
    assert not wrong, f"{len(wrong)} sessions differ; the first: {wrong[0]}"
