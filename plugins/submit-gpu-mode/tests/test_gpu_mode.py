"""--gpu-mode, from the command line and from Python, and jobspecs that were written by hand."""

from __future__ import annotations

import json

import pytest
from fluxplug_submit_gpu_mode import MODES, GpuMode

from fluxplug.cli.main import main
from fluxplug.cli.plugin import CLIPluginRegistry
from fluxplug.job import JobspecV1

GPUS = ("-N", "2", "-n", "8", "--gpus-per-task", "1")


@pytest.fixture
def submit(capsys):
    """Run a command with --dry-run; its jobspec, or its exit code."""

    def run(*words, prog="submit"):
        code = main([prog, "--dry-run", *words, "true"])
        run.out, run.err = capsys.readouterr()
        return json.loads(run.out) if code == 0 else code

    return run


@pytest.mark.parametrize("prog", ["submit", "run", "batch", "alloc", "bulksubmit"])
def test_it_is_installed(prog):
    found = [one for one in CLIPluginRegistry(prog).plugins if isinstance(one, GpuMode)]
    assert [option.name for one in found for option in one.options] == ["--gpu-mode"]


@pytest.mark.parametrize("mode", MODES)
def test_the_mode_is_an_attribute_and_nodes_are_whole(submit, mode):
    made = submit(*GPUS, "--gpu-mode", mode.lower())
    assert made["attributes"]["system"]["gpu-mode"] == mode
    assert made["resources"][0]["exclusive"] is True


def test_without_it_nothing_changes(submit):
    made = submit(*GPUS)
    assert "gpu-mode" not in made["attributes"]["system"]
    assert "exclusive" not in made["resources"][0]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["-N1"], "--gpu-mode is for jobs with GPUs: ask for some, like --gpus-per-task=1"),
        (["--gpus-per-task=1"], "--gpu-mode is that of whole nodes: say how many, like --nodes=1 --exclusive"),
    ],
)
def test_what_does_not_go_with_it(submit, options, told):
    assert submit(*options, "--gpu-mode=SPX") in {1, 2}
    assert submit.err.count("\n") == 1
    assert "GpuMode" in submit.err
    assert told in submit.err


def test_another_mode(submit):
    assert submit(*GPUS, "--gpu-mode=QPX") == 2
    assert "--gpu-mode" in submit.err
    assert "QPX" in submit.err
    assert "SPX" in submit.err


def test_from_python():
    made = JobspecV1.from_submit(["true"], nodes=2, ntasks=8, gpus_per_task=1, gpu_mode="CPX")
    assert made.getattr("gpu-mode") == "CPX"
    assert made.resources[0]["exclusive"] is True


def test_where_jobs_are_taken_in():
    validate = GpuMode("validate").validate
    made = JobspecV1.from_command(["true"], num_nodes=1, gpus_per_task=1, exclusive=True)
    validate(made)
    made.setattr("gpu-mode", "TPX")
    validate(made)
    made.setattr("gpu-mode", "QPX")
    with pytest.raises(ValueError, match="gpu-mode 'QPX' is not one of SPX, TPX, CPX"):
        validate(made)
    made = JobspecV1.from_command(["true"], num_nodes=1, gpus_per_task=1)
    made.setattr("gpu-mode", "TPX")
    with pytest.raises(ValueError, match="gpu-mode is that of whole nodes"):
        validate(made)


def test_long_help(capsys):
    with pytest.raises(SystemExit) as done:
        CLIPluginRegistry("submit").print_help("gpu-mode")
    assert done.value.code == 0
    assert "compute dies" in capsys.readouterr().out
