"""Jobs of several ranks, PMI, and how tasks are laid out."""

from __future__ import annotations

import errno
import os
import signal
import sys

import pytest
from fluxplug_exec_local import executor
from fluxplug_exec_local.layout import lay_out

from fluxplug.errors import ExecutorError
from fluxplug.exec import EXEC_LOG, Started
from fluxplug.testing.executors import task_jobspec

#: A PMI-1 client in a few lines: each task puts a key, all meet, each reads all keys; twice.
CLIENT = """
import os, socket
pmi = socket.socket(fileno=int(os.environ["PMI_FD"]))
lines = pmi.makefile("r")
def ask(text):
    pmi.sendall((text + "\\n").encode())
    return dict(w.partition("=")[::2] for w in lines.readline().split())
rank, size = int(os.environ["PMI_RANK"]), int(os.environ["PMI_SIZE"])
assert ask("cmd=init pmi_version=1 pmi_subversion=1")["rc"] == "0"
assert ask("cmd=get_maxes")["vallen_max"] == "1024"
assert ask("cmd=get_appnum")["appnum"] == "0"
name = ask("cmd=get_my_kvsname")["kvsname"]
for turn in range(2):
    assert ask(f"cmd=put kvsname={name} key=k{turn}-{rank} value=v{turn * rank}")["rc"] == "0"
    assert ask("cmd=barrier_in")["cmd"] == "barrier_out"
    for other in range(size):
        assert ask(f"cmd=get kvsname={name} key=k{turn}-{other}")["value"] == f"v{turn * other}"
assert ask(f"cmd=get kvsname={name} key=none")["rc"] == "-1"
print(ask(f"cmd=get kvsname={name} key=PMI_process_mapping")["value"])
assert ask("cmd=finalize")["cmd"] == "finalize_ack"
"""


def test_a_job_of_two_ranks_is_one_job(stage):
    async def play(at):
        jobid = await at.job(
            "sh", "-c", "echo $FLUX_JOB_NNODES $FLUX_TASK_RANK $FLUX_TASK_LOCAL_ID", ranks="0-1", cores="0-1", nslots=4
        )
        assert sorted(at.site.output(jobid).splitlines()) == [b"2 0 0", b"2 1 1", b"2 2 0", b"2 3 1"]
        assert len(at.site.of(jobid, Started)) == 1
        log = dict(at.site.log_of(jobid, EXEC_LOG))
        assert log["shell.start"] == {"taskmap": {"version": 1, "map": [[0, 2, 2, 1]]}}
        assert log["shell.init"]["size"] == 2
        assert at.site.exec_names(jobid).count("shell.task-exit") == 1

    stage(play, ranks=2)


def test_the_processes_of_a_job(stage, monkeypatch):
    monkeypatch.setattr(executor, "ANSWER_TIMEOUT", 0.5)

    async def play(at):
        assert await refusal(at, 5) == errno.EAGAIN, "there is no such job"
        script = "echo $$; test $FLUX_TASK_RANK -lt 2 || exec sleep 1000; exec 1>&- 2>&-; read line"
        job = at.launch(7, "sh", "-c", script, ranks="0-1", cores="0-1", nslots=4)
        await at.site.until(lambda: at.site.output(7).count(b"\n") == 4)
        pids = [int(at.site.output(7, rank=rank)) for rank in range(4)]
        wanted = [(rank, "vm", pid) for rank, pid in enumerate(pids)]
        assert await at.executor.processes(7) == wanted
        at.executor.write(7, "0-1", b"", eof=True)
        await at.site.until(lambda: "shell.task-exit" in at.site.exec_names(7))
        assert await at.executor.processes(7) == wanted, "those of the host that is left, too"
        await at.restart(job)
        await at.site.until(lambda: at.site.up == {0, 1})
        assert await at.executor.processes(7) == wanted
        os.kill(at.agent_pid(1), signal.SIGSTOP)
        try:
            assert await refusal(at, 7) == errno.ETIMEDOUT
        finally:
            os.kill(at.agent_pid(1), signal.SIGCONT)
        at.executor.stop(7, "cancel")
        await at.site.ended(7)

    stage(play, ranks=2)


async def refusal(at, jobid):
    with pytest.raises(ExecutorError) as caught:
        await at.executor.processes(jobid)
    return caught.value.errno


def test_one_rank_fails_and_the_other_is_ended(stage):
    async def play(at):
        jobid = await at.job(
            "sh",
            "-c",
            "test $FLUX_TASK_RANK = 0 || exec sleep 1000",
            ranks="0-1",
            nslots=2,
            options={"exit-timeout": 0.1},
        )
        assert "exit-timeout" in at.site.raised(jobid)[0][1]
        assert at.site.status(jobid) == 15

    stage(play, ranks=2)


@pytest.mark.parametrize(("ranks", "nslots"), [("0", 3), ("0-1", 4)])
def test_pmi(stage, ranks, nslots):
    async def play(at):
        jobid = await at.job(sys.executable, "-c", CLIENT, ranks=ranks, cores="0-3", nslots=nslots)
        assert at.site.output(jobid, "stderr") == b""
        assert at.site.status(jobid) == 0
        want = b"(vector,(0,2,2))" if ranks == "0-1" else b"(vector,(0,1,3))"
        assert set(at.site.output(jobid).splitlines()) == {want}

    stage(play, ranks=2)


def test_pmi_goes_on_with_a_new_server(stage):
    # Task 1 comes to the barrier late, when there is a new server.
    late = CLIENT.replace("for turn in", "if rank: print('ready', flush=True); input()\nfor turn in")

    async def play(at):
        job = at.launch(1, sys.executable, "-c", late, ranks="0-1", nslots=2)
        await at.site.until(lambda: at.site.output(1) == b"ready\n")
        await at.restart(job)
        at.executor.write(1, "1", b"go\n", eof=True)
        await at.site.ended(1)
        assert at.site.output(1, "stderr") == b""
        assert at.site.status(1) == 0

    stage(play, ranks=2)


def test_a_program_that_aborts(stage):
    code = "import os, socket, time; s = socket.socket(fileno=int(os.environ['PMI_FD'])); s.sendall(b'cmd=abort exitcode=3\\n'); time.sleep(100)"

    async def play(at):
        jobid = await at.job(sys.executable, "-c", code)
        assert at.site.raised(jobid) == [("exec", "task 0 called PMI_Abort: 3")]

    stage(play)


def nodes(*cores):
    return [[i, f"n{i}", text, ""] for i, text in enumerate(cores)]


def test_layouts():
    two = nodes("0-1", "0-3")
    spec = task_jobspec("true")
    assert lay_out(two, 0, 6, spec, {}) == (6, [0, 1], [[0, 1, 2, 1], [1, 1, 4, 1]])
    assert lay_out(two, 1, 6, spec, {}).mine == [2, 3, 4, 5]
    assert lay_out(two, 1, 6, spec, {"per-resource": {"type": "node", "count": 2}}) == (4, [2, 3], [[0, 2, 2, 1]])
    assert lay_out(two, 0, 6, spec, {"per-resource": {"type": "core"}}).size == 6
    assert lay_out(two, 0, 6, spec, {"taskmap": {"scheme": "cyclic"}}).mine == [0, 2]
    assert lay_out(two, 1, 6, spec, {"taskmap": {"scheme": "manual", "value": "0-3;4-5"}}).mine == [4, 5]
    assert lay_out(two, 0, 6, task_jobspec("true", count={"total": 3}), {}).size == 3
    assert lay_out(nodes("0-3"), 0, 2, task_jobspec("true", count={"per_slot": 2}), {}).mine == [0, 1, 2, 3]
    for options in (
        {"taskmap": {"scheme": "manual", "value": "0-7"}},
        {"taskmap": {"scheme": "no"}},
        {"per-resource": {"type": "gpu"}},
    ):
        with pytest.raises(ValueError, match=r"taskmap|per-resource"):
            lay_out(two, 0, 6, spec, options)


def test_the_hostfile_scheme(tmp_path):
    path = tmp_path / "hosts"
    path.write_text("n1\nn0\nn[1]\n")
    options = {"taskmap": {"scheme": "hostfile", "value": str(path)}}
    assert lay_out(nodes("0-1", "0-3"), 0, 6, task_jobspec("true"), options).mine == [1, 4]
    path.write_text("elsewhere\n")
    with pytest.raises(ValueError, match="elsewhere"):
        lay_out(nodes("0-1", "0-3"), 0, 6, task_jobspec("true"), options)
