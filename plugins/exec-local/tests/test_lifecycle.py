"""Jobs from launch to end: the reports of the recorded jobs, statuses, stops and signals."""

from __future__ import annotations

from fluxplug.exec import EXEC_LOG, OUTPUT_LOG, Started


def test_a_job_is_reported_as_recorded(stage):
    async def play(at):
        jobid = await at.job("sh", "-c", "echo out; echo err >&2")
        site = at.site
        assert site.exec_names(jobid) == [
            "init", "starting", "shell.init", "shell.start", "shell.task-exit", "shell-exit", "complete", "done",
        ]  # fmt: skip
        assert site.output(jobid) == b"out\n"
        assert site.output(jobid, "stderr") == b"err\n"
        assert site.log_of(jobid, OUTPUT_LOG)[0] == (
            "header",
            {
                "version": 1,
                "encoding": {"stdout": "UTF-8", "stderr": "UTF-8"},
                "count": {"stdout": 1, "stderr": 1},
                "options": {},
            },
        )
        assert len(site.of(jobid, Started)) == 1
        assert site.status(jobid) == 0

    stage(play)


def test_many_jobs_at_once(stage):
    async def play(at):
        for jobid in range(1, 101):
            at.launch(jobid, "true")
        await at.site.ended(*range(1, 101))
        assert {at.site.status(jobid) for jobid in range(1, 101)} == {0}
        assert len(at.site.log_of(100, EXEC_LOG)) == 8

    stage(play)
