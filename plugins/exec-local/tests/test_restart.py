"""Deaths and returns: of the server, of the connection, of an agent. Nothing is told twice, nothing is forgotten."""

from __future__ import annotations

import asyncio
import os
import signal

from fluxplug_exec_local.executor import Local

from fluxplug.exec import EXEC_LOG, Ended, Entry, Host, Launch, Started
from fluxplug.testing.executors import StoringSite, resource_set, task_jobspec

STEPS = ["init", "starting", "shell.init", "shell.start", "shell.task-exit", "shell-exit", "complete", "done"]


def gate(path):
    """A command that ends when somebody opens the fifo at `path`; it echoes what comes through."""
    os.mkfifo(path)
    return ("sh", "-c", f"echo ready; cat {path}")


def test_jobs_run_on_while_there_is_no_server(stage, tmp_path):
    command = gate(tmp_path / "gate")

    async def play(at):
        running = at.launch(1, *command)
        ended = at.launch(2, "sh", "-c", "echo quick")
        await at.site.ended(2)
        await at.site.until(lambda: at.site.output(1) == b"ready\n")
        pid = at.agent_pid()
        await at.executor.close(leave=True)
        # The job ends while nobody is there to be told.
        (tmp_path / "gate").write_text("through\n")
        await at.open([running])
        assert at.agent_pid() == pid
        await at.site.ended(1)
        assert at.site.output(1) == b"ready\nthrough\n"
        assert at.site.exec_names(1) == STEPS
        assert len(at.site.of(1, Started)) == 1
        assert at.site.status(1) == 0
        assert len(at.site.of(ended.jobid, Ended)) == 1

    stage(play)


def test_what_was_told_but_not_stored_is_told_again(stage):
    async def play(at):
        at.site.commit = False
        running = [at.launch(jobid, "sh", "-c", "echo out; exit 5") for jobid in range(1, 21)]
        await at.site.until(lambda: len(at.waiting_ends()) == 20)
        # A part of it gets stored, then the server dies.
        part = len(at.site._waiting) // 2
        late, at.site._waiting = at.site._waiting[part:], at.site._waiting[:part]
        assert late
        at.site.commit_all()
        stored = {report.jobid for report in at.site.reports if isinstance(report, Ended)}
        await at.restart(*(job for job in running if job.jobid not in stored))
        await at.site.ended(*range(1, 21))
        for jobid in range(1, 21):
            assert at.site.exec_names(jobid) == STEPS
            assert at.site.output(jobid) == b"out\n"
            assert at.site.status(jobid) == 5 << 8

    stage(play)


def test_parts_of_a_job_of_two_hosts_are_put_together_by_the_next_server(stage, tmp_path):
    os.mkfifo(tmp_path / "gate0")
    os.mkfifo(tmp_path / "gate1")
    command = ("sh", "-c", f"echo ready; cat {tmp_path}/gate$FLUX_TASK_RANK; exit $FLUX_TASK_RANK")

    async def play(at):
        job = at.launch(1, *command, ranks="0-1", nslots=2)
        await at.site.until(lambda: at.site.output(1) == b"ready\nready\n")
        (tmp_path / "gate0").write_text("a\n")
        await at.site.until(lambda: "shell.task-exit" in at.site.exec_names(1))
        await at.restart(job)
        (tmp_path / "gate1").write_text("b\n")
        await at.site.ended(1)
        assert at.site.exec_names(1) == STEPS
        assert len(at.site.of(1, Started)) == 1
        assert at.site.status(1) == 1 << 8

    stage(play, ranks=2)


def test_a_launch_that_never_arrived_is_made_again(stage):
    async def play(at):
        spec = task_jobspec("sh", "-c", "echo here")
        job = Launch(1, os.getuid(), resource_set(), spec)
        stored = Launch(1, os.getuid(), resource_set(), spec, origin=at.executor.origin(job))
        await at.restart(stored)
        await at.site.ended(1)
        assert at.site.output(1) == b"here\n"

    stage(play)


def test_a_connection_that_breaks_is_made_again(stage, tmp_path):
    command = gate(tmp_path / "gate")

    async def play(at):
        at.launch(1, *command)
        await at.site.until(lambda: at.site.output(1) == b"ready\n")
        link = at.executor._links[0]
        pid = at.agent_pid()
        link._transport.abort()
        at.launch(2, "true")  # asked while nobody listens
        (tmp_path / "gate").write_text("on\n")
        await at.site.ended(1, 2)
        assert at.agent_pid() == pid
        assert at.site.output(1) == b"ready\non\n"
        assert at.site.exec_names(1) == STEPS
        assert at.site.raised(2) == []

    stage(play)


def test_what_was_asked_while_the_connection_was_away_is_asked_again(stage):
    async def play(at):
        for jobid in (1, 2):
            at.launch(jobid, "sh", "-c", "echo ready; exec sleep 1000", expiration=at.site.clock.now() + 1000)
        await at.site.until(lambda: at.site.output(1) == at.site.output(2) == b"ready\n")
        link = at.executor._links[0]
        link._transport.abort()
        await link.disconnected.wait()
        at.executor.stop(1, "cancel")
        at.executor.set_expiration(2, at.site.clock.now())
        await at.site.ended(1, 2)
        assert (at.site.status(1), at.site.status(2)) == (15, 142 << 8)

    stage(play)


def test_an_agent_that_dies_takes_its_jobs_along_and_another_comes(stage):
    async def play(at):
        at.launch(1, "sh", "-c", "echo ready $$; exec sleep 1000")
        at.launch(2, "sh", "-c", "echo ready; exec sleep 1000", ranks="0-1", nslots=2)
        at.launch(3, "sh", "-c", "echo ready; exec sleep 1000", ranks="1")
        await at.site.until(lambda: all(b"ready" in at.site.output(jobid) for jobid in (1, 2, 3)))
        task = int(at.site.output(1).split()[1])
        handle = os.pidfd_open(task)
        old = at.agent_pid(0)
        os.kill(old, signal.SIGKILL)
        await at.site.ended(1, 2)
        for jobid in (1, 2):
            assert at.site.raised(jobid) == [("exec", "lost contact with agent of rank 0")]
            (end,) = at.site.of(jobid, Ended)
            assert end.lost
        assert not at.site.of(3, Ended)
        await at.site.until(lambda: at.site.up == {0, 1})
        assert at.agent_pid(0) != old
        # The new agent has ended what the old one left.
        loop = asyncio.get_running_loop()
        gone = loop.create_future()
        loop.add_reader(handle, lambda: gone.done() or gone.set_result(None))
        await asyncio.wait_for(gone, 10)
        loop.remove_reader(handle)
        os.close(handle)
        at.launch(4, "true")
        await at.site.ended(4)
        assert at.site.status(4) == 0

    stage(play, ranks=2)


def test_an_agent_that_died_while_there_was_no_server(stage):
    async def play(at):
        job = at.launch(1, "sleep", "1000")
        await at.site.started(1)
        pid = at.agent_pid()
        await at.executor.close(leave=True)
        handle = os.pidfd_open(pid)
        os.kill(pid, signal.SIGKILL)
        os.close(handle)
        await at.open([job])
        await at.site.ended(1)
        assert at.site.raised(1) == [("exec", "lost contact with agent of rank 0")]
        assert at.site.of(1, Ended)[0].lost
        assert at.site.up == {0}

    stage(play)


def test_jobs_that_the_store_does_not_know_are_ended(stage):
    async def play(at):
        at.launch(1, "sleep", "1000")
        await at.site.started(1)
        await at.restart()
        # Nobody is told about it, and the agent has nothing to do: it can end at once.
        at.launch(2, "true")
        await at.site.ended(2)
        assert not at.site.of(1, Ended)

    stage(play)


def test_the_time_limit_holds_without_a_server(stage):
    async def play(at):
        job = at.launch(1, "sleep", "1000", expiration=at.site.clock.now() + 0.5)
        await at.site.started(1)
        await at.executor.close(leave=True)
        await at.open([job])
        await at.site.ended(1)
        assert at.site.raised(1) == [("timeout", "resource allocation expired")]
        (end,) = [e for e in at.site.of(1, Entry) if e.log == EXEC_LOG and e.name == "complete"]
        assert end.context == {"status": 142 << 8}

    stage(play)


def test_ranks_of_other_hosts_stay_down(tmp_path):
    async def main():
        site = StoringSite(tmp_path)
        executor = site.executor = Local(Local.Config(), site)
        await executor.open([Host(0, os.uname().nodename), Host(1, "elsewhere")], [])
        try:
            assert site.up == {0}
            assert ("info", "ranks 1 down: another host, and [executor.local] connect is not set") in site.lines
            job = Launch(1, os.getuid(), resource_set("1", host="elsewhere"), task_jobspec("true"))
            executor.origin(job)
            executor.launch(job)
            await site.ended(1)
            assert site.raised(1) == [("exec", "no agent on rank 1")]
        finally:
            await executor.close(leave=False)

    asyncio.run(main())


def test_closing_ends_jobs_and_agents(stage):
    async def play(at):
        at.launch(1, "sh", "-c", "trap '' TERM; echo ready; while :; do sleep 1; done")
        await at.site.until(lambda: at.site.output(1) == b"ready\n")
        pid = at.agent_pid()
        handle = os.pidfd_open(pid)
        await at.executor.close(leave=False)
        at.site.commit_all()
        assert at.site.of(1, Ended)
        loop = asyncio.get_running_loop()
        gone = loop.create_future()
        loop.add_reader(handle, lambda: gone.done() or gone.set_result(None))
        await asyncio.wait_for(gone, 10)
        loop.remove_reader(handle)
        os.close(handle)
        assert list((at.statedir / "tmp").iterdir()) == []

    stage(play, kill_timeout=0.3)
