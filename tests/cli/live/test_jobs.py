"""`fluxplug jobs`, `pgrep`, `pkill`, `cancel`, `kill`, `watch` and `update`."""

from __future__ import annotations

import json
import re
from time import time

import pytest

from fluxplug.client import Client

SLEEP = ("-S", "exec.test.run_duration=1000s")


@pytest.fixture
def mixed(pretend):
    """Ids of a job that runs, one that waits for it, one that is held, and one that has ended; all named `mixed`."""
    common = ("--job-name=mixed",)
    ended = pretend("submit", *common, "--wait", "true")
    others = [
        pretend("submit", *common, *SLEEP, "-N4", "-t1h", "sleep"),
        pretend("submit", *common, "-N1", "-t2h", "sleep"),
        pretend("submit", *common, "--urgency=hold", "true"),
    ]
    run, wait, held, done = (one.out.strip() for one in [*others, ended])
    pretend("job", "wait-event", run, "start")
    return {"run": run, "wait": wait, "held": held, "done": done}


class TestListing:
    def ids(self, seen):
        assert seen.code == 0, seen.err
        return seen.out.split()

    def test_the_default(self, pretend, mixed):
        seen = pretend("jobs", "--name=mixed")
        assert seen.lines[0].split() == ["JOBID", "USER", "NAME", "ST", "NTASKS", "NNODES", "TIME", "INFO"]
        assert [line.split()[0] for line in seen.lines[1:]] == [mixed["wait"], mixed["held"], mixed["run"]]

    @pytest.mark.parametrize(
        ("options", "which"),
        [
            (["-f", "running"], ["run"]),
            (["-f", "pending"], ["held", "wait"]),
            (["-f", "completed"], ["done"]),
            (["-f", "run,completed"], ["done", "run"]),
            (["-a"], ["done", "held", "run", "wait"]),
            (["-A", "-f", "inactive"], ["done"]),
            (["-i", "0-3"], ["run"]),
            (["-i", "node[1-2]"], ["run"]),
            (["--since=-1h"], ["done", "held", "run", "wait"]),
            (["-u", "all"], ["held", "run", "wait"]),
        ],
    )
    def test_filters(self, pretend, mixed, options, which):
        # Other tests' jobs are older; their names are others.
        found = self.ids(pretend("jobs", "-no", "{id.f58}", "--name=mixed", *options))
        own = [name for name, one in mixed.items() if one in found]
        assert sorted(own) == which
        if (
            "completed" not in str(options)
            and "-a" not in options
            and "inactive" not in options
            and "-1h" not in str(options)
        ):
            assert len(found) == len(which)

    def test_count_and_sort(self, pretend, mixed):
        assert self.ids(pretend("jobs", "-no", "{id.f58}", "--name=mixed", "-c1")) == [mixed["wait"]]
        order = sorted((mixed[one] for one in ("run", "wait", "held")), key=len)
        assert set(self.ids(pretend("jobs", "-no", "{id.f58}", "--name=mixed", "--sort=-id"))) == set(order)
        assert self.ids(pretend("jobs", "-no", "{id.f58}", "--name=mixed", "--sort=t_submit"))[0] == mixed["run"]

    def test_width(self, pretend, mixed):
        assert all(len(line) <= 20 for line in pretend("jobs", "-w", "20").lines)
        assert pretend("jobs", "--width=20").lines[0].endswith("+")

    def test_ids(self, pretend, mixed):
        seen = pretend("jobs", "-no", "{state}", mixed["done"], 5, mixed["run"])
        assert seen == (1, "INACTIVE\nRUN\n", "JobID 5 unknown\n")

    def test_json(self, pretend, mixed):
        document = json.loads(pretend("jobs", "--json", mixed["run"]).out)
        assert (document["jobid"], document["state"], document["nnodes"]) == (mixed["run"], "RUN", 4)
        assert "t_cleanup" not in document
        many = json.loads(pretend("jobs", "--json", "--name=mixed").out)["jobs"]
        assert len(many) == 3
        assert pretend("jobs", "--json", 5) == (1, "", "JobID 5 unknown\n")

    def test_stats(self, pretend, mixed):
        line = pretend("jobs", "--stats-only")
        assert line.code == 0
        assert re.fullmatch(r"1 running, \d+ completed, \d+ failed, 2 pending, \d+ inactive purged\n", line.out)
        assert pretend("jobs", "--stats-only", "--queue=x").err == "fluxplug jobs: 'x' is not a valid queue\n"

    def test_colors(self, pretend, mixed):
        seen = pretend("jobs", "-n", "--color=always", mixed["done"], mixed["run"])
        assert [line.startswith("\x1b[32m") for line in seen.lines] == [True, False]
        assert "\x1b" not in pretend("jobs", "-a").out

    @pytest.mark.parametrize(
        ("options", "text"),
        [
            (["-o", "{nope}"], "Unknown format field: nope"),
            (["-o", "nope"], "No such format nope (Did you mean '{nope}'?)"),
            (["-f", "nope"], "Invalid filter specified: nope; expected"),
            (["--since=+1h"], "--since=+1h: the time must be in the past"),
            (["-q", "nope"], "'nope' is not a valid queue"),
            (["-u", "nobody-of-that-name"], "no such user"),
            (["xyz!"], "invalid JobID value: 'xyz!'"),
        ],
    )
    def test_mistakes(self, pretend, options, text):
        seen = pretend("jobs", *options)
        assert seen.code == 1
        assert seen.err.startswith(f"fluxplug jobs: {text}")

    def test_formats_by_name(self, pretend, monkeypatch):
        assert "  endreason  " in pretend("jobs", "-o", "help").out
        assert pretend("jobs", "-o", "get-config=deps").out.startswith("[formats.deps]")
        monkeypatch.setenv("FLUX_JOBS_FORMAT_DEFAULT", "{name} {urgency}")
        assert pretend("jobs").lines[0] == "NAME URG"

    def test_ten_thousand_jobs(self, pretend, pretended):
        """The aim is half a second; a busy machine gets more."""
        jobspec = json.loads(pretend("submit", "--dry-run", "--job-name=many", *SLEEP, "true").out)
        Client(pretended).post("/v1/jobs", {"jobs": [{"jobspec": jobspec}] * 10_000})
        begin = time()
        assert len(pretend("jobs", "-c0", "--name=many").lines) == 10_001
        assert time() - begin < 3


class TestControl:
    def test_cancel(self, pretend, mixed):
        assert pretend("cancel", mixed["held"], mixed["wait"]) == (0, "", "")
        assert pretend("cancel", mixed["held"], "1").err.splitlines() == [
            f"fluxplug cancel: {mixed['held']}: job is inactive",
            "fluxplug cancel: ƒ2: unknown job id",
        ]
        assert pretend("cancel", "--all", "-n").err == "fluxplug cancel: Matched 1 job\n"
        assert pretend("cancel", "--all", "-S", "pending").err == "fluxplug cancel: Matched 0 jobs\n"
        assert pretend("cancel", "--all", "-q", "-S", "pending") == (0, "", "")
        assert pretend("cancel", "--all", "-m", "why").err == "fluxplug cancel: Canceled 1 job (0 errors)\n"
        assert pretend("job", "status", mixed["run"]).code == 143
        assert pretend("jobs", "-no", "{inactive_reason}", mixed["run"]).out == "Canceled: why\n"

    @pytest.mark.parametrize(
        "words", [["cancel"], ["cancel", "--all", "1"], ["watch"], ["pgrep"], ["kill", "-s", "NO", "1"]]
    )
    def test_wrong_command_lines(self, pretend, words):
        assert pretend(*words).code == 2

    def test_pgrep(self, pretend, mixed):
        assert set(pretend("pgrep", "^mix").out.split()) == {mixed[one] for one in ("run", "wait", "held")}
        assert pretend("pgrep", "-c1", "mixed", f"{mixed['run']}..{mixed['run']}").out.split() == [mixed["run"]]
        assert pretend("pgrep", "-o", "full", "mixed").lines[0].split()[0] == "JOBID"
        assert pretend("pgrep", "no-such-name") == (1, "", "")
        assert pretend("pgrep", "name:(").code == 2

    def test_pkill(self, pretend, mixed):
        assert pretend("pkill", "--wait", "mixed") == (0, "", "")
        assert pretend("jobs", "--name=mixed", "-n").out == ""
        assert pretend("pkill", "mixed").code == 1

    def test_kill(self, fluxplug):
        one = fluxplug("submit", "--wait-event=start", "sleep", "60").out.strip()
        assert fluxplug("kill", "-s", "KILL", one) == (0, "", "")
        assert fluxplug("watch", one).code == 137
        assert fluxplug("job", "kill", one).err == f"fluxplug kill: {one}: job is inactive\n"

    def test_watch(self, fluxplug):
        one = fluxplug("submit", "sh", "-c", "echo a; sleep 0.2; echo b; exit 3").out.strip()
        seen = fluxplug("watch", "-l", one)
        assert seen == (3, f"{one}: 0: a\n{one}: 0: b\n", "")
        assert fluxplug("watch", "-f", "depend") == (0, "", "")
        assert fluxplug("watch", "1").code == 1

    def test_update(self, pretend, mixed):
        def limit():
            return pretend("jobs", "-no", "{duration!F}", mixed["wait"]).out

        assert pretend("update", mixed["wait"], "duration=30m") == (0, "", "")
        assert limit() == "30m\n"
        assert pretend("update", "-v", mixed["wait"], "duration=+30m").out == '{"attributes.system.duration": 3600.0}\n'
        assert limit() == "1h\n"
        assert pretend("update", "-n", mixed["wait"], "duration=-10m").out == '{"attributes.system.duration": 3000.0}\n'
        assert limit() == "1h\n"
        assert pretend("update", mixed["wait"], "name=x").err == (
            "fluxplug update: [Errno 22] update of attributes.system.job.name not supported\n"
        )
        assert (
            pretend("update", mixed["wait"], "queue=7").err == "fluxplug update: [Errno 22] '7' is not a valid queue\n"
        )
        assert pretend("update", "-n", mixed["wait"], "queue=7").out == '{"attributes.system.queue": "7"}\n'
        assert pretend("update", mixed["done"], "duration=1h").code == 1
        assert pretend("update", mixed["wait"], "duration=-5h").code == 2
