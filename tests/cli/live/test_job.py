"""`fluxplug job`: logs, documents, ids, waiting and control of single jobs."""

from __future__ import annotations

import json
import re

import pytest

SLEEP = ("-S", "exec.test.run_duration=1000s")


@pytest.fixture
def done(fluxplug):
    """The id of a job of two tasks that has ended."""
    return fluxplug("submit", "--wait", "-n2", "-t5m", "--job-name=done", "sh", "-c", "echo hello").out.strip()


class TestLogs:
    def test_eventlog(self, fluxplug, done):
        lines = fluxplug("job", "eventlog", done).lines
        assert [line.split()[1] for line in lines] == (
            ["submit", "validate", "depend", "priority", "alloc", "start", "finish", "release", "free", "clean"]
        )
        assert re.fullmatch(r"\d+\.\d{6} finish status=0", lines[6])

    def test_times(self, fluxplug, done):
        assert fluxplug("job", "eventlog", "-T", "offset", done).lines[0].startswith("0.000000 submit ")
        assert re.match(r"\[\w{3}\d\d \d\d:\d\d\] submit ", fluxplug("job", "eventlog", "-H", done).lines[0])
        assert re.match(r"\[ +\+0\.\d{6}\] validate", fluxplug("job", "eventlog", "-H", done).lines[1])

    def test_json(self, fluxplug, done):
        entries = [json.loads(line) for line in fluxplug("job", "eventlog", "-f", "json", "-p", "exec", done).lines]
        assert entries[0]["name"] == "init"
        assert "shell.start" in {entry["name"] for entry in entries}

    def test_wait_event(self, fluxplug, done):
        assert fluxplug("job", "wait-event", done, "finish").lines[0].endswith(" finish status=0")
        assert fluxplug("job", "wait-event", "-q", done, "start") == (0, "", "")
        assert len(fluxplug("job", "wait-event", "-v", done, "start").lines) == 6
        assert fluxplug("job", "wait-event", "-m", "status=0", done, "finish").code == 0
        assert (
            fluxplug("job", "wait-event", "-p", "guest.output", "-c2", "-m", 'stream="stdout"', done, "data").code == 0
        )
        assert fluxplug("job", "wait-event", done, "nope") == (1, "", "fluxplug job: event 'nope' never received\n")
        assert fluxplug("job", "wait-event", "-m", "status=1", done, "finish").code == 1

    def test_wait_event_in_time(self, fluxplug):
        one = fluxplug("submit", "sleep", "60").out.strip()
        assert fluxplug("job", "wait-event", "-t", "0.1", one, "clean").err == (
            "fluxplug job: wait-event timed out on event 'clean'\n"
        )

    def test_info(self, fluxplug, done):
        assert json.loads(fluxplug("job", "info", done, "R").out)["version"] == 1
        jobspec = json.loads(fluxplug("job", "info", done, "jobspec").out)
        assert "environment" not in jobspec["attributes"]["system"]
        original = json.loads(fluxplug("job", "info", "-o", done, "jobspec").out)
        assert "PATH" in original["attributes"]["system"]["environment"]
        assert json.loads(fluxplug("job", "info", "-b", done, "jobspec").out) == jobspec
        assert fluxplug("job", "info", done, "guest.output").lines[0].startswith('{"timestamp":')
        assert fluxplug("job", "info", done, "nope") == (1, "", "fluxplug job: nope: key not found\n")
        assert fluxplug("job", "info", "1", "R") == (1, "", "fluxplug job: unknown job id\n")


class TestQuestions:
    def test_ids(self, fluxplug, done, monkeypatch):
        forms = [
            fluxplug("job", "id", f"--to={form}", done).out.strip() for form in ("dec", "hex", "dothex", "kvs", "words")
        ]
        assert {fluxplug("job", "id", "--to=f58", form).out.strip() for form in forms} == {done}
        monkeypatch.delenv("FLUXPLUG_URI")
        assert fluxplug("job", "id", "ƒ2").out == "1\n"  # without an instance
        assert fluxplug("job", "id", "?").code == 1

    def test_last(self, fluxplug, done):
        second = fluxplug("submit", "true").out.strip()
        assert fluxplug("job", "last").out.split() == [second]
        assert fluxplug("job", "last", "2").out.split() == [second, done]
        assert fluxplug("job", "last", "[1]").out.split() == [done]
        assert fluxplug("job", "last", "[:2]").out.split() == [second, done]
        assert fluxplug("job", "last", "[::-1]").out.split()[-2:] == [done, second]
        assert fluxplug("job", "last", "x").code == 2

    def test_taskmap(self, fluxplug, done):
        assert fluxplug("job", "taskmap", done).out == "[[0,1,2,1]]\n"
        assert fluxplug("job", "taskmap", "--to=raw", done).out == "0-1\n"
        assert fluxplug("job", "taskmap", "--taskids=0", done).out == "0-1\n"
        assert fluxplug("job", "taskmap", "--ntasks=0", done).out == "2\n"
        assert fluxplug("job", "taskmap", "--nodeid=1", "[[0,2,1,1]]").out == "1\n"
        host = fluxplug("jobs", "-no", "{nodelist}", done).out
        assert fluxplug("job", "taskmap", "--hostname=1", done).out == host
        assert fluxplug("job", "taskmap", "--nodeid=9", done).code == 1

    def test_hostpids(self, fluxplug, done):
        one = fluxplug("submit", "-N2", "-n4", "sh", "-c", "echo $$; exec sleep 60").out.strip()
        text = fluxplug("job", "hostpids", one).out
        found = re.fullmatch(r"(\S+):(\d+),\1:(\d+),\1:(\d+),\1:(\d+)\n", text)
        assert found, text
        host, *pids = found.groups()
        lines = fluxplug("job", "eventlog", "-p", "output", "-f", "json", one).lines
        said = {int(entry["context"]["rank"]): entry["context"]["data"] for entry in map(json.loads, lines[1:])}
        assert all(said[rank] == f"{pids[rank]}\n" for rank in said)
        assert fluxplug("job", "hostpids", "-d", " ", "-r1,3-9", one).out == f"{host}:{pids[1]} {host}:{pids[3]}\n"
        assert fluxplug("job", "hostpids", "-r", "x", one).code == 2
        held = fluxplug("submit", "--urgency=hold", "true").out.strip()
        assert "not started within 0.1 s" in fluxplug("job", "hostpids", "-t0.1", held).err
        assert fluxplug("job", "hostpids", done).err == "fluxplug job: job is not running\n"
        assert fluxplug("job", "hostpids", 1).err == "fluxplug job: [Errno 2] unknown job id\n"
        fluxplug("cancel", one, held)

    def test_timeleft(self, fluxplug, done):
        assert fluxplug("job", "timeleft", done).out == "0\n"
        one = fluxplug("submit", "--wait-event=start", "-t1h", "sleep", "60").out.strip()
        assert 3500 < int(fluxplug("job", "timeleft", one).out) <= 3600
        other = fluxplug("submit", "--wait-event=start", "sleep", "60").out.strip()
        assert fluxplug("job", "timeleft", "-H", other).out == "infinity\n"
        held = fluxplug("submit", "--urgency=hold", "true").out.strip()
        assert fluxplug("job", "timeleft", held).code == 1

    def test_lists(self, fluxplug, done):
        record = json.loads(fluxplug("job", "list-ids", done).out)
        assert (record["name"], record["state"], record["waitstatus"]) == ("done", 64, 0)
        assert json.loads(fluxplug("job", "list-inactive", "-c1").out)["state"] == 64
        assert fluxplug("job", "list", "-s", "depend").out == ""
        assert json.loads(fluxplug("job", "stats").out)["successful"] >= 1
        assert fluxplug("job", "list-ids", "1").err == "fluxplug job: unknown job id\n"


class TestWaiting:
    def test_status(self, fluxplug, done):
        failed = fluxplug("submit", "sh", "-c", "exit 5").out.strip()
        assert fluxplug("job", "status", done, failed).code == 5
        assert json.loads(fluxplug("job", "status", "-j", failed).out)["waitstatus"] == 5 << 8
        assert fluxplug("job", "status", "-v", done).err == f"{done}: Exit 0\n"
        never = fluxplug("submit", "-N99", "true").out.strip()
        assert fluxplug("job", "status", "-e", "42", never).code == 42
        assert fluxplug("job", "status", "1").err == "fluxplug job: ƒ2: unknown job id\n"

    def test_wait(self, pretend):
        one = pretend("submit", "--flags=waitable", "true").out.strip()
        assert pretend("job", "wait", one) == (0, "", "")
        assert pretend("job", "wait").err == "fluxplug job: there are no more waitable jobs\n"
        assert pretend("job", "wait").code == 2
        two = pretend("submit", "--flags=waitable", "--cc=1-2", "true").out.split()
        assert pretend("job", "wait").out.strip() in two
        assert pretend("job", "wait", "--all") == (0, "", "")

    def test_waiting_for_a_failure(self, fluxplug):
        one = fluxplug("submit", "--flags=waitable", "sh", "-c", "exit 3").out.strip()
        assert fluxplug("job", "wait", one) == (1, "", "fluxplug job: task(s) exited with exit code 3\n")


class TestControl:
    def test_urgency(self, pretend):
        one = pretend("submit", "--urgency=hold", *SLEEP, "true").out.strip()
        assert pretend("job", "urgency", "-v", one, "expedite").err == "old urgency: job held\n"
        pretend("job", "wait-event", one, "start")
        assert pretend("job", "urgency", one, "5").code == 1
        assert pretend("job", "urgency", one, "32").code == 2

    def test_raise(self, pretend):
        one = pretend("submit", *SLEEP, "true").out.strip()
        assert pretend("job", "raise", "-t", "look", "-s", "3", one, "--", "at", "this") == (0, "", "")
        line = pretend("job", "wait-event", one, "exception").out
        assert 'exception type="look" severity=3 note="at this"' in line
        assert pretend("job", "raise", "-m", "a", one, "--", "b").code == 2
        assert pretend("job", "raise", one) == (0, "", "")
        assert pretend("job", "status", one).code == 143

    def test_all_of_them(self, pretend):
        one = pretend("submit", "--wait-event=start", *SLEEP, "true").out.strip()
        assert pretend("job", "killall").err == "Command matched 1 job (-f to confirm)\n"
        assert pretend("job", "raiseall", "look").err == "Command matched 1 job (-f to confirm)\n"
        assert pretend("job", "raiseall", "-f", "-s0", "cancel", "the", "end") == (0, "", "")
        assert pretend("job", "status", one).code == 143

    def test_memo(self, pretend):
        one = pretend("submit", "--urgency=hold", "true").out.strip()
        assert pretend("job", "memo", one, "a=1", "b=two") == (0, "", "")
        assert pretend("jobs", "-no", "{user.a} {user.b}", one).out == "1 two\n"
        assert pretend("job", "memo", one, "nothing").code == 2

    def test_the_jobspec_before_updates(self, pretend):
        one = pretend("submit", "--urgency=hold", "-t60s", "true").out.strip()
        assert pretend("update", one, "duration=30s").code == 0
        for option, wanted in (("-b", 60), ("-o", 60), (None, 30)):
            words = ["job", "info", one, "jobspec", *([option] if option else [])]
            assert json.loads(pretend(*words).out)["attributes"]["system"]["duration"] == wanted

    def test_purge(self, pretend):
        one, two = pretend("submit", "--wait", "--cc=1-2", "true").out.split()
        assert re.fullmatch(r"use --force to purge 1 of \d+ inactive jobs\n", pretend("job", "purge", one).err)
        assert pretend("job", "purge", "-f", one).err.startswith("purged 1 inactive jobs, ")
        assert pretend("jobs", one, two).err == f"JobID {one} unknown\n"
        assert pretend("job", "purge").code == 2

    def test_submit(self, pretend, tmp_path):
        jobspec = pretend("submit", "--dry-run", "true").out
        (tmp_path / "job.json").write_text(jobspec)
        one = pretend("job", "submit", "-u", "hold", "job.json").out.strip()
        assert pretend("jobs", "-no", "{name} {urgency}", one).out == "true 0\n"
        (tmp_path / "job.json").write_text("{")
        assert pretend("job", "submit", "job.json").code == 1
        assert "No such file" in pretend("job", "submit", "none.json").err
