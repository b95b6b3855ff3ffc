"""What a task finds: variables, folder, files, cores, GPUs, limits; and templates."""

from __future__ import annotations

import os
import resource
import signal
import sys
from base64 import b64encode
from pathlib import Path

import pytest
from fluxplug_exec_local.archive import unpack
from fluxplug_exec_local.workdir import Workdirs

from fluxplug.exec import OUTPUT_LOG

CORES = len(os.sched_getaffinity(0))


def variables(site, jobid, rank=None):
    return dict(line.partition("=")[::2] for line in site.output(jobid, rank=rank).decode().splitlines())


def test_the_variables_of_a_task(stage, vectors):
    recorded = vectors("job_lifecycles")["jobs"]["env"]
    lines = [
        e["context"]["data"] for e in recorded["output"] if e["context"].get("rank") == "0" and "data" in e["context"]
    ]
    names = {line.partition("=")[0] for line in lines}

    async def play(at):
        jobid = await at.job(
            "env", ranks="0-1", nslots=2, environment={"MINE": "1", "GONE": None, "PATH": os.environ["PATH"]}
        )
        found = variables(at.site, jobid, rank=1)
        # FLUX_PMI_LIBRARY_PATH would name a library that there is not.
        assert {name for name in found if name.startswith(("FLUX_", "PMI_"))} == names - {
            "FLUX_TERMINUS_SESSION",
            "FLUX_PMI_LIBRARY_PATH",
        }
        assert found["FLUX_KVS_NAMESPACE"] == f"job-{jobid}"
        assert found["FLUX_JOB_ID_PATH"] == "/" + found["FLUX_JOB_ID"]
        assert (found["FLUX_JOB_SIZE"], found["FLUX_JOB_NNODES"]) == ("2", "2")
        assert (found["FLUX_TASK_RANK"], found["FLUX_TASK_LOCAL_ID"]) == ("1", "0")
        assert (found["PMI_RANK"], found["PMI_SIZE"]) == ("1", "2")
        assert found["FLUXPLUG_URI"] == found["FLUX_URI"] == f"local://{at.statedir}/local-0"
        assert (found["MINE"], "GONE" in found, "HOME" in found) == ("1", False, False)
        assert (found["CUDA_VISIBLE_DEVICES"], found["CUDA_DEVICE_ORDER"]) == ("-1", "PCI_BUS_ID")

    stage(play, ranks=2)


def test_options_that_change_variables(stage):
    async def play(at):
        options = {"pmi": "off", "env-expand": {"WHERE": "{{node.name}}-{{taskid}}-{{nope}}"}, "gpu-affinity": "off"}
        found = variables(at.site, await at.job("env", options=options))
        assert not any(name.startswith(("PMI", "CUDA")) for name in found)
        assert found["WHERE"] == "vm-0-{{nope}}"

    stage(play)


def test_templates_in_arguments(stage):
    async def play(at):
        text = "{{id.dec}} {{name}} {{nnodes}} {{size}} {{node.id}} {{node.ncores}} {{task.index}} {{jobid}} {{tmpdir}} {{no.such}}"
        jobid = await at.job("echo", text, cores="0-3", job={"name": "tested"})
        words = at.site.output(jobid).decode().split()
        assert words[:7] == [str(jobid), "tested", "1", "1", "0", "4", "0"]
        assert words[7].startswith("ƒ")
        assert words[8].startswith(str(at.statedir))
        assert words[9] == "{{no.such}}"

    stage(play)


@pytest.mark.parametrize(
    ("option", "want"), [("on", ["0,1,2,3"] * 2), ("per-task", ["0,1", "2,3"]), ("map:3;0-1", ["3", "0,1"])]
)
def test_gpus(stage, option, want):
    async def play(at):
        jobid = await at.job(
            "sh",
            "-c",
            "echo $CUDA_VISIBLE_DEVICES",
            gpus="0-3",
            nslots=2,
            cores="0-1",
            options={"gpu-affinity": option},
        )
        assert [at.site.output(jobid, rank=rank).decode().strip() for rank in (0, 1)] == want

    stage(play)


AFFINITY = (sys.executable, "-c", "import os; print(sorted(os.sched_getaffinity(0)))")


@pytest.mark.skipif(CORES < 2, reason="needs two cores")
def test_cores(stage):
    usable = sorted(os.sched_getaffinity(0))

    async def play(at):
        for cores, nslots, option, want in (
            ("1", 1, "on", [usable[1:2]]),
            ("0-1", 2, "per-task", [usable[:1], usable[1:2]]),
            ("0-1", 2, "map:0x2;0", [usable[1:2], usable[:1]]),
            ("1", 1, "off", [usable]),
            (f"0-{CORES + 7}", 1, "on", [usable]),
        ):
            jobid = await at.job(*AFFINITY, cores=cores, nslots=nslots, options={"cpu-affinity": option})
            assert [at.site.output(jobid, rank=i).decode().strip() for i in range(nslots)] == [str(w) for w in want]
        jobid = await at.job(*AFFINITY, options={"cpu-affinity": f"map:{CORES}"})
        assert f"core {CORES} is not among" in at.site.raised(jobid)[0][1]

    # The machine's own name, so that cores are bound.
    stage(play, host=os.uname().nodename, pretend_hosts=False)


def test_a_missing_folder(stage, vectors):
    async def play(at):
        jobid = await at.job("pwd", cwd="/nonexistent-dir")
        assert at.site.output(jobid) == b"/tmp\n"
        logged = [c for name, c in at.site.log_of(jobid, OUTPUT_LOG) if name == "log"]
        message = "host vm: Could not change dir to /nonexistent-dir: No such file or directory. Going to /tmp instead"
        assert logged == [{"rank": 0, "level": 3, "message": message}]

    stage(play)


def test_limits_and_mask(stage):
    code = "import resource as r, os; print(r.getrlimit(r.RLIMIT_CORE)[0], r.getrlimit(r.RLIMIT_NOFILE)[0], oct(os.umask(0)))"

    async def play(at):
        python = (sys.executable, "-c", code)
        mine = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        found = at.site.output(await at.job(*python, options={"rlimit": {"core": 0}}, umask=0o27)).decode().split()
        assert found == ["0", str(mine), "0o27"]
        found = at.site.output(await at.job(*python, options={"rlimit": {"nofile": 99, "cpu": 1000}})).decode().split()
        assert found[1] == "99"
        assert at.site.output(await at.job(*python)).decode().split()[1] == str(mine)

    stage(play)


def test_signals_sessions_and_descriptors_are_as_in_a_shell(stage):
    async def play(at):
        status = at.site.output(await at.job("cat", "/proc/self/status")).decode()
        found = dict(line.split(":\t") for line in status.splitlines())
        assert int(found["SigBlk"], 16) == 0
        # But for the two that the C library keeps for itself.
        assert int(found["SigIgn"], 16) & 0x7FFFFFFF == 0
        assert found["NSsid"] == found["NSpgid"] == found["Pid"]
        # 0 to 2, PMI's, and the folder that is read.
        assert at.site.output(await at.job("ls", "/proc/self/fd")).split() == [b"0", b"1", b"2", b"3", b"4"]

    stage(play)


def test_a_jobs_folder_and_files(stage):
    files = {
        "script": {"mode": 0o100700, "data": "#!/bin/sh\necho from script\ncat conf.json\necho\n", "encoding": "utf-8"},
        "conf.json": {"mode": 0o100600, "data": {"a": [1]}},
    }

    async def play(at):
        jobid = await at.job(
            "sh", "-c", "cd $FLUX_JOB_TMPDIR && ./script; pwd; mkdir deep; touch deep/file", files=files
        )
        *head, folder = at.site.output(jobid).decode().splitlines()
        assert head[0] == "from script"
        assert head[1] == '{"a":[1]}'
        again = await at.job("sh", "-c", "ls -A $FLUX_JOB_TMPDIR; echo $FLUX_JOB_TMPDIR")
        (other,) = at.site.output(again).decode().splitlines()
        assert other != folder

    stage(play)


def test_unpacking(tmp_path):
    entries = [
        {"path": "sub/bin", "mode": 0o100644, "data": b64encode(b"\0\1").decode(), "encoding": "base64"},
        {"path": "link", "mode": 0o120777, "data": "sub/bin"},
        {"path": "folder", "mode": 0o040700},
        {"path": "empty", "size": 0},
    ]
    unpack(entries, str(tmp_path))
    assert (tmp_path / "link").read_bytes() == b"\0\1"
    assert (tmp_path / "folder").is_dir()
    assert (tmp_path / "empty").read_bytes() == b""
    for bad in (
        {"../x": {"data": ""}},
        {"/x": {"data": ""}},
        {"x": {"data": "", "encoding": "blobvec"}},
        {"y": {"mode": 0o010600}},
    ):
        with pytest.raises(ValueError, match="file "):
            unpack(bad, str(tmp_path))


def test_folders_are_used_again_only_as_they_were(tmp_path, monkeypatch):
    removers, spawn = [], os.posix_spawnp

    def spawnp(*args, **options):
        removers.append(spawn(*args, **options))
        return removers[-1]

    monkeypatch.setattr(os, "posix_spawnp", spawnp)
    (tmp_path / "job-old").mkdir()
    folders = Workdirs(str(tmp_path / "job-"))
    first = Path(folders.take(None))
    folders.give_back(str(first))
    assert folders.take(None) == str(first)
    first.chmod(0o755)
    folders.give_back(str(first))
    second = Path(folders.take(None))
    assert second != first
    (second / "file").touch()
    folders.give_back(str(second))
    assert Path(folders.take(None)) not in (first, second)
    for pid in removers:
        os.waitpid(pid, 0)
    assert not first.exists()
    assert not (tmp_path / "job-old").exists()
    assert signal.getsignal(signal.SIGCHLD) == signal.SIG_DFL
