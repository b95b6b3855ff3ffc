"""`fluxplug explain`, through the command line: the reason, the place, the promise, the estimate, and what really came of it."""

from __future__ import annotations

import json

import pytest

from fluxplug.cli.main import main
from fluxplug.testing import jobspec

# (limit, width, submit, run): 1 holds three of four cores until 10, and ends at 8; 2 needs all; 3 fits before 2; 4 and 5 do not.
JOBS = [(10, 3, 0, 8), (5, 4, 1, 5), (6, 1, 2, 6), (9, 1, 3, 9), (100, 2, 4, 100)]


@pytest.fixture
def log(tmp_path):
    path = tmp_path / "jobs.jsonl"
    lines = [
        {"t_submit": at, "run_time": run, "jobspec": jobspec(width, limit=limit)} for limit, width, at, run in JOBS
    ]
    path.write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    return path


@pytest.fixture
def explain(log, capsys):
    """The output of the command; or, where it fails, its exit code."""

    def run(*options, path=log, machine=("--nodes", "4")):
        code = main(["explain", str(path), *machine, *map(str, options)])
        run.out, run.err = capsys.readouterr()
        return run.out if code == 0 else code

    return run


def told(explain, *options):
    return json.loads(explain(*options, "--json"))


class TestOneJob:
    def test_the_head(self, explain):
        assert explain("--job", 2, "--at", 5).splitlines() == [
            "job 2 at 5: job 2 needs 4 cores, and of 4 4 are held; promised from 10 on",
            "  place in queue: 1",
            "  reservation: 10 (in 5 s)",
            "  start estimate: 10 (in 5 s), as of 5",
            "  in the simulation it starts at: 8",
        ]

    def test_behind_a_reservation(self, explain):
        """1 and 3 end at 8, so 2 has all cores until 13: 4 waits for one of them."""
        found = told(explain, "--job", 4, "--at", 9)
        explanation = found["explanation"]
        assert (explanation["reason"], explanation["estimate"], found["simulated"]["start"]) == ("resources", 13, 13)

    def test_would_delay(self, explain, log):
        lines = log.read_text(encoding="utf-8").splitlines()
        lines[2] = json.dumps({"t_submit": 2, "run_time": 1, "jobspec": jobspec(1, limit=6)})
        log.write_text("\n".join(lines), encoding="utf-8")
        text = explain("--job", 4, "--at", 4)
        assert text.splitlines()[0] == (
            "job 4 at 4: would delay the reservation of job 2 at 10: its resources are free for 6 s, and its limit of 9 s is longer"
        )
        assert "  start estimate: 15 (in 11 s), as of 4\n" in text

    def test_under_fcfs(self, explain):
        text = explain("--policy", "fcfs", "--job", 3, "--at", 5)
        assert text.startswith(
            "job 3 at 5: behind job 2: under fcfs nobody overtakes; job 2 needs 4 cores, and of 4 3 are held\n"
        )
        assert "  place in queue: 2\n" in text
        assert "reservation" not in text

    def test_under_conservative_everybody_has_a_reservation(self, explain):
        found = [told(explain, "--policy", "conservative", "--job", number, "--at", 5) for number in (2, 4, 5)]
        assert [one["explanation"]["reserved"] for one in found] == [10, 15, 15]
        assert [one["simulated"]["start"] for one in found] == [8, 13, 13]

    def test_refused_as_it_came_in(self, explain, tmp_path):
        config = tmp_path / "sched.toml"
        config.write_text("[policy.limits]\nduration = 50\n", encoding="utf-8")
        assert explain("--config", config, "--job", 5, "--at", 9) == (
            "job 5 at 9: over: refused: requested duration (1.66667m) exceeds policy limit of 50s\n"
        )

    @pytest.mark.parametrize(
        ("job", "at", "text"),
        [
            (1, 5, "running since 0"),
            (1, 20, "over: it ran from 0 to 8 (completed)"),
            (5, 3, "not submitted yet: it comes at 4"),
        ],
    )
    def test_not_waiting(self, explain, job, at, text):
        assert explain("--job", job, "--at", at) == f"job {job} at {at}: {text}\n"

    def test_json(self, explain):
        assert told(explain, "--job", 2, "--at", 5) == {
            "job": 2,
            "at": 5,
            "explanation": {
                "jobid": 2,
                "time": 5,
                "state": "SCHED",
                "queue": "",
                "reason": "resources",
                "text": "job 2 needs 4 cores, and of 4 4 are held; promised from 10 on",
                "position": 1,
                "reserved": 10,
                "estimate": 10,
            },
            "simulated": {"submit": 1, "start": 8, "end": None, "width": 4, "limit": 5, "outcome": "running"},
        }
        over = told(explain, "--job", 1, "--at", 50)
        assert (over["explanation"], over["simulated"]["outcome"]) == (None, "completed")

    def test_between_two_instants(self, explain):
        """Nothing happens at 5.5: the answer is as of then all the same."""
        assert "  start estimate: 10 (in 4.500 s), as of 5.500\n" in explain("--job", 2, "--at", 5.5)


class TestNodes:
    @pytest.fixture
    def events(self, tmp_path):
        path = tmp_path / "events.jsonl"
        path.write_text('{"time": 4, "event": "drain", "ranks": "3"}\n', encoding="utf-8")
        return "--events", path

    def test_down(self, explain, events):
        text = explain("--job", 2, "--at", 5, *events)
        assert text.startswith("job 2 at 5: needs nodes that are down (1 down); it does not hold others back\n")
        assert "  start estimate: none\n" in text
        assert "  in the simulation it starts at: never\n" in text

    def test_cancelled(self, explain, tmp_path):
        path = tmp_path / "cancel.jsonl"
        path.write_text('{"time": 5, "event": "cancel", "job": 2}\n', encoding="utf-8")
        assert explain("--job", 2, "--at", 6, "--events", path) == "job 2 at 6: over: cancelled\n"


class TestQueued:
    def test_everybody(self, explain):
        assert explain("--queued", "--at", 5).splitlines() == [
            "3 jobs pending at 5",
            "         2  start           10  job 2 needs 4 cores, and of 4 4 are held; promised from 10 on",
            "         4  start           15  job 4 needs 1 core, and of 4 4 are held",
            "         5  start           15  job 5 needs 2 cores, and of 4 4 are held",
        ]

    def test_the_first(self, explain):
        lines = explain("--queued", "--at", 5, "--limit", 1).splitlines()
        assert (len(lines), lines[-1]) == (3, "... and 2 more")

    def test_nobody(self, explain):
        assert explain("--queued", "--at", 0) == "0 jobs pending at 0\n"
        assert told(explain, "--queued", "--at", 0) == []

    def test_json(self, explain):
        found = told(explain, "--queued", "--at", 5)
        assert [(one["jobid"], one["position"], one["estimate"]) for one in found] == [
            (2, 1, 10),
            (4, 2, 15),
            (5, 3, 15),
        ]

    def test_in_every_queue(self, explain, tmp_path, log):
        config = tmp_path / "sched.toml"
        config.write_text(
            '[queues.b]\nqueue-policy = "fcfs"\n[queues.a]\n[policy.jobspec.defaults.system]\nqueue = "b"\n',
            encoding="utf-8",
        )
        lines = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
        lines[4]["jobspec"]["attributes"]["system"]["queue"] = "a"
        log.write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
        found = told(explain, "--queued", "--at", 5, "--config", config)
        assert [(one["queue"], one["position"], one["jobid"]) for one in found] == [
            ("a", 1, 5),
            ("b", 1, 2),
            ("b", 2, 3),
            ("b", 3, 4),
        ]


class TestErrors:
    @pytest.mark.parametrize(
        ("options", "text"),
        [
            (["--job", 77, "--at", 5], "has no job 77"),
            (["--job", 1, "--at", 5, "--policy", "esay"], "did you mean 'easy'"),
            (["--job", 1, "--at", "inf"], "--at"),
            (["--job", 1, "--at", "nan"], "--at"),
            (["--queued", "--at", 5, "--limit", "-1"], "--limit"),
        ],
    )
    def test_one_line(self, explain, options, text):
        assert explain(*options) == 2
        assert explain.err.splitlines()[-1].count(text) == 1, explain.err
        assert "Traceback" not in explain.err

    @pytest.mark.parametrize("options", [["--at", 5], ["--job", 1], ["--job", 1, "--queued", "--at", 5]])
    def test_incomplete(self, explain, options):
        assert explain(*options) == 2
        assert "usage:" in explain.err

    def test_before_the_beginning(self, explain):
        assert explain("--job", 1, "--at", -5) == "job 1 at -5: not submitted yet: it comes at 0\n"
