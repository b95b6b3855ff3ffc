"""`fluxplug workload generate`: what it writes, and what it says to bad options."""

from __future__ import annotations

import argparse
import hashlib
from pathlib import Path
from typing import ClassVar

import pytest

from fluxplug.cli import workload
from fluxplug.errors import ConfigError, PluginError
from fluxplug.sim.lublin import Lublin
from fluxplug.sim.traces.swf import SwfTrace
from fluxplug.sim.workload import ModelJob, WorkloadModel

SAMPLE = Path(__file__).resolve().parents[2] / "samples" / "lublin-64.swf"
SAMPLE_WORDS = "--jobs 2000 --seed 1 --max-size 64 --set load=0.8 --set estimates=round"


class Clockwork(WorkloadModel):
    """A model without options: a job a minute."""

    name: ClassVar[str] = "clockwork"
    cores = 1

    def jobs(self, count, seed):
        return (ModelJob(60 * i, 30, 1, 30) for i in range(count))


class Fake:
    """A registry entry, as `fluxplug.plugins.Plugins.workloads` has them."""

    def __init__(self, cls):
        self.cls, self.name, self.config = cls, cls.name, cls.__dict__.get("Config")


class FakePlugins:
    workloads: ClassVar = {"lublin": Fake(Lublin), "clockwork": Fake(Clockwork)}


def run(*words, plugins=FakePlugins):
    parser = argparse.ArgumentParser(prog="fluxplug workload")
    workload.add_arguments(parser)
    return workload.run(parser.parse_args(["generate", *words]), plugins)


@pytest.fixture
def output(capsys):
    def output(*words, **more):
        assert run(*words, **more) == 0
        return capsys.readouterr().out

    return output


def test_the_model_comes_from_the_installed_plugins(output):
    assert output("--jobs", "5", plugins=None) == output("--jobs", "5")
    with pytest.raises(PluginError, match="no workload model is named 'lubin'; did you mean 'lublin'"):
        run("--jobs", "5", "--model", "lubin", plugins=None)


def test_the_same_seed_gives_the_same_bytes(output):
    assert output("--jobs", "50", "--seed", "7") == output("--jobs", "50", "--seed", "7")
    assert output("--jobs", "50", "--seed", "7") != output("--jobs", "50", "--seed", "8")


def test_options(output, tmp_path):
    path = tmp_path / "log.swf"
    path.write_text(output("--jobs", "300", "--nodes", "32", "--set", "estimates=uniform", "--set", "load=0.5"))
    trace = SwfTrace()
    jobs = list(trace.jobs(path, 10**6))
    assert trace.header(path).cores == 32
    assert max(job.width for job in jobs) <= 32
    assert sum(job.run * job.width for job in jobs) / (32 * jobs[-1].submit) == pytest.approx(0.5, rel=0.01)
    assert any(job.limit > job.run for job in jobs)


def test_a_model_without_options(output):
    assert output("--model", "clockwork", "--jobs", "2").splitlines()[-1].startswith("2 60 -1 30 1 ")
    with pytest.raises(ConfigError, match="--set size: no option of clockwork; it has: none"):
        run("--model", "clockwork", "--jobs", "2", "--set", "size=3")


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["--set", "lod=1"], "--set lod: no option of lublin; did you mean 'load'? it has: estimates, load, max-size,"),
        (["--set", "load"], "--set load: expected KEY=VALUE"),
        (["--set", "load=much"], '--set load: expected a number, got a string: "much"'),
        (["--set", "load=-1"], "--set load: -1"),
        (
            ["--set", "estimates=wild"],
            '--set estimates: "wild" is not accepted; use one of "exact", "uniform", "round"',
        ),
        (["--set", "start-hour=1.5"], "--set start-hour: expected an integer, got a number: 1.5"),
        (["--set", "start-hour=1\nvalue=2"], "--set start-hour: expected an integer, got a string"),
        (["--max-size", "1"], "--set max-size: 1 is "),
        (["--max-size", "[" * 100_000], "--set max-size: expected an integer, got a string"),
        (["--jobs", "0"], "--jobs: expected a number from 1 to 1000000000, got 0"),
    ],
)
def test_bad_options(words, problem):
    with pytest.raises(ConfigError) as caught:
        run("--jobs", "5", *words)
    assert str(caught.value).startswith(problem)


def test_the_sample_in_the_repository_is_ours(output):
    """Whoever changes the model makes the sample anew: `fluxplug workload generate` with SAMPLE_WORDS."""
    made = output(*SAMPLE_WORDS.split()).encode()
    assert hashlib.sha256(made).hexdigest() == hashlib.sha256(SAMPLE.read_bytes()).hexdigest()
