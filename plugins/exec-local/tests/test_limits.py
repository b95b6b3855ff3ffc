"""What a site sets for all jobs: the signal at the time limit, and limits of control groups."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from types import SimpleNamespace

import pytest
from fluxplug_exec_local import cgroup
from fluxplug_exec_local.binding import cores_of
from fluxplug_exec_local.cgroup import Cgroups, Limits, out_of_memory
from fluxplug_exec_local.executor import Local
from fluxplug_exec_local.size import format_size, parse_size

from fluxplug.config import load_config
from fluxplug.errors import ConfigError
from fluxplug.exec import OUTPUT_LOG


def test_the_signal_at_the_time_limit(stage):
    async def play(at):
        at.launch(1, "sleep", "1000", expiration=at.site.clock.now() + 0.1)
        await at.site.ended(1)
        assert at.site.status(1) == (128 + signal.SIGTERM) << 8
        assert at.site.raised(1) == [("timeout", "resource allocation expired")]

    stage(play, limit_signal="TERM")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('limit-signal = "FOO"', r'limit-signal.*"FOO".*"TERM"'),
        ('connect = ["ssh", "host"]', r"connect: no word has \{host\}"),
        ('connect = ["ssh", "{host}"]\npython = "my python"', "python: .*special to a shell"),
        ('agent-dir = "/tmp/a;b"', "agent-dir: .*special to a shell"),
        ('agent-dir = "here"', "agent-dir: .*absolute"),
        ('memory-per-core = "4X"', "memory-per-core: '4X' is no amount of memory"),
    ],
)
def test_bad_keys_are_named(tmp_path, line, message):
    path = tmp_path / "sched.toml"
    path.write_text(f"[executor.local]\n{line}\n")
    with pytest.raises(ConfigError, match=message):
        load_config(path)


def test_sizes():
    assert [parse_size(text) for text in ("1", "2k", "1.5G", "1T")] == [1, 2048, 3 << 29, 1 << 40]
    assert [format_size(size) for size in (1, 2048, 3 << 29, 1 << 40)] == ["1", "2K", "1536M", "1T"]
    for text in ("", "0", "-1G", "G", "1e999", "nan", "4Q"):
        with pytest.raises(ValueError, match="no amount of memory"):
            parse_size(text)


def test_cores_of_a_job_are_those_of_the_host():
    def job(cores, **agent):
        agent = SimpleNamespace(**{"cores": [2, 3, 8, 9], "pretend": False} | agent)
        return SimpleNamespace(agent=agent, nodes=[[0, "n0", cores, ""]], index=0)

    assert cores_of(job("0,2-3")) == [2, 8, 9]
    assert cores_of(job("0-4")) == cores_of(job("")) == cores_of(job("0", pretend=True)) == []


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder that is as one of control groups, but that files in it have to be made."""

    def write(path, data):
        if Path(path).parent.name == "closed":
            raise PermissionError(13, "Permission denied")
        Path(path).write_bytes(data)

    (tmp_path / "home").mkdir()
    (tmp_path / "groups").mkdir()
    monkeypatch.setattr(cgroup, "_own_group", lambda: str(tmp_path / "home"))
    monkeypatch.setattr(cgroup, "_write", write)
    return tmp_path / "groups"


def test_what_is_written_for_a_job(folder):
    (folder / "cgroup.controllers").write_text("cpuset cpu memory pids\n")
    (folder / "cgroup.subtree_control").write_text("cpuset memory\n")
    said = []
    groups = Cgroups(str(folder), said.append)
    assert (folder / "cgroup.subtree_control").read_text() == "+pids"
    limits = Limits("0-1", 4 << 30, 100)
    before = os.sched_getaffinity(0)
    path = Path(groups.enter("job-0-f1", limits))
    assert {file.name: file.read_text() for file in path.iterdir()} == {"cpuset.cpus": "0-1", "cgroup.procs": "0"}
    groups.leave(str(path), limits)
    assert {file.name: file.read_text() for file in path.iterdir()} == {
        "cpuset.cpus": "0-1",
        "cgroup.procs": "0",
        "memory.max": "4294967296",
        "memory.oom.group": "1",
        "pids.max": "100",
    }
    assert os.sched_getaffinity(0) == before
    assert said == []
    path = Path(groups.enter("job-0-f2", Limits()))
    groups.leave(str(path), Limits())
    assert [file.name for file in path.iterdir()] == ["cgroup.procs"]


def test_a_controller_that_is_missing_is_told_once(folder):
    (folder / "cgroup.subtree_control").write_text("cpuset\n")
    said = []
    groups = Cgroups(str(folder), said.append)
    limits = Limits("0", 1 << 30)
    for name in ("job-0-f1", "job-0-f2"):
        groups.leave(groups.enter(name, limits), limits)
    assert said == [f"jobs run without the limit memory.max: {folder} does not have the controller memory"]


def test_why_processes_were_killed(tmp_path):
    events = tmp_path / "memory.events"
    assert out_of_memory(str(tmp_path)) == ""
    events.write_text("low 0\nhigh 0\nmax 7\noom 0\noom_kill 0\n")
    assert out_of_memory(str(tmp_path)) == ""
    events.write_text("low 0\nhigh 0\nmax 7\noom 1\noom_kill 2\n")
    (tmp_path / "memory.max").write_text("4294967296\n")
    assert out_of_memory(str(tmp_path)) == "memory limit of 4G exceeded"
    events.write_text("oom 0\noom_kill 2\n")
    assert out_of_memory(str(tmp_path)) == "no memory left on the host"


def limits_memory(path):
    return "memory" in cgroup._delegated(str(path))


def test_a_job_that_takes_too_much_memory_is_told_so(stage, control_group):
    path = control_group(limits_memory, "no cgroup v2 whose memory we may limit, where the tests are or above")

    async def play(at):
        jobid = await at.job("sh", "-c", "exec tail /dev/zero")
        assert at.site.status(jobid) == 137 << 8
        (message,) = [context["message"] for name, context in at.site.log_of(jobid, OUTPUT_LOG) if name == "log"]
        assert "memory limit of 32M exceeded" in message

    stage(play, cgroup=str(path), memory_per_core="32M")


def test_limits_that_cannot_be_had_are_logged(stage, control_group):
    path = control_group(
        lambda path: not limits_memory(path), "no cgroup v2 that we may write to is without the memory controller"
    )

    async def play(at):
        for _ in range(3):
            assert at.site.output(await at.job("echo", "fine")) == b"fine\n"
        lines = [line for _, line in at.site.lines if "without the limit" in line]
        assert len(lines) == 1
        assert lines[0].startswith("agent of rank 0: jobs run without the limit memory.max: ")

    stage(play, cgroup=str(path), memory_per_core="1G")


def test_agents_are_told_the_site_s_limits():
    settings = Local.Config(memory_per_core="2G", max_processes=64, limit_signal="USR1").for_agents()
    assert (settings["memory_per_core"], settings["max_processes"]) == (2 << 30, 64)
    assert settings["limit_signal"] == signal.SIGUSR1
