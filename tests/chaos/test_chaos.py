"""A small dose of chaos; `make chaos` has more. And the judge itself: it must see what is wrong."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
SMALL = ["--kills", "8", "--jobs", "300", "--hosts", "2", "--cores", "4", "--clients", "2", "--left", "50", "--life", "0.6", "--replay-every", "3"]  # fmt: skip


@pytest.mark.parametrize(("seed", "durability", "executor"), [(1, "process", "local"), (3, "power", "pretend")])
def test_every_job_has_one_outcome_whatever_is_killed(tmp_path, seed, durability, executor):
    words = [*SMALL, "--seed", str(seed), "--durability", durability, "--executor", executor]
    words += ["--folder", str(tmp_path / "run")]
    command = [sys.executable, HERE / "chaos.py", *words]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-4000:]
    assert "everything holds" in done.stdout


@pytest.fixture(scope="module")
def verdict():
    spec = importlib.util.spec_from_file_location("chaos_verdict", HERE / "verdict.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def entries(*names, severity=0):
    contexts = {"exception": {"type": "x", "severity": severity, "note": ""}}
    return [{"timestamp": time, "name": name, "context": contexts.get(name, {})} for time, name in enumerate(names)]


RUN = ("submit", "validate", "depend", "priority", "alloc", "start", "finish", "release", "free", "clean")


@pytest.mark.parametrize(
    "names",
    [
        RUN,
        ("submit", "validate", "exception", "clean"),
        (*RUN[:4], "flux-restart", "priority", *RUN[4:]),
        (*RUN[:5], "exception", *RUN[6:]),
    ],
)
def test_a_job_that_ended_well_is_found_so(verdict, names):
    assert verdict.job_faults(entries(*names)) == []


@pytest.mark.parametrize(
    "names",
    [
        RUN[:-1],
        (*RUN, "clean"),
        RUN[1:],
        (*RUN[:5], *RUN[6:]),
        (*RUN[:6], "start", *RUN[6:]),
        (*RUN[:3], "alloc", *RUN[5:]),
        ("submit", "validate", "clean"),
        (*RUN[:6], "exception", "clean"),
    ],
)
def test_a_job_that_ended_badly_is_found_so(verdict, names):
    assert verdict.job_faults(entries(*names))


def test_time_goes_on(verdict):
    log = entries(*RUN)
    log[3]["timestamp"] = 99
    assert verdict.job_faults(log)
