"""The grammar of the options that submission commands share: recorded vectors, and what they leave open."""

from __future__ import annotations

import argparse
import resource
import signal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fluxplug.errors import DocumentError, FluxplugError, OptionError
from fluxplug.jobspec import options
from fluxplug.jobspec.rules import environment_by_rules, limits_by_rules
from fluxplug.jobspec.v1 import JobspecV1


@pytest.fixture
def jobspec():
    return JobspecV1.from_command(["a"], environment={})


def outcome(call, *args):
    """What a call returns, or the class of its error by the name that Flux's API gives it."""
    try:
        return call(*args)
    except OptionError:
        return "ValueError"


def expected(row, key):
    return row["error"].split(":")[0] if "error" in row else row[key]


def same(found, wanted):
    """Equal, and of the same types: 60 is not 60.0 to a reader of JSON, nor 1 true."""
    return repr(found) == repr(wanted)


# Recorded.


def test_recorded_signals(vectors):
    for row in vectors("options")["signal"]:
        assert same(outcome(options.parse_signal, row["in"]), expected(row, "out")), row


def test_recorded_dependencies(vectors, caplog):
    for row in vectors("options")["dependency_uri"]:
        caplog.clear()
        assert same(outcome(options.parse_dependency, row["uri"]), expected(row, "entry")), row
        assert caplog.messages == ([row["stderr"]] if "stderr" in row else [])


def test_recorded_taskmaps(vectors):
    for row in vectors("options")["taskmap_uri"]:
        assert same(outcome(options.parse_taskmap, row["uri"]), expected(row, "entry")), row


@pytest.mark.parametrize("option", ["setopt", "setattr"])
def test_recorded_keys_and_values(vectors, option):
    for row in vectors("options")["key_val"]:
        key, value = options.parse_key_value(f"--{option}", row["in"])
        assert same([key, value], row["out"]), row


def test_recorded_environments(vectors):
    for row in vectors("options")["env"]:
        found = outcome(environment_by_rules, row["rules"], row["environ"])
        if "error" in row:
            assert found == "ValueError"
        else:
            assert found == (row["environment"], row["env_expand"]), row


def test_recorded_messages_of_env(vectors):
    for row in vectors("options")["env"]:
        if "error" in row:
            with pytest.raises(OptionError) as caught:
                environment_by_rules(row["rules"], row["environ"])
            assert str(caught.value).startswith(row["error"].removeprefix("ValueError: "))


def test_recorded_limits(vectors):
    recorded = vectors("options")["rlimit"]
    ours = {name[7:].lower() for name in dir(resource) if name.startswith("RLIMIT_")}
    for row in recorded["rows"]:
        found = outcome(limits_by_rules, row["rules"])
        if "error" in row:
            assert found == "ValueError"
            continue
        assert set(found) == set(row["names"]) & (ours | set(row["set"])), row
        for name, limit in found.items():
            soft = resource.getrlimit(getattr(resource, f"RLIMIT_{name.upper()}"))[0]
            assert limit == row["set"].get(name, -1 if soft == resource.RLIM_INFINITY else soft)


# The environment.

ENVIRON = {"PATH": "/bin", "HOME": "/h", "LD_PRELOAD": "x.so"}


def test_the_last_rule_about_a_variable_wins():
    assert environment_by_rules(["X={{id}}", "X=1"], {}) == ({"X": "1"}, {})
    assert environment_by_rules(["X={{id}}", "-X"], {}) == ({}, {})
    assert environment_by_rules(["X=1", "X={{id}}"], {}) == ({"X": "1"}, {"X": "{{id}}"})


def test_regular_expressions_are_anchored_at_the_start_alone():
    assert set(environment_by_rules(["-/LD_"], ENVIRON)[0]) == {"PATH", "HOME"}
    assert set(environment_by_rules(["-/D_/"], ENVIRON)[0]) == set(ENVIRON)


def test_rules_in_files(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "more").write_text("Z=$X\n")
    (tmp_path / "rules").write_text("# X=0\n\n  -*\nX=1\n^~/more\nHOME\n")
    assert environment_by_rules(["A=1", "^~/rules", "Y=$Z"], ENVIRON)[0] == {"X": "1", "Z": "1", "HOME": "/h", "Y": "1"}
    (tmp_path / "rules").write_text("^~/rules\n^~/rules\n")
    (tmp_path / "raw").write_bytes(b"X=\xff")
    for rule, reason in [("^~/rules", "does one name itself"), ("^~/none", "No such file"), ("^~/raw", "UTF-8")]:
        with pytest.raises(OptionError, match=reason):
            environment_by_rules([rule], ENVIRON)


@pytest.mark.parametrize(
    ("rule", "reason"),
    [("=x", "NAME=VALUE"), ("X=${", "Unable"), ("X=${1}", "Unable"), ("-/(", "regular expression"), (3, "string")],
)
def test_bad_rules(rule, reason):
    with pytest.raises(OptionError, match=reason):
        environment_by_rules([rule], ENVIRON)


def test_variables_that_no_jobspec_can_hold():
    with pytest.raises(OptionError, match=r"add --env=-BAD"):
        environment_by_rules([], {"BAD": "\udcff"})
    assert environment_by_rules(["-BAD", "GOOD=ü"], {"BAD": "\udcff"}) == ({"GOOD": "ü"}, {})


@pytest.mark.parametrize("rule", ["core=-2", "core=1e3", "core=99999999999999999999", "core=", 3])
def test_bad_limits(rule):
    with pytest.raises(OptionError):
        limits_by_rules([rule])


# One option after the other.


@pytest.mark.parametrize(
    "text", ["USR1@1y", "USR1@nan", "USR1@inf", "@1e999", "65", "USR1@-1s", "SIGSIG", "\udcff", 10]
)
def test_bad_signals(text):
    with pytest.raises(OptionError, match="--signal"):
        options.parse_signal(text)


def test_signals():
    assert options.parse_signal("usr2@.5") == {"signum": signal.SIGUSR2, "timeleft": 0.5}
    assert type(options.parse_signal("INT")["signum"]) is int


def test_dependency_options():
    assert options.parse_dependency("x?n=-3&f=1e2&i=inf&l=99999999999999999999&e=%20+y") == {
        "scheme": "x",
        "value": "",
        "n": -3,
        "f": 100.0,
        "i": "inf",
        "l": "99999999999999999999",
        "e": "  y",
    }
    for uri in ("x:a?value=1", "x:a?scheme=y", "", "é:x"):
        with pytest.raises(OptionError):
            options.parse_dependency(uri)


def test_keys_and_values(tmp_path):
    path = tmp_path / "a.json"
    path.write_text('{"x": [1]}')
    read = options.parse_key_value
    assert read("--setopt", f"^a.b={path}") == ("a.b", {"x": [1]})
    # What a document cannot hold is a text.
    assert read("--setopt", "a=NaN") == ("a", "NaN")
    assert read("--setopt", "a=99999999999999999999") == ("a", "99999999999999999999")
    path.write_text("{")
    for text in ("", "=1", "a..b=1", "a.", "^a", "^=x", f"^a={path}", f"^a={tmp_path}", "a=" + "[" * 100_000):
        with pytest.raises(OptionError, match="--setopt"):
            read("--setopt", text)


def test_files(tmp_path, monkeypatch, jobspec):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "s.sh").write_text("#!/bin/sh\n")
    (tmp_path / "s.sh").chmod(0o755)
    names = ["s.sh", f"{tmp_path}/s.sh", "t=s.sh", "u:0700=s.sh", r"v=a\nb", "w:644=x=\n"]
    found = [options.parse_file(text) for text in names]
    assert [name for name, _ in found] == ["s.sh", "s.sh", "t", "u", "v", "w"]
    assert [oct(entry["mode"]) for _, entry in found] == [
        "0o100755",
        "0o100755",
        "0o100755",
        "0o100700",
        "0o100600",
        "0o100644",
    ]
    assert found[4][1]["data"] == "a\nb"
    assert found[5][1]["data"] == "x=\n"
    for text in ("", "=x\n", "a:b=x\n", "a:=x\n", "a:8=x\n", ":7=x\n", "none", "a=", "a\nb=c", "a=\0", str(tmp_path)):
        with pytest.raises(OptionError, match=r"^--add-file="):
            options.parse_file(text)
    with pytest.raises(OptionError, match=r"^--add-file=n: .*takes a list"):
        jobspec.apply_options(add_file="no.txt")


# All at once.


def test_nothing_given_changes_nothing(jobspec):
    before = jobspec.dumps()
    assert jobspec.apply_options() is jobspec
    assert jobspec.dumps() == before


def test_a_namespace_brings_environment_and_limits(jobspec, monkeypatch):
    monkeypatch.setenv("MARK", "1")
    jobspec.apply_options(argparse.Namespace())
    assert jobspec.environment["MARK"] == "1"
    assert jobspec.getattr("shell.options.rlimit")["nofile"]


def test_keywords_are_before_the_namespace(jobspec):
    args = argparse.Namespace(
        env=["-*", "X=1"],
        rlimit="-*",
        time_limit="5m",
        signal="@1",
        setopt=["a=1", "b.c=x"],
        setattr=["k=1", "user.u=2", ".user.v=3", "attributes.system.w=4"],
    )
    jobspec.apply_options(args, time_limit="1h", shell_options={"b.d": 2, "a": 9})
    assert jobspec.attributes == {
        "system": {
            "duration": 3600.0,
            "environment": {"X": "1"},
            "shell": {"options": {"signal": {"signum": 10, "timeleft": 1.0}, "a": 9, "b": {"c": "x", "d": 2}}},
            "k": 1,
            "w": 4,
        },
        "user": {"u": 2, "v": 3},
    }
    assert args.time_limit == "5m"


def test_a_text_stands_for_a_list(jobspec):
    jobspec.apply_options(env="X={{id}}", rlimit="-*,core=0", requires="a", dependency="singleton")
    assert jobspec.getattr("shell.options") == {"env-expand": {"X": "{{id}}"}, "rlimit": {"core": 0}}
    assert jobspec.getattr("constraints") == {"properties": ["a"]}
    assert jobspec.getattr("dependencies") == [{"scheme": "singleton", "value": ""}]


def test_what_is_no_option(jobspec):
    for name in ("bogus", "setopt", "setattr"):
        with pytest.raises(TypeError, match=rf"unexpected keyword argument\(s\): '{name}'"):
            jobspec.apply_options(**{name: ["x"]})
    with pytest.raises(TypeError, match="'a', 'b'"):
        jobspec.apply_options(a=1, b=None)


def test_requires_is_not_validated(jobspec):
    jobspec.apply_options(requires="foo:bar")
    assert jobspec.getattr("constraints") == {"foo": ["bar"]}


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ({"signal": "FOO"}, OptionError),
        ({"rlimit": {"core": 1}}, OptionError),
        ({"dependency": 3}, OptionError),
        ({"add_file": 3}, OptionError),
        ({"taskmap": ":x"}, OptionError),
        ({"dependency": ["singleton", "1x:"]}, OptionError),
        ({"requires": ["a|"]}, OptionError),
        ({"requires": [3]}, OptionError),
        ({"shell_options": [("a", 1)]}, OptionError),
        ({"shell_options": {3: 1}}, OptionError),
        ({"shell_options": {"a": {1, 2}}}, TypeError),
        ({"attributes": {"": 1}}, OptionError),
        ({"attributes": {"x.y": float("nan")}}, DocumentError),
        ({"attributes": {"system.cwd.x": 1}}, TypeError),
        ({"time_limit": "1y"}, OptionError),
        ({"time_limit": "inf"}, OptionError),
        ({"time_limit": -1}, OptionError),
        ({"time_limit": [1]}, TypeError),
        ({"add_file": ["none"]}, OptionError),
    ],
)
def test_a_refused_option_changes_nothing(jobspec, given, error):
    jobspec.cwd = "/w"
    before = jobspec.dumps()
    with pytest.raises(error) as caught:
        jobspec.apply_options(env=["A=1"], attributes={"a": 1, **given.pop("attributes", {})}, **given)
    assert isinstance(caught.value, FluxplugError)
    assert jobspec.dumps() == before


TEXT = st.text(max_size=12) | st.text(alphabet="USR1@:?&=.^$-/{}[]a1%#\n\\", max_size=12)


@given(TEXT)
def test_any_text_is_read_or_refused(text):
    calls = [
        options.parse_signal,
        options.parse_taskmap,
        options.parse_dependency,
        lambda text: options.parse_key_value("--setopt", text.removeprefix("^")),
        lambda text: options.parse_file(f"{text}=x\n"),
        lambda text: environment_by_rules([text.removeprefix("^")], ENVIRON),
        lambda text: limits_by_rules([text]),
    ]
    for call in calls:
        outcome(call, text)
