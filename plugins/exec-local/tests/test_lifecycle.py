"""Jobs from launch to end: what is reported, statuses, signals, stops, time limits."""

from __future__ import annotations

import json
import os
import select
import signal

import pytest

from fluxplug.exec import EXEC_LOG, OUTPUT_LOG, Ended, Entry, Launch, Started
from fluxplug.testing.executors import launched

#: Sleeps until it is signalled; says so first.
WAITING = ("sh", "-c", "echo ready; exec sleep 1000")


def gone(pid, seconds=10):
    """Whether a process ends within that time."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([descriptor], [], [], seconds)[0])
    finally:
        os.close(descriptor)


async def ready(at, *jobids):
    await at.site.until(lambda: all(b"ready" in at.site.output(jobid) for jobid in jobids))


def test_many_jobs_at_once(stage):
    async def play(at):
        for jobid in range(1, 101):
            at.launch(jobid, "true")
        await at.site.ended(*range(1, 101))
        assert {at.site.status(jobid) for jobid in range(1, 101)} == {0}
        assert len(at.site.log_of(100, EXEC_LOG)) == 8

    stage(play)


@pytest.mark.parametrize(
    ("script", "status"),
    [("exit 3", 3 << 8), ("kill -9 $$", 137 << 8), ("kill -15 $$", 143 << 8), ("exit 255", 255 << 8)],
)
def test_statuses(stage, script, status):
    async def play(at):
        assert at.site.status(await at.job("sh", "-c", script)) == status

    stage(play)


def test_the_largest_status_is_the_jobs(stage):
    async def play(at):
        jobid = await at.job("sh", "-c", "exit $FLUX_TASK_RANK", nslots=4, cores="0-3")
        assert at.site.status(jobid) == 3 << 8

    stage(play)


def test_a_command_that_is_missing_or_not_executable(stage):
    async def play(at):
        for command, status, reason in (
            ("/no/such/cmd", 127, "No such file or directory"),
            ("no-such-cmd", 127, "No such file or directory"),
            ("/etc/passwd", 126, "Permission denied"),
        ):
            jobid = await at.job(command)
            note = f"task 0 (host vm): start failed: {command}: {reason}"
            assert at.site.raised(jobid) == [("exec", note)]
            assert at.site.status(jobid) == status << 8
            assert at.site.exec_names(jobid) == ["init", "starting", "shell.init", "shell-exit", "complete", "done"]
            assert [name for name, _ in at.site.log_of(jobid, OUTPUT_LOG)] == ["header", "log"]
            assert len(at.site.of(jobid, Started)) == 1

    stage(play)


def test_a_script_without_an_interpreter_is_the_shells(stage, tmp_path):
    script = tmp_path / "script"
    script.write_text("echo from $1\n")
    script.chmod(0o755)

    async def play(at):
        assert at.site.output(await at.job(str(script), "sh")) == b"from sh\n"

    stage(play)


def test_options_that_make_no_sense_fail_the_job(stage):
    async def play(at):
        for options, word in (
            ({"cpu-affinity": "no"}, "cpu-affinity"),
            ({"output": {"mode": "no"}}, "output.mode"),
            ({"exit-timeout": "no"}, "exit-timeout"),
            ({"rlimit": {"no": 1}}, "rlimit.no"),
        ):
            jobid = await at.job("true", options=options)
            ((kind, note),) = at.site.raised(jobid)
            assert kind == "exec"
            assert word in note
            assert at.site.status(jobid) == 1 << 8

    stage(play, pretend_hosts=True)


def test_signals_reach_every_task(stage):
    async def play(at):
        at.launch(1, *WAITING, nslots=2, cores="0-1")
        await at.site.until(lambda: at.site.output(1) == b"ready\nready\n")
        at.executor.signal(1, signal.SIGTERM)
        at.executor.signal(77, signal.SIGTERM)
        await at.site.ended(1)
        assert at.site.status(1) == 143 << 8
        assert at.site.raised(1) == []

    stage(play)


def test_a_cancelled_job_shows_the_signal(stage):
    async def play(at):
        at.launch(1, *WAITING)
        await ready(at, 1)
        at.executor.stop(1, "cancel")
        at.executor.stop(1, "cancel")
        await at.site.ended(1)
        assert at.site.status(1) == 15

    stage(play)


def test_a_job_cancelled_before_its_turn_never_runs(stage):
    async def play(at):
        for jobid in range(1, 31):
            at.launch(jobid, "sleep", "1000")
        for jobid in range(1, 31):
            at.executor.stop(jobid, "cancel")
        await at.site.ended(*range(1, 31))
        assert {at.site.status(jobid) for jobid in range(1, 31)} == {15}
        # The last ones were still waiting for their turn.
        assert at.site.exec_names(30) == ["init", "starting", "shell-exit", "complete", "done"]
        assert at.site.log_of(30, OUTPUT_LOG) == []

    stage(play)


def test_who_ignores_the_signal_is_killed_with_all_its_processes(stage):
    script = "trap '' TERM; sleep 1000 & setsid sleep 1000 & echo $! ready; while :; do sleep 1000; done"

    async def play(at):
        at.launch(1, "sh", "-c", script)
        await ready(at, 1)
        pid = int(at.site.output(1).split()[0])
        at.executor.stop(1, "cancel")
        await at.site.ended(1)
        assert at.site.status(1) == 9
        assert gone(pid)

    stage(play, kill_timeout=0.2)


def test_the_time_limit(stage):
    async def play(at):
        now = at.site.clock.now()
        at.launch(1, *WAITING, expiration=now + 0.3)
        at.launch(2, "sh", "-c", "trap '' ALRM; echo ready; sleep 1000", expiration=now + 0.3)
        at.launch(3, *WAITING, expiration=now + 0.3)
        await ready(at, 3)
        at.executor.set_expiration(3, now + 1000)
        await at.site.ended(1, 2)
        assert at.site.raised(1) == at.site.raised(2) == [("timeout", "resource allocation expired")]
        assert (at.site.status(1), at.site.status(2)) == (142 << 8, 137 << 8)
        assert not at.site.of(3, Ended)

    stage(play, kill_timeout=0.2)


def test_a_signal_before_the_time_limit(stage):
    async def play(at):
        script = "trap 'echo warned; exit 7' USR2; echo ready; while :; do sleep 0.05; done"
        signal_option = {"signum": int(signal.SIGUSR2), "timeleft": 999.5}
        jobid = await at.job(
            "sh", "-c", script, options={"signal": signal_option}, expiration=at.site.clock.now() + 1000
        )
        assert at.site.output(jobid) == b"ready\nwarned\n"
        assert at.site.status(jobid) == 7 << 8

    stage(play)


def test_exit_timeout_and_exit_on_error(stage):
    script = "test $FLUX_TASK_RANK = 0 && exit 1; exec sleep 1000"

    async def play(at):
        jobid = await at.job("sh", "-c", script, nslots=2, cores="0-1", options={"exit-timeout": "100ms"})
        assert "exit-timeout" in at.site.raised(jobid)[0][1]
        jobid = await at.job("sh", "-c", script, nslots=2, cores="0-1", options={"exit-on-error": 1})
        assert "exit-on-error" in at.site.raised(jobid)[0][1]
        # Nothing of the kind where it is switched off.
        at.launch(
            1,
            "sh",
            "-c",
            "test $FLUX_TASK_RANK = 0 || sleep 0.4",
            nslots=2,
            cores="0-1",
            options={"exit-timeout": "none"},
        )
        await at.site.ended(1)
        assert at.site.raised(1) == []

    stage(play)


def test_a_job_goes_on_while_its_output_is_held_open(stage):
    async def play(at):
        jobid = await at.job("sh", "-c", "(sleep 0.2; echo late) & echo early")
        assert at.site.output(jobid) == b"early\nlate\n"

    stage(play)


def test_what_a_job_leaves_behind_is_ended(stage):
    async def play(at):
        script = "setsid sleep 1000 >/dev/null 2>&1 </dev/null & echo $!"
        jobid = await at.job("sh", "-c", script)
        assert gone(int(at.site.output(jobid)))

    stage(play)


def test_the_recorded_jobs(stage, vectors):
    """The executor's share of each recorded job that ran: the same entries, but for their order and the details of the machine."""
    recorded = vectors("job_lifecycles")["jobs"]
    skipped = {
        "cancel running",
        "kill 15",
        "timeout",
        "env",
        "urgency memo update",
    }  # need a driver, or name its version

    async def play(at):
        jobs = {}
        for jobid, (name, job) in enumerate(recorded.items(), 1):
            if name in skipped or not job.get("R"):
                continue
            jobs[name] = jobid
            launched(at.executor, Launch(jobid, 0, job["R"], job["jobspec"]))
        await at.site.ended(*jobs.values())
        for name, jobid in jobs.items():
            want = recorded[name]
            for key, log in (("exec_eventlog", EXEC_LOG), ("output", OUTPUT_LOG)):
                entries = want.get(key) or want.get(log) or []
                assert entries or key == "output", want.keys()
                found = at.site.log_of(jobid, log)
                assert _plain(found, jobid) == _plain([(e["name"], e.get("context", {})) for e in entries], None), name
            assert at.site.status(jobid) == want["result"]["waitstatus"], name

    stage(play, ranks=2)


def _plain(entries, jobid):
    """Entries without what differs from machine to machine, in an order of their own."""
    host = os.uname().nodename
    found = []
    for name, context in entries:
        context = {k: v for k, v in context.items() if k not in ("pid", "service", "file", "line")}
        if context.get("data") in ("vm\n", f"{host}\n"):
            context["data"] = "HOST\n"
        if name == "shell.task-exit":
            # Whichever is first.
            context = {}
        found.append(json.dumps([name, context], sort_keys=True))
    return sorted(found)


def test_reports_are_in_the_order_of_their_times(stage):
    async def play(at):
        jobid = await at.job("sh", "-c", "echo a; exit 2")
        times = [entry.time for entry in at.site.of(jobid, Entry)]
        assert times == sorted(times)

    stage(play)


def test_what_comes_before_a_jobs_turn_is_kept(stage):
    async def play(at):
        for jobid in range(1, 31):
            at.launch(jobid, "cat")
        for jobid in range(1, 31):
            at.executor.write(jobid, "all", f"{jobid}".encode(), eof=True)
        await at.site.ended(*range(1, 31))
        assert [at.site.output(jobid) for jobid in range(1, 31)] == [f"{jobid}".encode() for jobid in range(1, 31)]

    stage(play)


def test_a_control_group_holds_everything_that_a_job_starts(stage, control_group):
    path = control_group(
        lambda path: (path / "cgroup.kill").exists(), "no cgroup v2 with cgroup.kill that we may write to"
    )

    async def play(at):
        script = "env -i setsid sleep 1000 >/dev/null 2>&1 </dev/null & echo $!; grep 0:: /proc/self/cgroup"
        jobid = await at.job("sh", "-c", script)
        pid, group = at.site.output(jobid).decode().split()
        assert "/job-0-f" in group
        assert gone(int(pid))
        at.launch(1, "sh", "-c", "trap '' TERM; setsid sleep 1000 & echo ready; wait")
        await ready(at, 1)
        at.executor.stop(1, "cancel")
        await at.site.ended(1)

    stage(play, cgroup=str(path), kill_timeout=0.2)


def test_a_control_group_that_we_may_not_have_changes_nothing(stage):
    async def play(at):
        assert at.site.output(await at.job("echo", "fine")) == b"fine\n"

    stage(play, cgroup="/nonexistent/group")
