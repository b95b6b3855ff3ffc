"""`fluxplug run` and `job attach`: output, input, signals and exit codes."""

from __future__ import annotations

import signal

import pytest


def test_output_and_exit_code(fluxplug):
    seen = fluxplug("run", "-n2", "-l", "sh", "-c", "echo out; echo err >&2; exit 7")
    assert seen.code == 7
    assert sorted(seen.lines) == ["0: out", "1: out"]
    assert seen.err.splitlines()[-1] == "fluxplug run: task(s) exited with exit code 7"


@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        (["true"], 0, ""),
        (["sh", "-c", "kill -9 $$"], 137, "fluxplug run: task(s) Killed"),
        (["/no/such"], 127, "type=exec severity=0"),
        (["/"], 126, "type=exec severity=0"),
        (["-t", "0.2s", "sleep", "60"], 142, "type=timeout severity=0 resource allocation expired"),
        (["-N100", "true"], 1, "type=alloc severity=0"),
    ],
)
def test_exit_codes(fluxplug, words, code, text):
    seen = fluxplug("run", *words)
    assert seen.code == code
    assert text in seen.err
    assert seen.out == ""


def test_events(fluxplug):
    seen = fluxplug("run", "-vvv", "true")
    assert seen.err.startswith("jobid: ")
    for name in ("job.submit", "job.alloc", "job.start", "exec.shell.init", "job.finish"):
        assert f"s: {name}" in seen.err


def test_input(process):
    one = process("run", "-n2", "-l", "cat")
    out, _ = one.communicate("hello\n", timeout=20)
    assert sorted(out.splitlines()) == ["0: hello", "1: hello"]


def test_input_for_one_task(process):
    one = process("run", "-n2", "-l", "--input=1", "sh", "-c", "[ $FLUX_TASK_RANK = 0 ] || cat")
    assert one.communicate("hello\n", timeout=20)[0] == "1: hello\n"


def test_output_goes_to_a_file(fluxplug, tmp_path):
    seen = fluxplug("run", "--output=out.{{id}}", "echo", "hi")
    assert "stdout redirected to" in seen.err
    (file,) = tmp_path.glob("out.*")
    assert file.read_text() == "hi\n"


def test_signals_are_handed_on(process):
    one = process("run", "sh", "-c", "trap 'echo got it; exit 5' USR1; echo ready; while :; do sleep 0.05; done")
    assert one.stdout.readline() == "ready\n"
    one.send_signal(signal.SIGUSR1)
    assert one.communicate(timeout=20)[0] == "got it\n"
    assert one.returncode == 5


def test_two_interrupts_cancel(process):
    one = process("run", "sh", "-c", "echo ready; exec sleep 60")
    assert one.stdout.readline() == "ready\n"
    one.send_signal(signal.SIGINT)
    assert "one more ctrl-C within 2s to cancel or ctrl-Z to detach" in one.stderr.readline()
    one.send_signal(signal.SIGINT)
    err = one.communicate(timeout=20)[1]
    assert one.returncode == 143
    assert "type=cancel severity=0 interrupted by ctrl-C" in err


def test_detaching(process, fluxplug):
    one = process("run", "-v", "sh", "-c", "echo ready; exec sleep 60")
    assert one.stdout.readline() == "ready\n"
    jobid = one.stderr.readline().split()[-1]
    one.send_signal(signal.SIGINT)
    one.stderr.readline()
    one.send_signal(signal.SIGTSTP)
    assert f"detaching from {jobid}" in one.communicate(timeout=20)[1]
    assert one.returncode == 0
    assert fluxplug("jobs", "-no", "{state}", jobid).out == "RUN\n"


def test_attach(fluxplug):
    one = fluxplug("submit", "sh", "-c", "for i in 1 2 3; do echo $i; done; exit 4").out.strip()
    assert fluxplug("job", "status", one).code == 4
    seen = fluxplug("job", "attach", "-l", one)
    assert seen.code == 4
    assert seen.lines == ["0: 1", "0: 2", "0: 3"]
    assert fluxplug("job", "attach", "-E", one).err.count("s: job.") == 7
    assert fluxplug("job", "attach", "-E", "-w", "clean", one).err.count("s: job.") == 10
    assert fluxplug("job", "attach", "1").err == "fluxplug job: [Errno 2] unknown job id\n"


def test_tail(fluxplug):
    one = fluxplug("submit", "--wait", "sh", "-c", "echo 1; sleep 0.1; echo 2; sleep 0.1; echo 3").out.strip()
    assert fluxplug("job", "attach", "--tail=1", one).out == "3\n"


def test_cancelled_before_it_started(fluxplug):
    one = fluxplug("submit", "--urgency=hold", "true").out.strip()
    assert fluxplug("cancel", one).code == 0
    seen = fluxplug("job", "attach", one)
    assert seen.code == 1
    assert f"job.exception {one} type=cancel severity=0" in seen.err
