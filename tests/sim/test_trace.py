"""What readers have in common: bounded lines, choice of a reader, job numbers that occur once."""

from __future__ import annotations

import gzip
from typing import ClassVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fluxplug.errors import ConfigError, TraceError
from fluxplug.sim.trace import MAX_LINE, JobNumbers, Trace, TraceHeader, read_json_lines, read_lines, trace_for
from fluxplug.sim.traces.jsonl import JsonlTrace
from fluxplug.sim.traces.swf import SwfTrace

READERS = {"swf": SwfTrace, "jobspec-jsonl": JsonlTrace}


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_lines_are_numbered_from_one_and_the_last_needs_no_newline(tmp_path, pack):
    path = tmp_path / "log"
    path.write_bytes(pack(b"one\n\nthree\r\nfour"))
    assert list(read_lines(path)) == [(1, b"one"), (2, b""), (3, b"three\r"), (4, b"four")]


@settings(deadline=None)
@given(data=st.binary(max_size=2000))
def test_lines_joined_are_the_file(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("lines") / "log"
    path.write_bytes(gzip.compress(data))
    lines = [line for _, line in read_lines(path)]
    assert b"\n".join(lines) == (data[:-1] if data.endswith(b"\n") else data)


def test_a_file_longer_than_a_block_keeps_its_lines(tmp_path):
    path = tmp_path / "log"
    wanted = [str(i).encode() * 50 for i in range(5000)]
    path.write_bytes(b"\n".join(wanted))
    assert [line for _, line in read_lines(path)] == wanted


def test_an_endless_line_does_not_fill_the_memory(tmp_path):
    path = tmp_path / "log"
    path.write_bytes(gzip.compress(b"x" * (5 * MAX_LINE) + b"\nnext"))
    (first, long), (second, after) = read_lines(path)
    assert (first, second, after) == (1, 2, b"next")
    assert MAX_LINE < len(long) < 2 * MAX_LINE


@pytest.mark.parametrize("cut", [1, 9, 200])
def test_damaged_gzip_is_an_error_with_the_line_reached(tmp_path, cut):
    path = tmp_path / "log.swf.gz"
    path.write_bytes(gzip.compress(b"".join(b"%d\n" % i for i in range(1000)))[:-cut])
    with pytest.raises(TraceError, match=r"log\.swf\.gz:\d+: damaged gzip data: "):
        list(read_lines(path))


def test_a_file_that_cannot_be_opened_is_a_trace_error(tmp_path):
    with pytest.raises(TraceError, match=r"none\.swf:1: cannot be read: No such file"):
        list(read_lines(tmp_path / "none.swf"))
    with pytest.raises(TraceError, match=r":1: cannot be read: Is a directory"):
        list(read_lines(tmp_path))


@settings(deadline=None)
@given(data=st.binary(max_size=300))
def test_any_bytes_are_objects_or_problems(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("json") / "log"
    path.write_bytes(data)
    problems: list[TraceError] = []
    try:
        for _, document in read_json_lines(path, problems.append):
            assert isinstance(document, dict)
    except TraceError as error:  # the two bytes that make a file gzip
        problems.append(error)
    for problem in problems:
        assert str(problem).startswith(f"{path}:")


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (b"{", "no JSON: Expecting property name"),
        (b"[1]", "expected a JSON object"),
        (b'{"a": {"b": 1, "c": 2, "b": 1}}', "key 'b' is given twice"),
        (b'{"a": NaN}', "no JSON: NaN is not a number"),
        (b"\xff", "no UTF-8: invalid start byte at byte 0"),
        (b"[" * 200_000, "nested too deeply"),
        (b'{"a": ' + b"9" * 5000 + b"}", None),
        (b" " * (MAX_LINE + 1), f"a line of more than {MAX_LINE} bytes"),
    ],
    ids=["broken", "list", "twice", "nan", "bytes", "deep", "digits", "long"],
)
def test_problems_of_json_lines(tmp_path, line, problem):
    path = tmp_path / "log"
    path.write_bytes(b"{}\n" + line + b"\n{}\n")
    problems: list[TraceError] = []
    found = list(read_json_lines(path, problems.append))
    if problem is None:  # some Pythons read a number of any length
        assert len(found) + len(problems) == 3
    else:
        assert found == [(1, {}), (3, {})]
        assert str(problems[0]).startswith(f"{path}:2: {problem}")


@pytest.mark.parametrize(
    ("path", "name", "wanted"),
    [
        ("a/b.swf", None, SwfTrace),
        ("B.SWF.GZ", None, SwfTrace),
        ("jobs.jsonl", None, JsonlTrace),
        ("jobs.jsonl", "swf", SwfTrace),
        ("anything", "jobspec-jsonl", JsonlTrace),
    ],
)
def test_the_name_wins_over_the_ending(path, name, wanted):
    assert trace_for(path, READERS, name) is wanted


def test_the_longest_ending_wins():
    class Special(SwfTrace):
        name = "special"
        extensions: ClassVar = (".mine.swf",)

    assert trace_for("x.mine.swf", {**READERS, "special": Special}) is Special
    assert trace_for("x.swf", {**READERS, "special": Special}) is SwfTrace


def test_no_reader_or_two_are_errors():
    with pytest.raises(TraceError, match=r"x\.log: no trace format has this file ending; .*swf: \.swf \.swf\.gz"):
        trace_for("x.log", READERS)
    with pytest.raises(TraceError, match="read by again and by swf: name the trace format"):
        trace_for("x.swf", {**READERS, "again": SwfTrace})
    with pytest.raises(ConfigError, match=r"no trace format is named 'swg'; did you mean 'swf'\?"):
        trace_for("x.swf", READERS, "swg")


def test_a_reader_of_a_plugin_needs_jobs_alone():
    class Tiny(Trace):
        name = "tiny"
        extensions = (".tiny",)

        def jobs(self, path, machine_cores, on_skip=None):
            return iter(())

    assert Tiny().header("any") == TraceHeader()
    assert Tiny().config is None


@given(numbers=st.lists(st.integers(0, 20), max_size=40))
def test_job_numbers_tell_repetitions(numbers):
    tell = JobNumbers()
    assert [tell.repeated(n) for n in numbers] == [n in numbers[:i] for i, n in enumerate(numbers)]
