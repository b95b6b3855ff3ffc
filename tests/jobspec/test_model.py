from __future__ import annotations

import copy
import errno
import json
import math
from datetime import timedelta
from pathlib import Path

import pytest

from fluxplug.errors import DocumentError, DocumentTypeError, ParseError
from fluxplug.jobspec.model import Jobspec
from fluxplug.jobspec.v1 import JobspecV1, validate_jobspec

DOC = {
    "version": 1,
    "resources": [
        {
            "type": "node",
            "count": 2,
            "with": [
                {
                    "type": "slot",
                    "count": 3,
                    "label": "t",
                    "with": [{"type": "core", "count": 4}, {"type": "memory", "count": "2-8:2:*", "unit": "GB"}],
                }
            ],
        },
        {"type": "ssd", "count": {"min": 5}},
    ],
    "tasks": [{"command": ["a"], "slot": "t", "count": {"per_slot": 1}}],
    "attributes": {"system": {"duration": 60.0}},
}


@pytest.fixture
def jobspec():
    return Jobspec.from_dict(copy.deepcopy(DOC))


def test_parts_are_kept_by_reference():
    doc = copy.deepcopy(DOC)
    jobspec = Jobspec(doc["resources"], doc["tasks"], doc["attributes"], doc["version"])
    assert jobspec.resources is doc["resources"]
    assert jobspec.tasks is doc["tasks"]
    assert jobspec.attributes is doc["attributes"]
    assert jobspec.version == 1
    assert jobspec.jobspec == doc
    for name in ("resources", "tasks", "attributes", "version"):
        with pytest.raises(AttributeError):
            setattr(jobspec, name, None)


def test_construction_checks():
    with pytest.raises(DocumentError, match="tasks"):
        Jobspec(DOC["resources"], [], {}, 1)
    with pytest.raises(DocumentError, match=r"resources\[0\].with\[0\].with\[1\].count"):
        JobspecV1(DOC["resources"], DOC["tasks"], DOC["attributes"])


def test_walk(jobspec):
    assert [vertex["type"] for vertex in jobspec] == ["node", "slot", "core", "memory", "ssd"]
    assert [
        (parent and parent["type"], vertex["type"], total) for parent, vertex, total in jobspec.resource_walk()
    ] == [
        (None, "node", 2),
        ("node", "slot", 6),
        ("slot", "core", 24),
        ("slot", "memory", 12),
        (None, "ssd", 5),
    ]
    assert jobspec.resource_counts() == {"node": 2, "slot": 6, "core": 24, "memory": 12, "ssd": 5}
    assert jobspec.resource_counts()["gpu"] == 0


def test_texts_and_files(tmp_path):
    path = tmp_path / "j.yaml"
    path.write_text(json.dumps(DOC))
    assert Jobspec.from_yaml_file(path).jobspec == DOC
    assert Jobspec.from_yaml_file(str(path)).jobspec == DOC
    with path.open() as file:
        assert Jobspec.from_yaml_stream(file).jobspec == DOC
    with pytest.raises(FileNotFoundError):
        Jobspec.from_yaml_file(tmp_path / "none")
    with pytest.raises(DocumentError, match=r"Missing key \(tasks\)"):
        Jobspec.from_yaml_stream("version: 1\nresources: []\n")
    with pytest.raises(DocumentError, match=r"Extraneous key \(x\)"):
        Jobspec.from_dict({**DOC, "x": 1})


def test_dumps(jobspec):
    jobspec.setattr("user.näme", "ü")
    assert "ü" in jobspec.dumps()
    assert "ü" not in jobspec.dumps(ensure_ascii=True)
    assert json.loads(jobspec.dumps(indent=1)) == jobspec.jobspec


def test_recorded_durations(vectors, jobspec):
    values = {
        "timedelta": lambda _: timedelta(minutes=3),
        "NoneType": lambda _: None,
        "list": lambda _: [1],
        "int": int,
        "float": float,
    }
    for row in vectors("jobspec_duration"):
        value = values.get(row["type"], str)(row["set"])
        if "exc" in row:
            with pytest.raises(TypeError if row["exc"].startswith("TypeError") else ValueError):
                jobspec.duration = value
        else:
            jobspec.duration = value
            assert (jobspec.duration, type(jobspec.duration)) == (row["duration"], float)


@pytest.mark.parametrize("value", ["infinity", "1h30m", "", -0.5, math.inf, timedelta(seconds=-1)])
def test_bad_durations_change_nothing(jobspec, value):
    with pytest.raises((DocumentError, ParseError)):
        jobspec.duration = value
    assert jobspec.duration == 60.0


def test_duration_is_no_boolean(jobspec):
    with pytest.raises(TypeError):
        jobspec.duration = True


def test_attributes_by_name(jobspec):
    jobspec.setattr("bank", "b")
    jobspec.setattr("user.a.b", 1)
    jobspec.setattr("system.x.y", None)
    jobspec.setattr("attributes.user.c", 2)
    assert jobspec.attributes == {
        "system": {"duration": 60.0, "bank": "b", "x": {"y": None}},
        "user": {"a": {"b": 1}, "c": 2},
    }
    assert jobspec.getattr("bank") == jobspec.getattr("system.bank") == jobspec.getattr("attributes.system.bank") == "b"
    assert jobspec.getattr("user") == {"a": {"b": 1}, "c": 2}
    for missing in ("x.y", "nope", "bank.x", "user.a.b.c"):
        with pytest.raises(KeyError):
            jobspec.getattr(missing)
    with pytest.raises(DocumentTypeError) as caught:
        jobspec.setattr("bank.x", 1)
    assert caught.value.path == "attributes.system.bank"


def test_simple_properties(jobspec):
    assert (jobspec.queue, jobspec.cwd, jobspec.environment) == (None, None, None)
    environment = {"A": "1"}
    jobspec.queue, jobspec.cwd, jobspec.environment = "debug", Path("/tmp/x"), environment  # noqa: S108
    assert (jobspec.queue, jobspec.cwd) == ("debug", "/tmp/x")  # noqa: S108
    assert jobspec.environment is environment
    for name, value, error in [
        ("queue", 1, TypeError),
        ("cwd", 1, ValueError),
        ("cwd", b"/x", ValueError),
        ("environment", [], ValueError),
    ]:
        with pytest.raises(error):
            setattr(jobspec, name, value)


@pytest.mark.parametrize(
    ("name", "alias", "option"),
    [("stdin", "input", "input.stdin"), ("stdout", "output", "output.stdout"), ("stderr", "error", "output.stderr")],
)
def test_streams(jobspec, name, alias, option):
    assert getattr(jobspec, name) is None
    setattr(jobspec, name, Path("f.txt"))
    assert getattr(jobspec, alias) == "f.txt"
    setattr(jobspec, alias, "g")
    assert jobspec.getattr(f"shell.options.{option}") == {"type": "file", "path": "g"}
    with pytest.raises(TypeError):
        setattr(jobspec, name, 3)


def test_a_stream_keeps_its_other_options(jobspec):
    jobspec.unbuffered = True
    jobspec.stdout = "f"
    assert jobspec.unbuffered


def test_unbuffered(jobspec):
    before = copy.deepcopy(jobspec.jobspec)
    assert jobspec.unbuffered is False
    jobspec.unbuffered = True
    assert jobspec.unbuffered is True
    assert jobspec.getattr("shell.options") == {
        "output": {
            "stdout": {"buffer": {"type": "none"}},
            "stderr": {"buffer": {"type": "none"}},
            "batch-timeout": 0.05,
        },
        "input": {"batch-timeout": 0.0},
    }
    jobspec.unbuffered = False
    assert jobspec.unbuffered is False
    assert jobspec.getattr("shell") == {"options": {}}
    jobspec.unbuffered = False
    del jobspec.attributes["system"]["shell"]
    assert jobspec.jobspec == before
    jobspec.unbuffered = True
    jobspec.setattr_shell_option("output.batch-timeout", 9)
    jobspec.setattr_shell_option("output.stdout.label", True)
    jobspec.unbuffered = False
    assert jobspec.getattr("shell.options") == {"output": {"stdout": {"label": True}, "batch-timeout": 9}}
    with pytest.raises(TypeError):
        jobspec.unbuffered = 1


def test_add_file(jobspec, tmp_path):
    text, raw = tmp_path / "text", tmp_path / "raw"
    text.write_text("hé\n")
    text.chmod(0o640)
    raw.write_bytes(b"\xff\x00")
    raw.chmod(0o600)
    jobspec.add_file("conf.json", {"a": 1})
    jobspec.add_file("script", "#!/bin/sh\n", perms=0o700)
    jobspec.add_file("word", "aGk=", encoding="base64")
    jobspec.add_file("text", str(text))
    jobspec.add_file("raw", str(raw), perms=0o400)
    assert jobspec.getattr("files") == {
        "conf.json": {"mode": 33152, "data": {"a": 1}},
        "script": {"mode": 33216, "data": "#!/bin/sh\n", "encoding": "utf-8"},
        "word": {"mode": 33152, "data": "aGk=", "encoding": "base64"},
        "text": {"size": 4, "mode": 0o100640, "data": "hé\n", "encoding": "utf-8"},
        "raw": {"size": 2, "mode": 0o100400, "data": "/wA=", "encoding": "base64"},
    }
    with pytest.raises(TypeError):
        jobspec.add_file("x", ["a"])
    with pytest.raises(DocumentError):
        jobspec.add_file("x", "a\n", encoding="latin1")
    with pytest.raises(FileNotFoundError):
        jobspec.add_file("x", str(tmp_path / "none"))
    jobspec.setattr("files", [])
    with pytest.raises(TypeError):
        jobspec.add_file("x", "a\n")


def test_validate_jobspec(jobspec):
    v1 = {**DOC, "resources": [{"type": "slot", "count": 1, "label": "t", "with": [{"type": "core", "count": 1}]}]}
    for given in (json.dumps(v1), json.dumps(v1).encode(), JobspecV1.from_dict(v1), Jobspec.from_dict(v1)):
        ok, found = validate_jobspec(given)
        assert ok is True
        assert type(found) is JobspecV1
        assert found.jobspec == v1
    assert type(validate_jobspec(json.dumps({**DOC, "version": 2}))[1]) is Jobspec
    with pytest.raises(DocumentError, match="version must be 1"):
        validate_jobspec(json.dumps({**v1, "version": 2}), require_version=1)
    with pytest.raises(DocumentError, match="integer"):
        validate_jobspec(jobspec)
    with pytest.raises(OSError, match="no jobspec") as caught:
        validate_jobspec(None)
    assert caught.value.errno == errno.EINVAL
    with pytest.raises(TypeError):
        validate_jobspec(3)
