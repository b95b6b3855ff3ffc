"""Output and input of tasks: into logs and files, text or not, much or little."""

from __future__ import annotations

import sys
from base64 import b64encode
from pathlib import Path

import pytest

from fluxplug.exec import INPUT_LOG, OUTPUT_LOG


def data_entries(site, jobid, stream="stdout"):
    return [c for name, c in site.log_of(jobid, OUTPUT_LOG) if name == "data" and c["stream"] == stream and "data" in c]


def resident_kib(pid):
    status = Path(f"/proc/{pid}/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS"))


def python(code):
    return (sys.executable, "-c", code)


def test_lines_are_entries_and_errors_are_not_buffered(stage):
    async def play(at):
        jobid = await at.job("sh", "-c", "printf 'a\\nb\\nc'; printf 'x\\ny' >&2")
        assert [c["data"] for c in data_entries(at.site, jobid)] == ["a\n", "b\n", "c"]
        assert [c["data"] for c in data_entries(at.site, jobid, "stderr")] == ["x\ny"]
        ends = [c for name, c in at.site.log_of(jobid, OUTPUT_LOG) if c.get("eof")]
        assert ends == [{"stream": s, "rank": "0", "eof": True} for s in ("stderr", "stdout")] or ends == [
            {"stream": s, "rank": "0", "eof": True} for s in ("stdout", "stderr")
        ]

    stage(play)


def test_lines_are_not_torn_between_writes(stage):
    code = "import os, time\nfor part in ('to', 'get', 'her\\n'): os.write(1, part.encode()); time.sleep(0.05)"

    async def play(at):
        jobid = await at.job(*python(code))
        assert [c["data"] for c in data_entries(at.site, jobid)] == ["together\n"]
        jobid = await at.job(*python(code), options={"output": {"stdout": {"buffer": {"type": "none"}}}})
        assert at.site.output(jobid) == b"together\n"
        assert len(data_entries(at.site, jobid)) > 1

    stage(play)


def test_bytes_that_are_no_text(stage):
    code = "import os; os.write(1, b'\\xff\\xfe\\n' + 'ä\\n'.encode()); os.write(2, b'\\x00\\x80')"

    async def play(at):
        jobid = await at.job(*python(code))
        assert data_entries(at.site, jobid) == [
            {"stream": "stdout", "rank": "0", "data": b64encode(b"\xff\xfe\n").decode(), "encoding": "base64"},
            {"stream": "stdout", "rank": "0", "data": "ä\n"},
        ]
        assert at.site.output(jobid, "stderr") == b"\x00\x80"

    stage(play)


def test_a_character_in_two_pieces_is_put_together(stage):
    code = "import os, time\nfor b in '€uro ∞'.encode(): os.write(2, bytes([b])); time.sleep(0.01)"

    async def play(at):
        jobid = await at.job(*python(code))
        assert all("encoding" not in c for c in data_entries(at.site, jobid, "stderr"))
        assert at.site.output(jobid, "stderr").decode() == "€uro ∞"
        # One that never comes to its end is not lost.
        jobid = await at.job(*python("import os; os.write(2, b'ab\\xe2\\x82')"))
        assert at.site.output(jobid, "stderr") == b"ab\xe2\x82"

    stage(play)


@pytest.mark.parametrize("stream", [1, 2])
def test_much_output_arrives_whole_while_reports_are_slow(stage, stream):
    code = f"import os\nfor i in range(300): os.write({stream}, (b'%06d ' % i) * 9000 + b'\\n')"

    async def play(at):
        at.site.commit = False
        at.launch(1, *python(code))
        # Nothing is taken: the agent stops reading, and the task stops writing. Other jobs run on.
        await at.site.until(lambda: at.waiting_bytes() > 3 << 20)
        at.launch(2, "sleep", "0.5")
        await at.site.until(lambda: at.waiting_ends() == [2])
        assert at.waiting_bytes() < 8 << 20
        assert resident_kib(at.agent_pid()) < 60_000
        at.site.commit = True
        at.site.commit_all()
        await at.site.ended(1)
        want = b"".join((b"%06d " % i) * 9000 + b"\n" for i in range(300))
        assert at.site.output(1, "stdout" if stream == 1 else "stderr") == want

    stage(play)


def test_the_limit_of_output(stage):
    async def play(at):
        jobid = await at.job("sh", "-c", "seq 1 1000", options={"output": {"limit": "1k"}})
        out = at.site.output(jobid)
        assert b"1\n2\n3\n" in out
        assert 900 < len(out) <= 1024
        ((level, message),) = [
            (c["level"], c["message"]) for name, c in at.site.log_of(jobid, OUTPUT_LOG) if name == "log"
        ]
        assert (level, message) == (4, "stdout: output limit of 1024 bytes reached, the rest is dropped")
        assert at.site.status(jobid) == 0

    stage(play)


def test_files_by_template(stage, tmp_path):
    script = "echo out $FLUX_TASK_RANK; echo err $FLUX_TASK_RANK >&2"

    def to(path, **keys):
        return {"options": {"output": {"stdout": {"type": "file", "path": path, **keys}}}, "cwd": str(tmp_path)}

    async def play(at):
        jobid = await at.job("sh", "-c", script, nslots=2, cores="0-1", **to("{{id.dec}}-{{task.rank}}.out"))
        assert (tmp_path / f"{jobid}-1.out").read_text() == "out 1\nerr 1\n"
        redirects = [c for name, c in at.site.log_of(jobid, OUTPUT_LOG) if name == "redirect"]
        assert redirects[0] == {"stream": "stdout", "rank": "0", "path": f"{jobid}-0.out"}
        assert at.site.output(jobid) == b""
        await at.job("sh", "-c", script, nslots=2, cores="0-1", **to("one.out", label=True))
        assert sorted((tmp_path / "one.out").read_text().splitlines()) == [
            "0: err 0",
            "0: out 0",
            "1: err 1",
            "1: out 1",
        ] or (sorted((tmp_path / "one.out").read_text().splitlines()) == ["0: out 0", "1: out 1", "err 0", "err 1"])
        # Several ranks, one file; and one a node.
        await at.job("sh", "-c", script, ranks="0-1", nslots=2, **to("all.out"))
        assert sorted((tmp_path / "all.out").read_text().splitlines()) == ["err 0", "err 1", "out 0", "out 1"]
        await at.job("sh", "-c", script, ranks="0-1", nslots=2, **to("node-{{node.id}}.out"))
        assert (tmp_path / "node-1.out").read_text() == "out 1\nerr 1\n"

    stage(play, ranks=2)


def test_files_are_emptied_or_appended_to(stage, tmp_path):
    async def play(at):
        for mode, want in (("truncate", "b\n"), ("append", "old\nb\n")):
            path = tmp_path / "x"
            path.write_text("old\n")
            output = {"stdout": {"type": "file", "path": str(path)}, "stderr": {"type": "kvs"}, "mode": mode}
            jobid = await at.job("sh", "-c", "echo b; echo e >&2", options={"output": output})
            assert path.read_text() == want
            assert at.site.output(jobid, "stderr") == b"e\n"

    stage(play)


def test_a_file_that_cannot_be_opened_fails_the_job(stage):
    async def play(at):
        output = {"stdout": {"type": "file", "path": "/no/such/folder/x"}}
        jobid = await at.job("true", options={"output": output})
        assert "/no/such/folder/x" in at.site.raised(jobid)[0][1]
        assert at.site.status(jobid) != 0

    stage(play)


def test_input_is_what_is_written_until_its_end(stage):
    async def play(at):
        at.launch(1, "cat", nslots=2, cores="0-1")
        await at.site.started(1)
        at.executor.write(1, "all", b"both\n", eof=False)
        at.executor.write(1, "1", b"one\n", eof=True)
        at.executor.write(1, "0", b"\xff\n", eof=True)
        at.executor.write(1, "all", b"too late", eof=False)
        await at.site.ended(1)
        assert at.site.output(1, rank=0) == b"both\n\xff\n"
        assert at.site.output(1, rank=1) == b"both\none\n"
        assert at.site.log_of(1, INPUT_LOG)[:3] == [
            ("header", {"version": 1, "encoding": {"stdin": "UTF-8"}, "count": {"stdin": 1}, "options": {}}),
            ("data", {"stream": "stdin", "rank": "all", "data": "both\n"}),
            ("data", {"stream": "stdin", "rank": "1", "data": "one\n", "eof": True}),
        ]

    stage(play)


def test_large_input_does_not_fill_the_agent(stage):
    block = b"0123456789abcdef" * 65536  # 1 MiB

    async def play(at):
        at.launch(1, "sh", "-c", "read go; wc -c")
        await at.site.started(1)
        at.executor.write(1, "all", b"go\n", eof=False)
        for _ in range(24):
            at.executor.write(1, "all", block, eof=False)
        at.executor.write(1, "all", b"", eof=True)
        await at.site.ended(1)
        assert int(at.site.output(1)) == 24 * len(block)

    stage(play)


def test_input_from_a_file(stage, tmp_path):
    (tmp_path / "in-0").write_text("from file\n")

    async def play(at):
        stdin = {"stdin": {"type": "file", "path": "in-{{task.rank}}"}}
        jobid = await at.job("cat", options={"input": stdin}, cwd=str(tmp_path))
        assert at.site.output(jobid) == b"from file\n"

    stage(play)


def test_a_task_that_reads_nothing_ends_all_the_same(stage):
    async def play(at):
        at.launch(1, "sh", "-c", "exec 0<&-; echo closed; sleep 0.2")
        await at.site.until(lambda: at.site.output(1) == b"closed\n")
        at.executor.write(1, "all", b"x" * 300_000, eof=True)
        await at.site.ended(1)
        assert at.site.status(1) == 0

    stage(play)
