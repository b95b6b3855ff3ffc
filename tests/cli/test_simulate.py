"""`fluxplug simulate`, through the command line: what it writes, to the byte, and what it says where it cannot."""

from __future__ import annotations

import csv
import gzip
import json
from pathlib import Path

import pytest

from fluxplug.cli.main import main
from fluxplug.testing import R, jobspec

SAMPLES = Path(__file__).resolve().parents[2] / "samples"


def row(number, submit, run, width, requested):
    """A line of a log with the five fields that matter."""
    return f"{number} {submit} -1 {run} {width} -1 -1 -1 {requested} -1 1 1 1 1 -1 -1 -1 -1"


# On 4 cores: 2 is blocked until 10, 3 fits before it, 4 does not; 1 is killed at its limit, 5 comes when all is over.
LOG = [row(1, 0, 12, 3, 10), row(2, 1, 5, 4, 5), row(3, 2, 4, 1, 6), row(4, 3, 9, 1, 9), row(5, 100, 1, 1, 60)]
FCFS = ["1,0,0,10,3", "2,1,10,15,4", "3,2,15,19,1", "4,3,15,24,1", "5,100,100,101,1"]
# 1 was planned for the 12 seconds that it would have run, so the promise to 2 is 12 at first: 3 starts at once, 4 may not at 6.
EASY = ["1,0,0,10,3", "2,1,10,15,4", "3,2,2,6,1", "4,3,15,24,1", "5,100,100,101,1"]


@pytest.fixture
def log(tmp_path):
    path = tmp_path / "log.swf"
    path.write_text("; MaxProcs: 4\n" + "\n".join(LOG) + "\n", encoding="utf-8")
    return path


@pytest.fixture
def simulate(log, tmp_path, capsys):
    """Run the command on the log, on 4 one-core nodes; the rows of its schedule, or its exit code."""

    def run(*options, path=log, machine=("--nodes", "4")):
        out = tmp_path / "schedule.csv"
        code = main(["simulate", str(path), *machine, "--schedule", str(out), *map(str, options)])
        run.out, run.err = capsys.readouterr()
        return out.read_text(encoding="utf-8").splitlines()[1:] if code == 0 else code

    return run


def refused(simulate, *told):
    """One line, that says all of `told`."""
    assert simulate.err.startswith("fluxplug simulate: ")
    assert simulate.err.count("\n") == 1
    assert all(text in simulate.err for text in told), simulate.err
    assert simulate.out == ""


class TestSchedule:
    def test_bytes(self, simulate, tmp_path):
        simulate("--policy", "fcfs")
        wanted = "\n".join(["job,submit,start,end,width", *FCFS, ""])
        assert (tmp_path / "schedule.csv").read_bytes() == wanted.encode()

    def test_easy_is_the_default(self, simulate):
        assert simulate() == simulate("--policy", "easy") == EASY

    def test_forms_of_the_machine_agree(self, simulate, tmp_path):
        document = tmp_path / "R.json"
        document.write_text(json.dumps(R(4)), encoding="utf-8")
        config = tmp_path / "sched.toml"
        config.write_text("[resource]\nnodes = 2\ncores = 2\n", encoding="utf-8")
        forms = [
            ("--nodes", "4"),
            ("--nodes", "1", "--cores", "4"),
            ("--nodes", "2", "--cores", "2", "--gpus", "1"),
            ("--resources", str(document)),
            ("--config", str(config)),
            ("--config", str(config), "--nodes", "4"),
        ]
        found = [simulate("--policy", "easy", machine=machine) for machine in forms]
        assert all(rows == found[0] for rows in found)

    def test_columns(self, simulate, tmp_path):
        rows = simulate("--policy", "fcfs", "--columns", "outcome,ranks,limit,queue")
        head = (tmp_path / "schedule.csv").read_text(encoding="utf-8").splitlines()[0]
        assert head == "job,submit,start,end,width,outcome,ranks,limit,queue"
        assert rows[0] == "1,0,0,10,3,timeout,0-2,12,"
        assert rows[1] == "2,1,10,15,4,completed,0-3,5,"

    def test_gzip(self, simulate, tmp_path, log):
        packed = tmp_path / "log.swf.gz"
        packed.write_bytes(gzip.compress(log.read_bytes()))
        assert simulate("--policy", "fcfs", path=packed) == FCFS

    def test_again_and_again(self, simulate, tmp_path):
        """Same input, same bytes: schedule, figures, table."""
        options = ["--policy", "conservative", "--json", "--columns", "ranks", "--nodes", 2, "--cores", 16, "--gpus", 2]
        found = set()
        for _ in range(2):
            simulate(*options, path=SAMPLES / "mixed.jsonl", machine=())
            found.add(((tmp_path / "schedule.csv").read_bytes(), simulate.out))
            simulate()
        assert len(found) == 1

    def test_of_an_empty_log(self, simulate, tmp_path):
        path = tmp_path / "empty.swf"
        path.write_text("", encoding="utf-8")
        assert simulate(path=path) == []
        assert "0 jobs" in simulate.out


class TestSeveralPolicies:
    def test_a_file_each(self, log, tmp_path, capsys):
        out = tmp_path / "{policy}.csv"
        policies = ["fcfs", "easy", "conservative", "fcfs"]
        options = [text for name in policies for text in ("--policy", name)]
        assert main(["simulate", str(log), "--nodes", "4", *options, "--schedule", str(out)]) == 0
        assert sorted(path.name for path in tmp_path.glob("*.csv")) == ["conservative.csv", "easy.csv", "fcfs.csv"]
        assert (tmp_path / "fcfs.csv").read_text(encoding="utf-8").splitlines()[1:] == FCFS
        head = capsys.readouterr().out.splitlines()[1]
        assert head.split() == ["fcfs", "easy", "conservative"]

    def test_the_name_must_tell_them_apart(self, simulate):
        assert simulate("--policy", "fcfs", "--policy", "easy") == 2
        refused(simulate, "--schedule", "{policy}")

    def test_twice_the_same_is_once(self, simulate):
        assert simulate("--policy", "fcfs", "--policy", "fcfs") == FCFS


class TestFigures:
    def test_json(self, simulate):
        simulate("--policy", "fcfs", "--json")
        document = json.loads(simulate.out)
        assert list(document) == ["log", "policies"]
        assert document["log"] == "log.swf"
        figures = document["policies"]["fcfs"]
        assert (figures["nodes"], figures["cores"], figures["jobs"], figures["finished"]) == (4, 4, 5, 5)
        assert figures["outcomes"] == {"completed": 4, "timeout": 1}
        assert figures["wait_s"]["mean"] == (0 + 9 + 13 + 12 + 0) / 5
        assert figures["makespan_s"] == 101
        assert figures["utilisation"] == (30 + 20 + 4 + 9 + 1) / (4 * 101)
        assert figures["notes"] == {
            "jobs": 5, "skipped": 0, "missing-estimate": 0, "degenerate": 0, "capped": 0, "killed": 1
        }  # fmt: skip

    def test_table(self, simulate):
        simulate("--policy", "fcfs")
        lines = simulate.out.splitlines()
        assert lines[0] == "log.swf: 5 jobs on 4 nodes of 1 core"
        assert "wait, mean s" in simulate.out
        assert lines[-1] == "notes: killed 1"
        assert simulate.err == ""

    def test_no_schedule_unless_asked(self, log, tmp_path):
        before = set(tmp_path.iterdir())
        assert main(["simulate", str(log), "--nodes", "4"]) == 0
        assert set(tmp_path.iterdir()) == before


MISSING = [row(1, 0, 10, 4, -1), row(2, 1, 5, 4, 5), row(3, 1, 2, 4, 0)]


class TestMissingEstimates:
    @pytest.fixture(autouse=True)
    def missing(self, log):
        log.write_text("\n".join(MISSING) + "\n", encoding="utf-8")

    def test_one_second(self, simulate):
        assert simulate() == ["1,0,0,1,4", "2,1,1,6,4", "3,1,6,7,4"]
        assert "missing-estimate 2" in simulate.out

    @pytest.mark.parametrize("how", [("--missing-estimate", "actual"), ("--set", "missing-estimate=actual")])
    def test_the_actual_time(self, simulate, how):
        assert simulate(*how) == ["1,0,0,10,4", "2,1,10,15,4", "3,1,15,17,4"]
        assert "missing-estimate 2" in simulate.out

    def test_neither(self, simulate):
        assert simulate("--missing-estimate", "never") == 2
        refused(simulate, "missing-estimate", "never", "actual")


class TestEvents:
    def events(self, tmp_path, *events):
        path = tmp_path / "events.jsonl"
        path.write_text("\n".join(map(json.dumps, events)) + "\n", encoding="utf-8")
        return "--events", path

    def test_a_node_fails_and_comes_back(self, simulate, tmp_path):
        events = self.events(
            tmp_path, {"time": 4, "event": "down", "ranks": "0"}, {"time": 20, "event": "up", "ranks": "0"}
        )
        rows = simulate("--policy", "fcfs", "--columns", "outcome", *events)
        assert rows[0] == "1,0,0,4,3,failed"
        assert rows[1].startswith("2,1,20,25,")
        assert [line.split(",")[2] for line in rows[2:4]] == ["4", "4"], (
            "they are not held back by a job that needs the node"
        )

    def test_by_host(self, simulate, tmp_path):
        events = self.events(
            tmp_path,
            {"time": 4, "event": "drain", "hosts": "node[0-3]"},
            {"time": 50, "event": "undrain", "hosts": "node[0-3]"},
        )
        rows = simulate("--policy", "fcfs", *events)
        assert rows[:2] == ["1,0,0,10,3", "2,1,50,55,4"]

    def test_cancel_limit_and_priority(self, simulate, tmp_path):
        events = self.events(
            tmp_path,
            {"time": 5, "event": "cancel", "job": 1},
            {"time": 6, "event": "priority", "job": 4, "priority": 99},
            {"time": 7, "event": "limit", "job": 2, "limit": 3},
            {"time": 8, "event": "cancel", "job": 77},
        )
        rows = simulate("--policy", "fcfs", "--columns", "outcome", *events)
        assert rows[:3] == ["1,0,0,5,3,cancelled", "2,1,5,8,4,timeout", "3,2,8,12,1,completed"]
        assert [line.split(",")[2] for line in rows[3:4]] == ["8"]
        assert "events for jobs not active 1" in simulate.out

    @pytest.mark.parametrize(
        ("event", "told"),
        [
            ({"time": 4, "event": "down", "ranks": "4"}, "beyond the machine's 4 nodes"),
            ({"time": 4, "event": "down", "hosts": "zeus"}, "unknown hosts: zeus"),
            ({"time": 4, "event": "explode", "ranks": "0"}, "unknown event 'explode'"),
        ],
    )
    def test_that_make_no_sense(self, simulate, tmp_path, event, told):
        option, path = self.events(tmp_path, {"time": 1, "event": "up", "ranks": "0"}, event)
        assert simulate(option, path) == 2
        refused(simulate, f"{path}:2:", told)


class TestBadInput:
    def test_a_malformed_line(self, simulate, log):
        log.write_text(LOG[0] + "\nso it goes\n" + LOG[1] + "\n", encoding="utf-8")
        assert simulate() == 2
        refused(simulate, f"{log}:2:")

    def test_lenient(self, simulate, log):
        log.write_text(LOG[0] + "\nso it goes\n" + LOG[1] + "\n", encoding="utf-8")
        assert len(simulate("--lenient")) == 2
        assert "skipped 1" in simulate.out
        assert simulate.err.startswith(f"skipped: {log}:2:")

    def test_lenient_events(self, simulate, tmp_path):
        path = tmp_path / "events.jsonl"
        path.write_text('{"time": 1}\n{"time": 5, "event": "cancel", "job": 1}\n', encoding="utf-8")
        assert simulate("--lenient", "--events", path, "--policy", "fcfs")[0] == "1,0,0,5,3"
        assert f"skipped: {path}:1:" in simulate.err

    def test_jobs_that_can_never_run(self, simulate, tmp_path):
        path = tmp_path / "jobs.jsonl"
        jobs = [jobspec(2, limit=5), jobspec(9, limit=5), jobspec(1, limit=5, constraint={"properties": ["gold"]})]
        lines = [json.dumps({"t_submit": 0, "run_time": 5, "jobspec": spec}) for spec in jobs]
        path.write_text("\n".join(lines), encoding="utf-8")
        rows = simulate("--columns", "outcome", path=path)
        assert rows == ["1,0,0,5,2,completed", "2,0,,,9,refused", "3,0,,,1,refused"]

    @pytest.mark.parametrize(
        ("options", "told"),
        [
            (["--policy", "esay"], ["'esay'", "did you mean 'easy'"]),
            (["--columns", "colour"], ["--columns colour", "outcome"]),
            (["--set", "colour=red"], ["--set colour", "missing-estimate"]),
            (["--set", "sort"], ["--set sort", "KEY=VALUE"]),
            (["--trace", "pcapng"], ["pcapng", "swf"]),
            (["--report", "out.docx"], ["out.docx", ".html"]),
            (["--nodes", "0"], ["nodes"]),
            (["--nodes", "4", "--resources", "R.json"], ["--resources", "--nodes"]),
            (["--config", "nowhere.toml"], ["nowhere.toml"]),
            (["--events", "nowhere.jsonl"], ["nowhere.jsonl"]),
        ],
    )
    def test_options(self, simulate, options, told):
        assert simulate(*options) == 2
        assert simulate.err.count("\n") == 1
        assert all(text in simulate.err for text in told), simulate.err

    @pytest.mark.parametrize("machine", [(), ("--cores", "4")])
    def test_no_machine(self, simulate, machine):
        assert simulate(machine=machine) == 2
        refused(simulate, "--nodes")

    def test_no_log(self, simulate, tmp_path):
        assert simulate(path=tmp_path / "gone.swf") == 2
        refused(simulate, "gone.swf")

    def test_a_schedule_that_cannot_be_written(self, log, tmp_path, capsys):
        assert main(["simulate", str(log), "--nodes", "4", "--schedule", str(tmp_path / "no" / "out.csv")]) == 2
        assert capsys.readouterr().err.count("\n") == 1


def test_a_report_as_a_folder(simulate, tmp_path):
    assert simulate("--policy", "fcfs", "--report", f"{tmp_path}/figures/") == FCFS
    assert "<svg" in (tmp_path / "figures" / "summary.svg").read_text(encoding="utf-8")


def test_a_report_beside_it(simulate, tmp_path):
    page = tmp_path / "out.html"
    assert simulate("--policy", "fcfs", "--report", page, "--title", "Two weeks") == FCFS
    assert "Two weeks" in page.read_text(encoding="utf-8")
    assert f"report: {page}" in simulate.out


QUEUES = """
[queues.a]
requires = ["left"]
queue-policy = "fcfs"
[queues.b]
requires = ["right"]
queue-policy = "easy"
[policy.jobspec.defaults.system]
queue = "b"
[resource]
nodes = 4
properties = {left = "0-1", right = "2-3"}
"""


@pytest.fixture
def site(tmp_path, simulate):
    """Run the command on jobs in JSON lines, under a configuration."""

    def run(jobs, *options, config=QUEUES, run_time=5):
        (tmp_path / "sched.toml").write_text(config, encoding="utf-8")
        lines = [json.dumps({"t_submit": 0, "run_time": run_time, "jobspec": job}) for job in jobs]
        (tmp_path / "jobs.jsonl").write_text("\n".join(lines), encoding="utf-8")
        rows = simulate("--config", tmp_path / "sched.toml", *options, path=tmp_path / "jobs.jsonl", machine=())
        run.out, run.err = simulate.out, simulate.err
        return rows if isinstance(rows, int) else list(csv.reader(rows))

    return run


def test_queues_by_name(site):
    """Jobs go to the queue that they name, or to the default; each queue has its policy and its nodes."""
    jobs = [jobspec(2, limit=5, queue=queue) for queue in ("a", "b", "a", None, "c")]
    assert site(jobs, "--columns", "queue,ranks,reason") == [
        ["1", "0", "0", "5", "2", "a", "0-1", ""],
        ["2", "0", "0", "5", "2", "b", "2-3", ""],
        ["3", "0", "5", "10", "2", "a", "0-1", ""],
        ["4", "0", "5", "10", "2", "b", "2-3", ""],
        ["5", "0", "", "", "2", "", "", "queue 'c' is not configured; queues: a, b"],
    ]
    assert "refused: 1 job (5): queue 'c' is not configured; queues: a, b\n" in site.out


def test_refused_jobs_are_counted_and_named_with_their_reason(site):
    config = QUEUES + "[policy.limits]\nduration = 60\njob-size.max.ncores = 1\n"
    jobs = [jobspec(1, limit=5), *[jobspec(1, limit=61)] * 7, jobspec(2, limit=5, queue="a"), jobspec(1)]
    rows = site(jobs, "--columns", "outcome", config=config)
    assert [row[5] for row in rows] == ["completed", *["refused"] * 9]
    assert site.out.splitlines()[-3:] == [
        "refused: 7 jobs (2, 3, 4, 5, 6, ...): requested duration (1.01667m) exceeds policy limit of 1m for queue b",
        "refused: 1 job (9): requested ncores (2) exceeds policy limit of 1 for queue a",
        "refused: 1 job (10): requested duration (unlimited) exceeds policy limit of 1m for queue b",
    ]


def test_many_reasons_are_cut_short(site):
    jobs = [jobspec(1, limit=5, queue=f"q{number}") for number in range(12)]
    site(jobs)
    assert site.out.count("\nrefused: 1 job (") == 10
    assert site.out.endswith("refused: and for 2 more reasons; --columns reason has that of each job\n")


def test_a_job_is_killed_at_the_default_of_its_queue(site):
    config = QUEUES + "[queues.a.policy.jobspec.defaults.system]\nduration = 3\n"
    rows = site([jobspec(1, queue="a"), jobspec(1, queue="b")], "--columns", "limit,outcome", config=config)
    assert rows == [["1", "0", "0", "3", "1", "3", "timeout"], ["2", "0", "0", "5", "1", "0", "completed"]]


def test_a_plugin_that_makes_nonsense_of_a_job_is_told_in_one_line(site, tmp_path):
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins" / "odd.py").write_text(
        "from fluxplug.hookspecs import hookimpl\n@hookimpl\ndef fluxplug_modify_jobspec(jobspec):\n    jobspec['version'] = 0\n",
        encoding="utf-8",
    )
    assert site([jobspec(1)], config=QUEUES + '[plugins]\npath = ["plugins"]\n') == 2
    assert site.err.count("\n") == 1
    assert "plugin 'odd' of" in site.err
    assert "fluxplug_modify_jobspec" in site.err
    assert "version must be >= 1" in site.err


def test_limits_hold_for_logs_too(simulate, tmp_path):
    """Of a log's job only cores are known: what is said of nodes and GPUs is not held against it."""
    config = tmp_path / "sched.toml"
    config.write_text(
        "[policy.limits]\nduration = 10\njob-size.max = {nnodes = 1, ncores = 3}\njob-size.min = {nnodes = 1, ngpus = 1}\n",
        encoding="utf-8",
    )
    rows = simulate("--config", config, "--columns", "outcome", "--policy", "fcfs")
    assert [row.split(",")[-1] for row in rows] == ["refused", "refused", "completed", "completed", "refused"]
    assert "requested duration (12s) exceeds policy limit of 10s" in simulate.out
    assert "requested ncores (4) exceeds policy limit of 3" in simulate.out
