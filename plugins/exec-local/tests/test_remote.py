"""Agents of other hosts, through a command that runs a relay there: what comes of it when either of them, or the way to it, fails."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import attrs
import pytest
from fluxplug_exec_local import executor, link, relay, remote, settings

from fluxplug.exec import OUTPUT_LOG, Ended, Host
from fluxplug.instance import unixsocket
from fluxplug.testing.executors import StoringSite, fake_ssh

from .conftest import Stage, process
from .test_hosts import CLIENT
from .test_restart import STEPS, gate


class Elsewhere(Stage):
    """Hosts n0, n1, ..., each with a folder of its own."""

    def __init__(self, base, ranks, **config):
        super().__init__(base / "state", 0)
        self.base = base
        self.hosts = [Host(rank, f"n{rank}") for rank in range(ranks)]
        connect = (str(fake_ssh(base, [host.name for host in self.hosts])), "{host}")
        self.config = attrs.evolve(
            self.config, pretend_hosts=False, connect=connect, agent_dir=f"{base}/{{host}}/agents", **config
        )

    def reachable(self, rank, yes):
        path = self.base / f"n{rank}" / "down"
        if yes:
            path.unlink()
        else:
            path.touch()

    def folder(self, rank):
        return self.base / f"n{rank}" / "agents" / f"{self.site.identity}-{rank}"

    def agent_pid(self, rank=0):
        return process("fluxplug_exec_local.agent", str(self.folder(rank)), str(rank))

    def relay_pid(self, rank=0):
        return process("fluxplug_exec_local.relay", self.site.identity, str(rank))

    async def all_up(self):
        await self.site.until(lambda: self.site.up == {host.rank for host in self.hosts})

    def reasons(self, rank=0):
        """Why a rank was down, in order."""
        before = f"ranks {rank} down: "
        return [line.removeprefix(before) for _, line in self.site.lines if line.startswith(before)]


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """`elsewhere(scenario, ranks=1, **config)` runs `await scenario(stage)`; no process is left."""
    monkeypatch.setattr(executor, "FIRST_RETRY", 0.02)
    monkeypatch.setattr(executor, "LAST_RETRY", 0.1)

    def play(scenario, ranks=1, **config):
        async def main():
            made = Elsewhere(tmp_path, ranks, **config)
            made.statedir.mkdir()
            await made.open()
            try:
                return await scenario(made)
            finally:
                for rank in range(ranks):
                    (made.base / f"n{rank}" / "down").unlink(missing_ok=True)
                await made.all_up()
                await made.executor.close(leave=False)

        return asyncio.run(main())

    return play


async def over(handle):
    """Wait until the process of a pidfd has ended."""
    loop = asyncio.get_running_loop()
    gone = loop.create_future()
    loop.add_reader(handle, lambda: gone.done() or gone.set_result(None))
    await asyncio.wait_for(gone, 20)
    loop.remove_reader(handle)
    os.close(handle)


def test_jobs_run_on_the_hosts_that_they_are_given(elsewhere):
    async def play(at):
        await at.all_up()
        script = "echo $FLUX_JOB_TMPDIR $FLUX_TASK_RANK $FLUXPLUG_URI"
        environment = {"PATH": os.environ["PATH"], "FLUXPLUG_URI": "local:///of/the/submitter"}
        jobid = await at.job("sh", "-c", script, ranks="0-1", nslots=2, environment=environment)
        lines = sorted(line.split() for line in at.site.output(jobid).decode().splitlines())
        uris = [f"local://{at.folder(rank)}/local-0" for rank in (0, 1)]
        assert [line[1:] for line in lines] == [["0", uris[0]], ["1", uris[1]]]
        for rank, line in enumerate(lines):
            assert Path(line[0]).parent.parent == at.folder(rank)
        jobid = await at.job(sys.executable, "-c", CLIENT, ranks="0-1", cores="0-1", nslots=4)
        assert at.site.status(jobid) == 0
        assert set(at.site.output(jobid).splitlines()) == {b"(vector,(0,2,2))"}
        assert at.site.exec_names(jobid) == STEPS

    elsewhere(play, ranks=2)


def test_a_command_that_has_no_shell_between_does_as_well(elsewhere):
    async def play(at):
        await at.all_up()
        site = StoringSite(at.base / "other")
        site.statedir.mkdir()
        other = site.executor = executor.Local(attrs.evolve(at.config, connect=("env", "WHERE={host}")), site)
        await other.open(at.hosts, [])
        await site.until(lambda: site.up == {0})
        await other.close(leave=False)

    elsewhere(play)


def test_times_are_the_instances(elsewhere):
    async def play(at):
        await at.all_up()
        before = at.site.clock.now()
        jobid = await at.job("true")
        (end,) = at.site.of(jobid, Ended)
        assert before - 1 < end.time < at.site.clock.now() + 1
        at.launch(1, "sleep", "1000", expiration=at.site.clock.now() + 0.3)
        await at.site.ended(1)
        assert at.site.status(1) == 142 << 8

    elsewhere(play)


def test_a_lost_relay_ends_nothing(elsewhere, tmp_path):
    async def play(at):
        await at.all_up()
        at.launch(1, *gate(tmp_path / "gate"))
        await at.site.until(lambda: at.site.output(1) == b"ready\n")
        pid = at.agent_pid()
        os.kill(at.relay_pid(), signal.SIGKILL)
        await at.site.until(lambda: not at.site.up)
        at.launch(2, "sh", "-c", "cat; exit 3")  # asked while nobody listens
        at.executor.write(2, "all", b"kept", eof=True)
        await at.all_up()
        (tmp_path / "gate").write_text("on\n" * 1000)
        await at.site.ended(1, 2)
        assert at.agent_pid() == pid
        assert at.site.output(1) == b"ready\n" + b"on\n" * 1000
        assert at.site.exec_names(1) == at.site.exec_names(2) == STEPS
        assert (at.site.output(2), at.site.status(2)) == (b"kept", 3 << 8)

    elsewhere(play)


def test_input_comes_whole_and_once_over_lost_relays_and_a_restart(elsewhere):
    pieces = [b"%07d\n" % number * 4096 for number in range(40)]  # 32 KiB each

    async def play(at):
        await at.all_up()
        job = at.launch(1, "cat")
        await at.site.started(1)
        for number, piece in enumerate(pieces):
            at.executor.write(1, "all", piece, eof=False)
            if number in (10, 20):
                if number == 20:
                    await asyncio.sleep(0)  # it is on its way, or has come
                os.kill(at.relay_pid(), signal.SIGKILL)
                await at.site.until(lambda: not at.site.up)
            elif number == 15:
                await at.all_up()
        await at.all_up()
        await at.site.until(lambda: at.executor._links[0].kept_bytes == 0)
        at.reachable(0, False)
        await at.restart(job)
        at.executor.write(1, "all", b"late\n", eof=True)  # the agent is not there yet
        at.executor.resize(1, "all", 10, 20)
        at.reachable(0, True)
        await at.site.ended(1)
        assert at.site.output(1) == b"".join(pieces) + b"late\n"

    elsewhere(play)


def test_a_host_out_of_reach_takes_only_so_much_input(elsewhere):
    async def play(at):
        await at.all_up()
        at.launch(1, "wc", "-c")
        await at.site.started(1)
        at.reachable(0, False)
        os.kill(at.relay_pid(), signal.SIGKILL)
        await at.site.until(lambda: not at.site.up)
        assert at.executor.takes_input(1)
        at.executor.write(1, "all", bytes(executor.MAX_KEPT), eof=False)
        assert not at.executor.takes_input(1)
        at.reachable(0, True)
        await at.site.until(lambda: at.executor.takes_input(1))
        at.executor.write(1, "all", b"", eof=True)
        await at.site.ended(1)
        assert int(at.site.output(1)) == executor.MAX_KEPT
        assert at.executor.takes_input(1)

    elsewhere(play)


def test_the_next_server_finds_the_agents_and_what_they_kept(elsewhere, tmp_path):
    async def play(at):
        await at.all_up()
        os.mkfifo(tmp_path / "gate0")
        os.mkfifo(tmp_path / "gate1")
        script = f"echo ready; cat {tmp_path}/gate$FLUX_TASK_RANK; exit $FLUX_TASK_RANK"
        both = at.launch(1, "sh", "-c", script, ranks="0-1", nslots=2)
        await at.site.until(lambda: at.site.output(1) == b"ready\nready\n")
        pids = [at.agent_pid(0), at.agent_pid(1)]
        (tmp_path / "gate0").write_text("a\n")
        await at.site.until(lambda: "shell.task-exit" in at.site.exec_names(1))
        await at.executor.close(leave=True)
        (tmp_path / "gate1").write_text("b\n")
        await at.open([both])
        await at.site.ended(1)
        await at.all_up()
        assert [at.agent_pid(0), at.agent_pid(1)] == pids
        assert at.site.exec_names(1) == STEPS
        assert at.site.status(1) == 1 << 8
        assert at.site.raised(1) == []

    elsewhere(play, ranks=2)


def test_an_agent_that_dies_takes_its_jobs_along_and_another_comes(elsewhere):
    async def play(at):
        await at.all_up()
        at.launch(1, "sh", "-c", "echo ready; exec sleep 1000")
        at.launch(2, "sh", "-c", "echo ready; exec sleep 1000", ranks="0-1", nslots=2)
        await at.site.until(lambda: at.site.output(1) + at.site.output(2) == b"ready\n" * 3)
        old = at.agent_pid()
        os.kill(old, signal.SIGKILL)
        await at.site.ended(1, 2)
        for jobid in (1, 2):
            assert at.site.raised(jobid) == [("exec", "lost contact with agent of rank 0")]
            assert at.site.of(jobid, Ended)[0].lost
        await at.all_up()
        assert "the agent has died" in at.reasons()
        assert at.agent_pid() != old
        assert at.site.status(await at.job("true")) == 0

    elsewhere(play, ranks=2)


def test_a_host_that_begins_late_changes_no_order(elsewhere):
    async def play(at):
        await at.all_up()
        at.reachable(0, False)
        os.kill(at.relay_pid(), signal.SIGKILL)
        await at.site.until(lambda: at.site.up == {1})
        at.launch(1, "sh", "-c", "echo $FLUX_TASK_RANK", ranks="0-1", nslots=2)
        await at.site.until(lambda: "shell.task-exit" in at.site.exec_names(1))
        at.reachable(0, True)
        await at.site.ended(1)
        assert at.site.exec_names(1) == STEPS
        names = [name for name, _ in at.site.log_of(1, OUTPUT_LOG)]
        assert names == ["header"] + ["data"] * 6
        assert sorted(at.site.output(1).split()) == [b"0", b"1"]

    elsewhere(play, ranks=2)


@pytest.mark.parametrize("timeout", [0.0, 0.5])
def test_a_host_that_does_not_come_back_loses_its_jobs_and_ends_them_when_it_does(elsewhere, timeout):
    async def play(at):
        await at.all_up()
        at.launch(1, "sh", "-c", "echo $$; exec sleep 1000")
        at.launch(2, "sh", "-c", "trap '' TERM; echo $$; while :; do sleep 1; done", ranks="0-1", nslots=2)
        await at.site.until(lambda: len((at.site.output(1) + at.site.output(2)).split()) == 3)
        tasks = [os.pidfd_open(int(at.site.output(1))), os.pidfd_open(int(at.site.output(2, rank=0)))]
        pid = at.agent_pid()
        at.reachable(0, False)
        os.kill(at.relay_pid(), signal.SIGKILL)
        await at.site.ended(1)
        assert at.site.raised(1) == [("exec", "lost contact with agent of rank 0")]
        assert "ssh: connect to host n0 port 22: No route to host" in at.reasons()
        at.launch(3, "true")
        await at.site.ended(3)
        assert at.site.raised(3) == [("exec", "no agent on rank 0")]
        at.reachable(0, True)
        await at.all_up()
        assert at.agent_pid() == pid
        for task in tasks:
            await over(task)
        await at.site.ended(2)
        assert len(at.site.of(1, Ended)) == len(at.site.of(2, Ended)) == 1
        assert at.site.status(await at.job("true")) == 0

    elsewhere(play, ranks=2, contact_timeout=timeout, kill_timeout=0.2)


def test_a_host_that_is_silent_is_given_up(elsewhere, monkeypatch):
    monkeypatch.setattr(settings, "MIN_INTERVAL", 0.05)

    async def play(at):
        await at.all_up()
        at.launch(1, "sh", "-c", "echo ready; exec sleep 1000")
        await at.site.until(lambda: at.site.output(1) == b"ready\n")
        pid = at.agent_pid()
        os.kill(pid, signal.SIGSTOP)
        try:
            with monkeypatch.context() as impatient:
                impatient.setattr(link, "HELLO_TIMEOUT", 0.3)
                await at.site.ended(1)
        finally:
            os.kill(pid, signal.SIGCONT)
        assert at.site.raised(1) == [("exec", "lost contact with agent of rank 0")]
        assert any("no sign of life" in reason for reason in at.reasons())
        await at.all_up()

    elsewhere(play, contact_timeout=1.0)


def test_jobs_that_may_not_outlive_the_server_end_without_it(elsewhere, monkeypatch):
    monkeypatch.setattr(settings, "MIN_LEASE", 1.5)
    monkeypatch.setattr(settings, "MIN_INTERVAL", 0.05)

    async def play(at):
        await at.all_up()
        job = at.launch(1, "sh", "-c", "echo $$; exec sleep 1000")
        await at.site.until(lambda: at.site.output(1) != b"")
        task, agent = os.pidfd_open(int(at.site.output(1))), os.pidfd_open(at.agent_pid())
        await at.executor.close(leave=True)
        await over(task)
        await over(agent)
        assert list((at.base / "n0" / "agents").iterdir()) == []
        await at.open([job])
        await at.site.ended(1)
        assert at.site.raised(1) == [("exec", "lost contact with agent of rank 0")]

    elsewhere(play, contact_timeout=0.5, kill_timeout=0.1, outlive_server=False)


def test_a_server_that_cannot_reach_a_host_waits_for_it_before_the_others_go_on(elsewhere):
    async def play(at):
        await at.all_up()
        both = at.launch(1, "sh", "-c", "echo ready; exec sleep 1000", ranks="0-1", nslots=2)
        single = at.launch(2, "sh", "-c", "exec sleep 1000", ranks="2")
        await at.site.until(lambda: at.site.output(1) == b"ready\nready\n")
        await at.site.started(2)
        at.reachable(1, False)
        await at.restart(both, single)
        await at.site.until(lambda: at.site.up == {2})
        await at.site.until(lambda: any("No route" in reason for reason in at.reasons(1)))
        assert at.site.raised(1) == []
        at.reachable(1, True)
        await at.all_up()
        at.executor.stop(1, "cancel")
        at.executor.stop(2, "cancel")
        await at.site.ended(1, 2)
        assert (at.site.status(1), at.site.status(2)) == (15, 15)
        assert at.site.exec_names(1) == STEPS

    elsewhere(play, ranks=3, contact_timeout=20.0)


def test_a_host_that_is_gone_after_a_restart_loses_its_jobs(elsewhere):
    async def play(at):
        await at.all_up()
        both = at.launch(1, "sh", "-c", "echo ready; exec sleep 1000", ranks="0-1", nslots=2)
        await at.site.until(lambda: at.site.output(1) == b"ready\nready\n")
        at.reachable(1, False)
        await at.restart(both)
        await at.site.ended(1)
        await at.site.until(lambda: at.site.up == {0})
        assert at.site.raised(1) == [("exec", "lost contact with agent of rank 1")]
        assert at.site.of(1, Ended)[0].lost

    elsewhere(play, ranks=2, contact_timeout=0.0)


@pytest.mark.parametrize(
    "answer",
    [b"yes\n" * 10, b"\x01\0\0\0\x05", b"\x07\0\0\0\x91\xa5hello", b"\x06\0\0\0\x91\x91\xa3abc"],
    ids=["text", "number", "short", "other"],
)
def test_an_answer_that_is_not_an_agents_is_named(tmp_path, monkeypatch, answer):
    monkeypatch.setattr(remote, "END_TIMEOUT", 0.01)
    command = tmp_path / "command"
    command.write_text(f"""#!{sys.executable}
import sys, time
sys.stdout.buffer.write({relay.MARK + answer!r})
sys.stdout.flush()
time.sleep(60)
""")
    command.chmod(0o700)
    (tmp_path / "agents").mkdir()

    async def play():
        heard = []
        one = remote.RemoteLink(
            Host(0, "n0"), tmp_path, connect=[str(command), "{host}"], python="", instance="i", folder="", uri="",
            heard=lambda *what: heard.append(what), lost=heard.append,
        )  # fmt: skip
        assert await asyncio.wait_for(one.reach(), 20) is None
        assert one.reason.startswith("the answer is not an agent's")
        assert heard == []
        one.close()

    asyncio.run(play())


def test_the_reason_is_what_the_command_says_last(elsewhere):
    async def play(at):
        await at.all_up()
        for words, reason in (
            (("sh", "-c", "echo hello; echo 'Permission denied (publickey).' >&2; exit 255", "{host}"), "Permission denied (publickey)."),
            (("sh", "-c", "echo This account is currently not available.", "{host}"), "This account is currently not available."),
            (("false", "{host}"), "false ended with status 1"),
            (("/no/such/ssh", "{host}"), "/no/such/ssh: No such file or directory"),
            ((str(at.base / "ssh"), "{host}", "exec /no/such/python;"), "/no/such/python: not found"),
        ):  # fmt: skip
            config = attrs.evolve(at.config, connect=words)
            site = StoringSite(at.base / "other")
            site.statedir.mkdir(exist_ok=True)
            other = executor.Local(config, site)
            await other.open(at.hosts, [])
            await site.until(lambda site=site, reason=reason: any(line.endswith(reason) for _, line in site.lines))
            await other.close(leave=True)
        assert b"Permission denied" in (at.base / "other" / "agents" / "0.log").read_bytes()

    elsewhere(play)


def test_a_folder_that_others_can_enter_is_refused(elsewhere):
    async def play(at):
        await at.all_up()
        (at.base / "n0" / "open").mkdir()
        (at.base / "n0" / "open").chmod(0o755)
        (at.base / "n0" / "linked").symlink_to("agents")
        for name, problem in (("open", "others have access"), ("linked", "is no folder, or a link")):
            site = StoringSite(at.statedir)
            other = executor.Local(attrs.evolve(at.config, agent_dir=f"{at.base}/{{host}}/{name}"), site)
            await other.open(at.hosts, [])
            await site.until(lambda site=site, problem=problem: any(problem in line for _, line in site.lines))
            assert site.up == set()
            await other.close(leave=True)

    elsewhere(play)


def test_a_folder_of_another_user_is_refused(tmp_path, monkeypatch):
    os.close(relay.own_folder(str(tmp_path / "ours")))
    assert (tmp_path / "ours").stat().st_mode & 0o777 == 0o700
    monkeypatch.setattr(os, "getuid", lambda: 4711)
    with pytest.raises(relay.FolderError, match="belongs to another user"):
        relay.own_folder(str(tmp_path / "ours"))


def test_closing_ends_agents_and_leaves_nothing_behind(elsewhere):
    async def play(at):
        await at.all_up()
        at.launch(1, "sh", "-c", "echo ready; touch $FLUX_JOB_TMPDIR/file; exec sleep 1000", ranks="0-1", nslots=2)
        await at.site.until(lambda: at.site.output(1) == b"ready\nready\n")
        handles = [os.pidfd_open(pid) for rank in (0, 1) for pid in (at.agent_pid(rank), at.relay_pid(rank))]
        await at.executor.close(leave=False)
        for handle in handles:
            await over(handle)
        assert [list((at.base / name / "agents").iterdir()) for name in ("n0", "n1")] == [[], []]
        at.site.commit_all()
        assert at.site.of(1, Ended)
        await at.open()

    elsewhere(play, ranks=2)


def test_an_agent_that_nobody_asks_for_ends_and_leaves_nothing_behind(tmp_path):
    folder = tmp_path / "agents" / "abc-0"
    for path in (folder.parent, folder, folder / "agents", folder / "tmp"):
        os.close(relay.own_folder(str(path)))
    code = (
        "from fluxplug_exec_local import agent; agent.IDLE_LIMIT = agent.WATCH_INTERVAL = 0.05; agent.main()"
    )  # fmt: skip
    with unixsocket.listen(f"{folder}/agents/0.sock") as listener:
        fd = listener.fileno()
        process = subprocess.Popen([sys.executable, "-c", code, str(folder), "0", str(fd), "remote"], pass_fds=[fd])
    try:
        assert process.wait(20) == 0
        assert list(folder.parent.iterdir()) == []
    finally:
        process.kill()
        process.wait()
