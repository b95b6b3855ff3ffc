"""Tasks with a terminal of their own: what they see, what is logged, what is typed, and their end."""

from __future__ import annotations

import os
import select
import sys
from contextlib import suppress

import pytest

from fluxplug.exec import INPUT_LOG, OUTPUT_LOG

PTY = {"options": {"pty": 1}}
INTERACTIVE = {"options": {"pty": {"interactive": 1}}}


def size(rows, cols):
    return {"options": {"pty": {"interactive": 1, "winsize": {"rows": rows, "cols": cols}}}}


def test_a_task_has_a_terminal(stage):
    script = "tty; test -t 0 -a -t 1 -a -t 2 && echo all; stty size; ps -o tty= $$; echo err >&2; echo ${FLUX_TERMINUS_SESSION-none}"

    async def play(at):
        jobid = await at.job("sh", "-c", script, **PTY)
        name, *lines = at.site.output(jobid).decode().split("\r\n")
        assert name.startswith("/dev/pts/")
        assert lines == ["all", "24 80", name.removeprefix("/dev/"), "err", "none", ""]
        assert at.site.output(jobid, "stderr") == b""
        ends = [c["stream"] for name, c in at.site.log_of(jobid, OUTPUT_LOG) if c.get("eof")]
        assert ends == ["stderr", "stdout"]
        assert at.site.status(jobid) == 0
        # Without: none, not even the agent's.
        jobid = await at.job("sh", "-c", "tty; test -e /dev/tty && : </dev/tty && echo tty")
        assert at.site.output(jobid) == b"not a tty\n"
        jobid = await at.job("sh", "-c", "stty size; echo $FLUX_TERMINUS_SESSION", **size(50, 132))
        assert at.site.output(jobid) == b"50 132\r\n0\r\n"

    stage(play)


@pytest.mark.parametrize(
    ("pty", "with_terminal"),
    [
        (1, "01"),
        ({"capture": 1}, "01"),
        ({"ranks": "all"}, "01"),
        ({"ranks": "1"}, "1"),
        ({"ranks": 1}, "1"),
        ({"interactive": 1}, "0"),
        ({"interactive": 1, "ranks": "all"}, "01"),
        ({"interactive": 0}, ""),
        (0, ""),
    ],
)
def test_which_tasks_have_one(stage, pty, with_terminal):
    async def play(at):
        script = "test -t 1 && echo $FLUX_TASK_RANK || :"
        jobid = await at.job("sh", "-c", script, nslots=2, cores="0-1", options={"pty": pty})
        found = "".join(sorted(at.site.output(jobid).decode().split()))
        assert found == with_terminal

    stage(play)


@pytest.mark.parametrize("pty", [{"ranks": "x"}, {"interactive": 1, "winsize": {"rows": 0}}])
def test_terminals_that_make_no_sense_fail_the_job(stage, pty):
    async def play(at):
        jobid = await at.job("true", options={"pty": pty})
        assert at.site.status(jobid) == 1 << 8
        assert at.site.raised(jobid)[0][0] == "exec"

    stage(play)


def test_what_is_typed(stage):
    async def play(at):
        site = at.site
        at.launch(1, "sh", "-c", "while read line; do echo got $line; done; stty size; cat", **INTERACTIVE)
        await site.started(1)
        at.executor.write(1, "0", b"one\r", eof=False)
        await site.until(lambda: b"got one\r\n" in site.output(1))
        at.executor.resize(1, "all", 33, 44)
        at.executor.write(1, "all", b"two", eof=False)
        at.executor.write(1, "all", b"", eof=True)  # the end of a line that was not entered
        await site.until(lambda: b"33 44\r\n" in site.output(1))
        at.executor.write(1, "all", b"three\n", eof=True)
        await site.ended(1)
        assert site.output(1) == b"one\r\ngot one\r\ntwo33 44\r\nthree\r\nthree\r\n"
        assert site.log_of(1, INPUT_LOG) == []  # it may be a password

    stage(play)


def test_input_of_a_terminal_where_nobody_sits_is_logged(stage):
    async def play(at):
        at.launch(1, "cat", **PTY)
        await at.site.started(1)
        at.executor.write(1, "all", b"a\n", eof=True)
        await at.site.ended(1)
        assert [c.get("data") for _, c in at.site.log_of(1, INPUT_LOG)] == [None, "a\n"]

    stage(play)


def test_an_interrupt_reaches_the_foreground(stage):
    async def play(at):
        site = at.site
        script = "trap 'echo caught' INT; echo ready; read line; echo out; exit 3"
        at.launch(1, "sh", "-c", script, **INTERACTIVE)
        await site.until(lambda: b"ready" in site.output(1))
        at.executor.write(1, "all", b"\x03", eof=False)
        await site.until(lambda: b"caught" in site.output(1))
        at.executor.write(1, "all", b"\n", eof=False)
        await site.ended(1)
        assert site.status(1) == 3 << 8
        at.launch(2, "sleep", "100", **INTERACTIVE)
        await site.started(2)
        at.executor.write(2, "all", b"\x03", eof=False)
        await site.ended(2)
        assert site.status(2) == (128 + 2) << 8

    stage(play)


def test_a_shell_has_job_control(stage):
    async def play(at):
        site = at.site
        at.launch(1, "bash", "--norc", "-i", **INTERACTIVE)
        await site.until(lambda: b"$ " in site.output(1) or b"# " in site.output(1))
        at.executor.write(1, "all", b'sh -c "echo $((40+2)); exec sleep 100"\r', eof=False)
        await site.until(lambda: b"42\r\n" in site.output(1))
        at.executor.write(1, "all", b"\x1a", eof=False)
        await site.until(lambda: b"Stopped" in site.output(1))
        at.executor.write(1, "all", b"exit\rexit 5\r", eof=False)
        await site.ended(1)
        assert site.status(1) == 5 << 8
        assert b"no job control" not in site.output(1)

    stage(play)


def test_the_end_of_a_task_hangs_up(stage):
    """What was written to the last moment is there, and who stays in the background holds up nobody."""

    async def play(at):
        script = "trap '' HUP; sleep 100 & echo $!; seq 1 2000; echo last"
        jobid = await at.job("sh", "-c", script, **PTY)
        pid, *lines = at.site.output(jobid).decode().split("\r\n")
        assert lines == [*map(str, range(1, 2001)), "last", ""]

        with suppress(ProcessLookupError):  # it has gone already
            process = os.pidfd_open(int(pid))
            assert select.select([process], [], [], 10)[0]
            os.close(process)

    stage(play)


def test_a_task_that_closes_its_terminal_finds_it_again(stage):
    async def play(at):
        code = (
            "import os\nfor fd in 0, 1, 2: os.close(fd)\nfd = os.open('/dev/tty', os.O_RDWR); os.write(fd, b'again\\n')"
        )
        jobid = await at.job(sys.executable, "-c", code, **PTY)
        assert at.site.output(jobid) == b"again\r\n"
        assert at.site.status(jobid) == 0

    stage(play)


def test_much_output_on_a_terminal(stage):
    async def play(at):
        at.site.commit = False
        at.launch(
            1,
            "sh",
            "-c",
            "stty -onlcr; seq 1 900000",
            options={"pty": 1, "output": {"stdout": {"buffer": {"type": "none"}}}},
        )
        await at.site.until(lambda: at.waiting_bytes() > 3 << 20)
        at.site.commit = True
        at.site.commit_all()
        await at.site.ended(1)
        assert at.site.output(1) == b"".join(b"%d\n" % i for i in range(1, 900001))

    stage(play)


def test_a_terminal_goes_to_the_file_of_the_output(stage, tmp_path):
    async def play(at):
        for ranks, path in (("0", "one"), ("0-1", "all"), ("0-1", "{{task.rank}}")):
            output = {"stdout": {"type": "file", "path": path}}
            options = {"pty": 1, "output": output}
            jobid = await at.job(
                "sh",
                "-c",
                "tty >/dev/null && echo on",
                ranks=ranks,
                nslots=len(ranks.split("-")),
                options=options,
                cwd=str(tmp_path),
            )
            assert at.site.output(jobid) == b""

    stage(play, ranks=2)
    assert (tmp_path / "one").read_bytes() == b"on\r\n"
    assert (tmp_path / "all").read_bytes() == b"on\r\n" * 2
    assert (tmp_path / "0").read_bytes() == (tmp_path / "1").read_bytes() == b"on\r\n"


def test_input_from_a_file_beside_a_terminal(stage, tmp_path):
    (tmp_path / "in").write_text("from file\n")

    async def play(at):
        options = {"pty": 1, "input": {"stdin": {"type": "file", "path": "in"}}}
        jobid = await at.job(
            "sh",
            "-c",
            "test -t 0 || echo file; cat; tty </dev/tty >/dev/null && echo tty",
            options=options,
            cwd=str(tmp_path),
        )
        assert at.site.output(jobid) == b"file\r\nfrom file\r\ntty\r\n"

    stage(play)


def test_a_terminal_outlives_the_server(stage):
    async def play(at):
        job = at.launch(1, "sh", "-c", "while read line; do echo got $line; done", **INTERACTIVE)
        await at.site.started(1)
        at.executor.write(1, "all", b"one\r", eof=False)
        await at.site.until(lambda: b"got one" in at.site.output(1))
        await at.restart(job)
        at.executor.write(1, "all", b"two\r", eof=True)
        await at.site.ended(1)
        assert at.site.output(1) == b"one\r\ngot one\r\ntwo\r\ngot two\r\n"

    stage(play)


def test_a_job_with_a_terminal_is_cancelled(stage):
    async def play(at):
        at.launch(1, "bash", "--norc", "-i", **INTERACTIVE)
        await at.site.until(lambda: b"$ " in at.site.output(1) or b"# " in at.site.output(1))
        at.executor.stop(1, "cancel")
        await at.site.ended(1)
        assert at.site.status(1) == 9  # an interactive shell passes over SIGTERM

    stage(play, kill_timeout=0.3)


def test_a_command_that_cannot_be_started_leaves_no_terminal(stage):
    async def play(at):
        await at.job("true", **PTY)
        folder = f"/proc/{at.agent_pid()}/fd"
        before = len(os.listdir(folder))  # noqa: PTH208
        jobid = await at.job("/no/such/command", **PTY)
        assert at.site.status(jobid) == 127 << 8
        await at.job("true", **PTY)
        assert len(os.listdir(folder)) == before  # noqa: PTH208

    stage(play)
