"""`fluxplug submit` and `bulksubmit`: ids, waiting, watching, and files for it all."""

from __future__ import annotations

import re

import pytest

from fluxplug.values.jobid import id_parse


def test_the_id_is_printed(pretend):
    seen = pretend("submit", "true")
    assert (seen.code, seen.err) == (0, "")
    assert id_parse(seen.out.strip()) > 0
    assert pretend("submit", "--quiet", "true") == (0, "", "")


def test_a_job_for_each_id_in_one_request(pretend):
    seen = pretend("submit", "--cc=1-5", "--job-name=j{cc}", "true")
    assert len(seen.lines) == 5
    assert pretend("jobs", "-an", "-o", "{name}", *seen.lines).lines == ["j1", "j2", "j3", "j4", "j5"]


def test_urgency_and_flags(pretend):
    one = pretend("submit", "--urgency=hold", "--flags=waitable,debug", "true").out.strip()
    assert pretend("jobs", "-no", "{urgency} {contextual_info}", one).out == "0 held\n"
    assert "flags=6" in pretend("job", "eventlog", one).lines[0]


def test_the_exit_code_is_the_largest(fluxplug):
    seen = fluxplug("submit", "--quiet", "--wait", "--cc=0,2,3", "sh", "-c", "exit {cc}")
    assert seen == (3, "", "")


def test_output_is_shown(fluxplug):
    seen = fluxplug("submit", "--watch", "--quiet", "sh", "-c", "echo out; echo err >&2")
    assert seen == (0, "out\n", "err\n")


def test_labels_have_job_and_task(fluxplug):
    seen = fluxplug("submit", "--watch", "-l", "-n2", "echo", "hi")
    one = seen.lines[0]
    assert sorted(seen.lines[1:]) == [f"{one}: 0: hi", f"{one}: 1: hi"]


def test_output_that_is_no_text(fluxplug, tmp_path):
    assert fluxplug("submit", "--quiet", "--output=o", "--wait", "printf", r"\377\n").code == 0
    assert (tmp_path / "o").read_bytes() == b"\xff\n"


@pytest.mark.parametrize("event", ["start", "exec.shell.start", "priority"])
def test_an_event(fluxplug, event):
    one = fluxplug("submit", f"--wait-event={event}", "sleep", "60")
    assert one.code == 0
    shown = fluxplug("jobs", "-no", "{state}", one.out.strip()).out.strip()
    assert shown in {"RUN", "SCHED"} if event == "priority" else shown == "RUN"


def test_an_event_that_never_comes_ends_with_the_job(pretend):
    assert pretend("submit", "--wait-event=nope", "true").code == 0


def test_logs(fluxplug, tmp_path):
    assert fluxplug("submit", "--cc=1-2", "--log=log.{cc}", "--watch", "echo", "x{cc}") == (0, "", "")
    for one in "12":
        lines = (tmp_path / f"log.{one}").read_text().splitlines()
        assert len(lines) == 2
        assert lines[1] == f"x{one}"


def test_progress(pretend):
    seen = pretend("submit", "--cc=1-4", "--quiet", "--wait", "--progress", "--jps", "true")
    assert re.fullmatch(r"PD:0 R:0 CD:4 F:0 \[#{30}\] 100\.0% [0-9.]+ job/s\n", seen.err)


def test_one_of_many_is_refused(pretend):
    one = pretend("submit", "--urgency=hold", "true").out.strip()
    seen = pretend("bulksubmit", "--dependency=afterany:{}", "true", ":::", one, "1")
    assert (seen.code, len(seen.lines)) == (1, 1)
    assert seen.err.startswith("fluxplug bulksubmit: [Errno 22] ")


def test_bulk(fluxplug):
    seen = fluxplug("bulksubmit", "--quiet", "--watch", "echo", "{}", ":::", "a", "b")
    assert sorted(seen.lines) == ["a", "b"]


def test_what_the_instance_refuses(pretend):
    assert pretend("submit", "--queue=nope", "true") == (
        1,
        "",
        "fluxplug submit: [Errno 22] 'nope' is not a valid queue\n",
    )


def test_an_instance_that_is_not_there(pretend, tmp_path):
    seen = pretend("submit", f"--uri=local://{tmp_path}/none", "true")
    assert seen.code == 1
    assert "nobody serves at" in seen.err


def test_cancelled_while_it_is_watched(fluxplug, process):
    one = process("submit", "--watch", "sleep", "60")
    jobid = one.stdout.readline().strip()
    assert fluxplug("cancel", "-m", "no more", jobid).code == 0
    out, err = one.communicate(timeout=20)
    assert one.returncode == 143
    assert f"{jobid}: job.exception: type=cancel severity=0 no more" in err
    assert not out


def test_nobody_reads_the_output(process):
    one = process("submit", "--quiet", "--watch", "sh", "-c", "while echo x; do sleep 0.01; done")
    assert one.stdout.readline() == "x\n"
    one.stdout.close()
    one.stdout = None
    assert one.wait(20) == 141
    assert "Traceback" not in one.stderr.read()
