"""Shell options: which have an effect, and what is said of the others."""

from __future__ import annotations

import os
import signal
import sys

import pytest
from fluxplug_exec_local import options as shell_options
from fluxplug_exec_local.agent import Agent

from fluxplug.exec import OUTPUT_LOG
from fluxplug.instance import unixsocket


def logged(site, jobid):
    return [(c["level"], c["message"]) for name, c in site.log_of(jobid, OUTPUT_LOG) if name == "log"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"stage-in": 1}, ["shell option stage-in has no effect: attach files with --add-file"]),
        ({"hwloc": {"xmlfile": 1}}, ["shell option hwloc has no effect: tasks find the machine as it is"]),
        ({"input": {"limit": "1M"}}, ["shell option input.limit has no effect: input is passed on and logged whole"]),
        (
            {"output": {"client": {"lwm": 1}, "x": 1}},
            ["shell option output.client has no effect: ", "unknown shell option output.x"],
        ),
        ({"outptu": {"limit": 1}}, ["unknown shell option outptu"]),
        ({"mpi": "openmpi", "pmi": "simple,pmix"}, ["shell option pmi=pmix ", "shell option mpi=openmpi "]),
        ({"pty": {"ranks": "0", "capture": 0}}, ["shell option pty.capture=0 "]),
        (
            {"pty": {"winsize": {"rows": 3, "cols": 4}}},
            ["shell option pty.winsize has no effect: no task has a terminal"],
        ),
        ({"pty": {"ranks": "0", "winsize": {"rows": 3, "cols": 4}}}, []),
        ({"output": {"stdout": {"type": "term"}}}, ["shell option output.stdout.type=term "]),
        ({"stage-in": 0, "sysmon": False, "coprocess": None}, []),
        ({"mpi": "none", "pmi": "off", "pty": {"interactive": 1}, "rlimit": {"core": 0}, "signal": {"signum": 1}}, []),
        (
            {"output": {"batch-timeout": 0.05, "stdout": {"buffer": {"type": "none"}}}, "input": {"batch-timeout": 0}},
            [],
        ),
    ],
)
def test_what_has_no_effect(options, said):
    found = list(shell_options.idle(options))
    assert len(found) == len(said)
    assert all(one.startswith(want) for one, want in zip(found, said, strict=True))


def test_it_is_said_once_a_job(stage):
    async def play(at):
        jobid = await at.job("true", ranks="0-1", nslots=2, options={"coprocess": "x", "y": 1})
        assert at.site.status(jobid) == 0
        assert logged(at.site, jobid) == [
            (4, "shell option coprocess has no effect: there are no coprocesses"),
            (4, "unknown shell option y"),
        ]

    stage(play, ranks=2)


NONSENSE = [
    {"output": 1},
    {"output": {"stdout": "x"}},
    {"input": {"stdin": 3}},
    {"oom": 5},
    {"oom": {"adjust": 1001}},
    {"output": {"stdout": {"type": "tape"}}},
    {"output": {"stdout": {"type": "file"}}},
    {"output": {"stderr": {"buffer": 3}}},
    {"output": {"limit": -1}},
    {"output": {"limit": 1.5e400}},
    {"output": {"limit": "x"}},
    {"input": {"stdin": {"type": "file"}}},
    {"env-expand": 3},
    {"exit-timeout": "x"},
    {"exit-timeout": [1]},
    {"signal": 3},
    {"signal": {"signum": 900}},
    {"signal": {"signum": "x"}},
    {"signal": {"timeleft": "x"}},
    {"rlimit": "x"},
    {"rlimit": {"core": "x"}},
    {"pty": {"ranks": "x"}},
    {"pty": {"interactive": 1, "winsize": 3}},
    {"per-resource": 3},
    {"taskmap": "x"},
    {"taskmap": {"scheme": "x"}},
    {"taskmap": {"scheme": "cyclic", "value": "x"}},
    {"taskmap": {"scheme": "cyclic", "value": 0}},
    {"taskmap": {"scheme": "manual", "value": "x"}},
    {"taskmap": {"scheme": "manual", "value": "[[0,1,2,1]]"}},
    {"oom": {"adjust": "x"}},
]


def test_values_that_make_no_sense_fail_the_job(stage):
    async def play(at):
        for options in NONSENSE:
            jobid = await at.job("true", options=options)
            ((kind, note),) = at.site.raised(jobid)
            assert kind == "exec"
            assert note.startswith("host vm: ")
            assert all(key in note for key in options), note
            assert at.site.status(jobid) == 1 << 8

    stage(play)


def test_the_limit_of_output_is_told_once_a_job(stage):
    async def play(at):
        script = "echo 123456; echo 789"
        jobid = await at.job("sh", "-c", script, ranks="0-1", nslots=2, options={"output": {"limit": 10}})
        assert len(at.site.output(jobid)) == 10
        assert logged(at.site, jobid) == [(4, "stdout: output limit of 10 bytes reached, the rest is dropped")]
        jobid = await at.job("echo", "1234", ranks="0-1", nslots=2, options={"output": {"limit": 10}})
        assert logged(at.site, jobid) == []

    stage(play, ranks=2)


def test_a_task_that_does_not_start_leaves_no_file_open(stage, tmp_path):
    async def play(at):
        def files():
            folder = f"/proc/{at.agent_pid()}/fd"
            return sorted(os.readlink(f"{folder}/{fd}") for fd in os.listdir(folder))  # noqa: PTH115, PTH208

        before = files()
        for extra in ({"pty": 1}, {}):
            output = {"stdout": {"type": "file", "path": str(tmp_path / "out"), "label": True}}
            await at.job("/nonexistent", options={"output": output} | extra)
        assert files() == before

    stage(play)


def test_what_goes_wrong_at_a_time_of_one_job_does_not_end_the_agent(tmp_path):
    (tmp_path / "tmp").mkdir()
    listener = unixsocket.listen(str(tmp_path / "agent.sock"))
    agent = Agent(str(tmp_path), 0, listener)
    done = []
    agent.at(agent.now(), int, "x")
    agent.at(agent.now(), done.append, 1)
    agent._run_timers()
    agent.channel.close()
    agent._epoll.close()
    assert done == [1]


def test_oom_adjust(stage):
    async def play(at):
        show = ("sh", "-c", "cat /proc/self/oom_score_adj")
        usual = int(at.site.output(await at.job(*show)))
        jobid = await at.job(*show, options={"oom": {"adjust": usual + 7}})
        assert int(at.site.output(jobid)) == usual + 7
        assert int(at.site.output(await at.job(*show))) == usual

    stage(play)


def test_verbose(stage):
    async def play(at):
        jobid = await at.job("echo", "a", options={"verbose": 1})
        ((level, text),) = logged(at.site, jobid)
        assert level == 6
        assert text.startswith("task 0: pid ")
        assert text.endswith(": echo a")
        assert logged(at.site, await at.job("true", options={"cpu-affinity": "dry-run,verbose,on"}))

    stage(play)


def test_without_process_groups_of_their_own(stage):
    show = "import os; print(os.getpid(), os.getpgrp(), os.getsid(0))"

    async def play(at):
        jobid = await at.job(sys.executable, "-c", show, nslots=3, cores="0-2", options={"nosetpgrp": 1})
        rows = [tuple(map(int, line.split())) for line in at.site.output(jobid).splitlines()]
        pids, groups, sessions = (set(column) for column in zip(*rows, strict=True))
        assert len(pids) == 3
        assert len(groups) == 1 <= len(groups & pids)
        assert sessions == {os.getsid(at.agent_pid())}
        # Each task gets a signal once, and the end of the first is not that of the others.
        script = "trap 'echo usr' USR1; echo up; [ $FLUX_TASK_RANK = 0 ] && exit; read x; read y; echo over"
        at.launch(1, "bash", "-c", script, nslots=3, cores="0-2", options={"nosetpgrp": 1})
        await at.site.until(lambda: at.site.output(1).count(b"up") == 3)
        await at.site.until(lambda: any(c.get("eof") for name, c in at.site.log_of(1, OUTPUT_LOG)))
        at.executor.signal(1, signal.SIGUSR1)
        await at.site.until(lambda: at.site.output(1).count(b"usr") == 2)
        at.executor.write(1, "all", b"\n\n", eof=True)
        await at.site.ended(1)
        assert at.site.output(1).count(b"over") == 2
        assert at.site.output(1).count(b"usr") == 2
        at.launch(2, "sleep", "100", nslots=2, cores="0-1", options={"nosetpgrp": 1})
        await at.site.started(2)
        at.executor.stop(2, "cancel")
        await at.site.ended(2)
        assert at.site.status(2) == 15

    stage(play)


def test_the_limit_of_output_is_that_of_the_job(stage):
    async def play(at):
        jobid = await at.job("seq", "1", "300", ranks="0-1", nslots=2, options={"output": {"limit": 1500}})
        assert len(at.site.output(jobid)) == 1500  # each task writes 1092
        assert logged(at.site, jobid) == [(4, "stdout: output limit of 1500 bytes reached, the rest is dropped")]
        ends = [c for name, c in at.site.log_of(jobid, OUTPUT_LOG) if c.get("eof")]
        assert len(ends) == 4

    stage(play, ranks=2)
