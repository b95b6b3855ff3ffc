"""The factories of JobspecV1 against recorded results, and what each refuses."""

from __future__ import annotations

import json
import os
from argparse import Namespace
from pathlib import Path
from types import MappingProxyType, SimpleNamespace

import pytest

from fluxplug.errors import DocumentError, FluxplugError
from fluxplug.job import BatchConfig, JobspecV1


@pytest.fixture
def recorded(vectors, monkeypatch):
    """The rows, in the environment that they were recorded in."""
    found = vectors("jobspec_factories")
    for name in os.environ:
        if name not in found["process_environment"]:
            monkeypatch.delenv(name)
    for name, value in found["process_environment"].items():
        monkeypatch.setenv(name, value)
    return found["rows"]


def test_recorded_results(recorded, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for row in recorded:
        factory = getattr(JobspecV1, row["factory"])
        if "error" in row:
            error = {"TypeError": TypeError, "ValueError": ValueError}[row["error"].split(":")[0]]
            with pytest.raises(error) as caught:
                factory(*row["args"], **row["kwargs"])
            if error is ValueError:
                assert not isinstance(caught.value, TypeError), row
                assert isinstance(caught.value, FluxplugError), row
            continue
        made = factory(*row["args"], **row["kwargs"])
        assert type(made) is JobspecV1
        # Order and number types too: 0 is not 0.0 to whoever reads the text.
        assert made.dumps() == json.dumps(row["jobspec"], ensure_ascii=False), row


BASE = {"environment": {}}


@pytest.mark.parametrize(
    ("factory", "args", "kwargs", "reason"),
    [
        ("from_command", [["a"]], {"num_tasks": True}, "task count"),
        ("from_command", [["a"]], {"num_tasks": 1.0}, "task count"),
        ("from_command", [b"a"], {}, "list of strings"),
        ("from_command", [3], {}, "list of strings"),
        ("from_command", [["a", 3]], {}, r"tasks\[0\].command"),
        ("from_command", [["a"]], {"environment": {"A": 1}}, r"environment.A: must be a string"),
        ("from_command", [["a"]], {"environment": {3: "x"}}, "must be a string"),
        ("from_command", [["a"]], {"environment": {"A": "\udcff"}}, "not a Unicode text"),
        ("from_command", [["a"]], {"output": "\udcff"}, "not a Unicode text"),
        ("from_command", [["a"]], {"output": 3}, "output.stdout"),
        ("from_command", [["a"]], {"name": 3}, "job.name"),
        ("from_command", [["a"]], {"bank": 3}, "bank"),
        ("from_command", [["a"]], {"queue": 3}, "queue"),
        ("from_command", [["a"]], {"cwd": 3}, "cwd"),
        ("from_command", [["a"]], {"num_tasks": 2**63}, "count"),
        ("from_command", [["a"]], {"num_tasks": 2**31 + 1, "num_nodes": 2}, r"tasks\[0\].count.total"),
        ("per_resource", [["a"]], {"ncores": 0}, "ncores must be"),
        ("per_resource", [["a"]], {"ncores": 2, "nnodes": 0}, "nnodes must be"),
        ("per_resource", [["a"]], {"ncores": 2, "nnodes": 1, "gpus_per_node": -1}, "gpus_per_node must be"),
        ("per_resource", [["a"]], {"ncores": 2, "per_resource_type": "core", "per_resource_count": 0}, "must be"),
        ("from_nest_command", [["a"]], {"conf": [1]}, "conf must be a mapping"),
        ("from_nest_command", [["a"]], {"conf": {"a": {1}}}, "conf.a: set has no place"),
        ("from_nest_command", [["a"]], {"broker_opts": "-v"}, "broker_opts must be a list"),
        ("from_batch_command", [b"#!/bin/sh", "n"], {}, "script must be a string"),
        ("from_batch_command", ["#!\udcff", "n"], {}, "script: not a Unicode text"),
        ("from_batch_command", ["#!/bin/sh\n", "n"], {"args": "abc"}, "args must be a list"),
    ],
)
def test_refusals(factory, args, kwargs, reason):
    with pytest.raises(DocumentError, match=reason):
        getattr(JobspecV1, factory)(*args, **{**BASE, **kwargs})


def test_misspelt_keywords():
    for factory, args in [("from_command", [["a"]]), ("per_resource", [["a"], 1]), ("from_nest_command", [["a"]])]:
        with pytest.raises(TypeError, match="unexpected keyword argument 'bogus'"):
            getattr(JobspecV1, factory)(*args, bogus=1)


def test_the_environment_is_this_one_where_none_is_given(monkeypatch):
    monkeypatch.setenv("MARK", "1")
    made = JobspecV1.from_command(["a"])
    assert made.environment == dict(os.environ)
    given = {"A": "1"}
    assert JobspecV1.from_command(["a"], environment=given).environment is given
    assert JobspecV1.from_command(["a"], environment=MappingProxyType(given)).environment == given
    for factory in (JobspecV1.from_submit, JobspecV1.from_alloc):
        made = factory(["a"]) if factory == JobspecV1.from_submit else factory(nslots=1)
        assert made.environment == dict(os.environ)
        assert made.getattr("shell.options.rlimit.nofile")
    assert JobspecV1.from_submit(["a"], env=None, rlimit=None).environment == dict(os.environ)


def test_words_may_come_from_anywhere():
    made = JobspecV1.from_nest_command(iter(["a", "b"]), broker_opts=("-v",), **BASE)
    assert made.tasks[0]["command"] == ["flux", "broker", "-v", "a", "b"]


def test_streams_take_paths():
    made = JobspecV1.from_command(["a"], cwd=Path("/w"), output=Path("none"), error="none", **BASE)
    assert (made.cwd, made.stdout, made.stderr) == ("/w", "none", None)


def test_scripts_from_files(tmp_path):
    script = tmp_path / "s.sh"
    script.write_bytes("#!/bin/sh\r\necho ü\n".encode())
    options = {"cwd": "/w", "env": ["-*"], "rlimit": ["-*"]}
    for given in (script, str(script)):
        made = JobspecV1.from_batch(given, **options)
        assert made.getattr("job.name") == "s.sh"
        assert made.getattr("files")["script"]["data"] == "#!/bin/sh\r\necho ü\n"
        assert made.resource_counts() == {"slot": 1, "core": 1}
    script.write_text("echo\n")
    with pytest.raises(DocumentError, match=r"s\.sh does not appear"):
        JobspecV1.from_batch(script, **options)
    made = JobspecV1.from_batch(script, wrap=True, **options)
    assert made.getattr("files")["script"]["data"] == "#!/bin/sh\necho\n"
    script.write_bytes(b"#!/bin/sh\n\xff")
    with pytest.raises(DocumentError, match="must be UTF-8"):
        JobspecV1.from_batch(script, **options)
    with pytest.raises(FileNotFoundError):
        JobspecV1.from_batch(tmp_path / "none")


def test_configurations_of_instances():
    options = {"cwd": "/w", "env": ["-*"], "rlimit": ["-*"], "nslots": 1}
    conf = BatchConfig().update("a.b=1").update({"a": {"c": "x"}})
    made = JobspecV1.from_alloc(conf=conf, **options)
    assert made.getattr("files")["conf.json"]["data"] == {"a": {"b": 1, "c": "x"}}
    assert made.tasks[0]["command"] == ["flux", "broker", "-c{{tmpdir}}/conf.json"]
    assert JobspecV1.from_alloc(conf=BatchConfig(), **options).tasks[0]["command"] == ["flux", "broker"]


def test_plugins_see_what_the_factory_was_given(monkeypatch):
    seen = []

    class Registry:
        options = (SimpleNamespace(name="--ex-mode", dest="ex_mode", kwargs={}, default="x"),)
        plugins = ()

        def __init__(self, prog):
            self.prog = prog

        def preinit(self, args):
            seen.append((self.prog, "preinit", args.ex_mode))

        def modify_jobspec(self, args, jobspec):
            seen.append((args.nodes, args.time_limit, args.job_name))
            jobspec.setattr("user.mode", args.ex_mode)

    monkeypatch.setattr("fluxplug.cli.plugin.CLIPluginRegistry", Registry)
    made = JobspecV1.from_submit(["a"], ntasks=2, nodes=2, time_limit="1h", name="n", ex_mode="y")
    assert made.getattr("user.mode") == "y"
    made.apply_options(Namespace(nodes=3, job_name="m"), prog="submit", _preinit=False, time_limit=5)
    assert made.getattr("user.mode") == "x"
    assert seen == [("submit", "preinit", "y"), (2, "1h", "n"), (3, 5, "m")]
    with pytest.raises(TypeError, match="'other'"):
        made.apply_options(prog="submit", other=1)
    with pytest.raises(TypeError, match="'ex_mode'"):
        made.apply_options(ex_mode="y")
