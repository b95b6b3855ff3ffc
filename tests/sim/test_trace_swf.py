"""SWF: the conventions of the simulation row by row, the order of the jobs, errors, and the real logs."""

from __future__ import annotations

import csv
import gzip

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fluxplug.errors import TraceError
from fluxplug.jobspec.v1 import JobspecV1
from fluxplug.sim.traces.swf import FIELDS, SwfTrace

LOGS = {"KTH-SP2-1996-2.1-cln": 100, "CTC-SP2-1996-3.1-cln": 338, "LANL-CM5-1994-4.1-cln": 1024}


def row(number=1, submit=0, run=10, width=4, requested=20, queue=-1):  # noqa: PLR0917 - the fields, in their order
    """A line of a log with the five fields that matter."""
    return f"{number} {submit} -1 {run} {width} 1.50 -1 -1 {requested} -1 1 3 4 5 {queue} -1 -1 -1"


@pytest.fixture
def read(tmp_path):
    def read(*lines, cores=64, lenient=None, **config):
        path = tmp_path / "log.swf"
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        read.path, read.trace = path, SwfTrace(SwfTrace.Config(**config))
        return list(read.trace.jobs(path, cores, None if lenient is None else lenient.append))

    return read


# The columns of a row: what it says, then submit, run, limit, width, killed under the convention.
CONVENTIONS = [
    pytest.param(row(), (0, 10, 20, 4, False), id="ends before its request"),
    pytest.param(row(run=20), (0, 20, 20, 4, False), id="ends at its request"),
    pytest.param(row(run=30), (0, 20, 30, 4, True), id="killed at its request, planned for its run time"),
    pytest.param(row(width=100), (0, 10, 20, 64, False), id="capped at the machine"),
    pytest.param(row(requested=-1), (0, 1, 10, 4, False), id="no request: one second"),
    pytest.param(row(requested=0), (0, 1, 10, 4, False), id="request of nothing is missing"),
    pytest.param(row(run=0, submit=5), (5, 1, 1, 4, False), id="no run time, whatever was requested"),
    pytest.param(row(run=-1, width=100, submit=5), (5, 1, 1, 64, False), id="unknown run time"),
    pytest.param(row(width=0, submit=5), (5, 1, 1, 1, False), id="no processors"),
    pytest.param(row(width=-1, submit=0), (1, 1, 1, 1, False), id="degenerate at second 0 moves to 1"),
    pytest.param(row(submit=-7), (1, 1, 1, 4, False), id="negative submit"),
    pytest.param(row(submit="0.5", run="2.5", requested="3.0"), (0.5, 2.5, 3, 4, False), id="fractions"),
    pytest.param(row(run="0.25", requested="0.5"), (0, 1, 1, 4, False), id="fractions below a second"),
    pytest.param(row(run="1e1", requested="+20"), (0, 10, 20, 4, False), id="exponents and signs"),
    pytest.param(row(width="4.0"), (0, 10, 20, 4, False), id="whole width with a point"),
    pytest.param("\t " + row().replace(" ", "\t") + " \r", (0, 10, 20, 4, False), id="tabs and carriage return"),
]


@pytest.mark.parametrize(("line", "wanted"), CONVENTIONS)
def test_convention(read, line, wanted):
    (job,) = read(line)
    assert (job.submit, job.run, job.limit, job.width, job.killed) == wanted
    assert job.shape == job.width


def test_missing_estimates_can_be_taken_from_the_run_time(read):
    lines = (row(1, requested=-1), row(2, requested=-1, run=0), row(3))
    jobs = read(*lines, missing_estimate="actual")
    assert [(job.run, job.limit) for job in jobs] == [
        (10, 10),
        (10, 20),
        (1, 1),
    ]  # the degenerate one moves to second 1
    assert read.trace.notes["missing-estimate"] == 1
    assert [(job.run, job.limit) for job in read(*lines)] == [(1, 10), (10, 20), (1, 1)]
    assert read.trace.notes["missing-estimate"] == 1


def test_users_are_read_where_they_are_wanted(tmp_path):
    lines = [row(1), row(2).replace(" 3 4 5 ", " -1 4 5 "), row(3).replace(" 3 4 5 ", " 3.5 4 5 ")]
    path = tmp_path / "log.swf"
    path.write_text("\n".join(lines), encoding="utf-8")
    trace = SwfTrace()
    assert [job.userid for job in trace.jobs(path, 64)] == [0, 0, 0]
    trace.with_users = True
    skipped = []
    assert [job.userid for job in trace.jobs(path, 64, skipped.append)] == [3, 0]
    assert [str(problem) for problem in skipped] == [f"{path}:3: user is not a whole number: '3.5'"]


def test_the_jobspec_is_version_one_with_a_core_a_slot(read):
    (job,) = read(row(run=30, queue=3), queue="number")
    assert job.queue == "3"
    assert job.jobspec() == {
        "version": 1,
        "resources": [{"type": "slot", "count": 4, "label": "task", "with": [{"type": "core", "count": 1}]}],
        "tasks": [{"command": ["job"], "slot": "task", "count": {"per_slot": 1}}],
        "attributes": {"system": {"duration": 30, "queue": "3"}},
    }


def test_the_jobspec_passes_our_own_validation(read):
    for job in read(row(), row(2, width=-1, submit=1)):
        assert JobspecV1.from_dict(job.jobspec()).resource_counts()["core"] == job.width


def test_queues_come_from_the_header(read):
    lines = ("; Queue: 1 DSI", "; Queue:  2  astro ", row(1, queue=1), row(2, queue=2), row(3, queue=9))
    assert [job.queue for job in read(*lines, queue="name")] == ["DSI", "astro", "9"]
    assert [job.queue for job in read(*lines)] == [None] * 3


def test_header(tmp_path):
    path = tmp_path / "log.swf.gz"
    text = f"; Version: 2.2\n; MaxNodes: 338 (batch; 512 total)\n;\n; Note: one\n; Note: two\n;MaxProcs: 676\n{row()}\n; MaxProcs: 1\n"
    path.write_bytes(gzip.compress(text.encode()))
    header = SwfTrace().header(path)
    assert (header.cores, header.nodes) == (676, 338)
    assert header.fields == {"Version": "2.2", "MaxNodes": "338 (batch; 512 total)", "Note": "one", "MaxProcs": "676"}
    path.write_bytes(b"; MaxProcs: -1\n; MaxNodes: many\n")
    assert (SwfTrace().header(path).cores, SwfTrace().header(path).nodes) == (None, None)


# The order of jobs.


def order(jobs):
    return [(job.id, job.submit) for job in jobs]


def test_degenerate_jobs_of_second_zero_wait_for_the_rest_of_it(read):
    lines = [
        row(1, -5),
        row(2, 0),
        row(3, 0, run=0),
        row(4, "0.5"),
        row(5, 1),
        row(6, 1, width=0),
        row(7, 2),
        row(8, 2, run=0),
    ]
    wanted = [(2, 0), (4, 0.5), (1, 1), (3, 1), (5, 1), (6, 1), (7, 2), (8, 2)]
    assert order(read(*lines)) == wanted
    assert order(read(*lines, sort=True)) == wanted


def test_degenerate_jobs_at_the_end_are_not_lost(read):
    assert order(read(row(1, 0), row(2, 0, run=0))) == [(1, 0), (2, 1)]


def test_an_unsorted_log_is_an_error_that_says_what_to_do(read):
    lines = (row(1, 10), row(2, 5), row(3, 10), row(4, 5))
    with pytest.raises(TraceError, match=r"log\.swf:2: submit time 5 is before 10, .*`sort = true`"):
        read(*lines)
    with pytest.raises(TraceError, match=":2: submit time 5"):  # no line is at fault alone
        read(*lines, lenient=[])
    with pytest.raises(TraceError, match=":2: submit time 1 is before 10"):  # unknown submit time, hence second 1
        read(row(1, 10), row(2, -1))
    assert order(read(*lines, sort=True)) == [(2, 5), (4, 5), (1, 10), (3, 10)]


@settings(deadline=None)
@given(
    submits=st.lists(st.integers(-2, 4), max_size=12).map(sorted),
    runs=st.lists(st.integers(0, 1), min_size=12, max_size=12),
)
def test_streaming_gives_the_order_of_sorting(tmp_path_factory, submits, runs):
    path = tmp_path_factory.mktemp("swf") / "log.swf"
    path.write_text("".join(row(i, s, run=r) + "\n" for i, (s, r) in enumerate(zip(submits, runs, strict=False))))
    streamed = order(SwfTrace().jobs(path, 10))
    assert streamed == order(SwfTrace(SwfTrace.Config(sort=True)).jobs(path, 10))
    assert streamed == sorted(streamed, key=lambda pair: pair[1])


# Errors.


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("1 2 3", "expected 18 fields, got 3"),
        (row() + " 7", "expected 18 fields, got 19"),
        (row(submit="soon"), "submit time is not a number: 'soon'"),
        (row(submit="nan"), "submit time is not a number: 'nan'"),
        (row(run="1_0"), "run time is not a number: '1_0'"),
        (row(run="1-0"), "run time is not a number: '1-0'"),
        (row(requested="0x10"), "requested time is not a number: '0x10'"),
        (row().replace("1.50", "fast"), "average CPU time is not a number: 'fast'"),
        (row(width="2.5"), "allocated processors is not a whole number: '2.5'"),
        (row(number="1.5"), "job number is not a whole number: '1.5'"),
        (row(number=-1), "job number is negative: -1"),
        (row(number=10**15), f"job number is out of range: '{10**15}'"),
        (row(submit="1e300"), "submit time is out of range: '1e300'"),
        (row(run=10**15), f"run time is out of range: '{10**15}'"),
        (row(requested="9" * 600), "requested time is out of range: '" + "9" * 37 + "...'"),
        (row(number=7), "job number 7 occurs twice"),
    ],
)
def test_a_bad_line_is_an_error_with_its_place_and_lenient_skips_it(read, line, problem):
    lines = ("; a comment", "", row(7), line, row(8))
    with pytest.raises(TraceError) as caught:
        read(*lines)
    assert str(caught.value) == f"{read.path}:4: {problem}"
    skipped = []
    assert [job.id for job in read(*lines, lenient=skipped)] == [7, 8]
    assert [str(error) for error in skipped] == [f"{read.path}:4: {problem}"]
    assert read.trace.notes["skipped"] == 1


def test_notes_count_what_was_done(read):
    jobs = read(
        row(1), row(2, run=99), row(3, requested=-1), row(4, run=0), row(5, width=65), row(6, width="x"), lenient=[]
    )
    assert len(jobs) == 5
    assert read.trace.notes == {
        "jobs": 5,
        "skipped": 1,
        "missing-estimate": 1,
        "degenerate": 1,
        "capped": 1,
        "killed": 1,
    }


def test_a_machine_without_cores_is_a_bug_of_the_caller(read):
    with pytest.raises(ValueError, match="machine_cores"):
        read(row(), cores=0)


WORDS = st.sampled_from(["1", "-1", "0", "7.5", "1e3", "x", "--", "1.2.3", "9" * 20, ";", "\x00", "\u00e9", "inf"])
LINES = st.one_of(
    st.text("19.-+eE ;:\t\r\x00\u00e9\ud7ff", max_size=60), st.lists(WORDS, min_size=17, max_size=19).map(" ".join)
)


@settings(deadline=None)
@given(data=st.one_of(st.binary(max_size=300), st.lists(LINES, max_size=6).map(lambda x: "\n".join(x).encode())))
def test_any_bytes_are_jobs_or_trace_errors(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("swf") / "log.swf"
    path.write_bytes(data)
    trace = SwfTrace(SwfTrace.Config(sort=True, queue="name"))
    trace.with_users = True
    skipped: list[TraceError] = []
    jobs = []
    try:
        for job in trace.jobs(path, 8, skipped.append):
            assert job.submit >= 0
            assert 1 <= job.run <= job.limit
            assert 1 <= job.width <= 8
            jobs.append(job)
    except TraceError:
        return
    assert trace.notes["jobs"] == len(jobs)
    assert trace.notes["skipped"] == len(skipped)
    assert len({job.id for job in jobs}) == len(jobs)


# The real logs.


def test_the_fields_are_those_of_the_archive():
    assert len(FIELDS) == 18


@pytest.mark.parametrize("log", LOGS)
def test_jobs_of_the_archive_are_those_of_the_reference_schedules(shared, log):
    """Submit, width and run time (end minus start) of every job, and their order, as an independent program has them."""
    trace = SwfTrace()
    path = shared / "data" / "swf" / f"{log}.swf.gz"
    assert trace.header(path).cores == LOGS[log]
    ours = [f"{job.id},{job.submit},{job.run},{job.width}" for job in trace.jobs(path, LOGS[log])]
    with gzip.open(shared / "data" / "schedules" / f"{log}.easy.csv.gz", "rt", encoding="ascii") as stream:
        next(stream)
        rows = csv.reader(stream)
        theirs = [f"{job},{submit},{int(end) - int(start)},{width}" for job, submit, start, end, width in rows]
    assert len(ours) == trace.notes["jobs"] == len(theirs)
    assert ours == theirs
    assert trace.notes["missing-estimate"] == {"KTH": 0, "CTC": 6, "LANL": 11286}[log.split("-")[0]]
