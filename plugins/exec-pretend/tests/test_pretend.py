"""Jobs that only take time: durations, failures, cancels, limits, restarts."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from fluxplug_exec_pretend import TIMEOUT_STATUS, Pretend

from fluxplug.errors import ExecutorError
from fluxplug.exec import Ended, Host, Launch, Started
from fluxplug.testing.executors import StoringSite, resource_set, task_jobspec

R = resource_set()


def job(jobid, expiration=0.0, started=0.0, **test):
    return Launch(jobid, 1, R, task_jobspec("true", exec={"test": test}), expiration, started)


def play(scenario, *, running=(), durable=None, **config):
    async def main():
        site = StoringSite(Path("/nowhere"), durable)
        executor = site.executor = Pretend(Pretend.Config(**config), site)
        await executor.open([Host(rank, "n") for rank in range(4)], running)
        assert site.up == {0, 1, 2, 3}
        await scenario(executor, site)
        await executor.close(leave=True)
        return site

    return asyncio.run(main())


def test_a_job_without_duration_ends_at_once():
    async def scenario(executor, site):
        executor.launch(job(1))
        with pytest.raises(ExecutorError, match="the executor pretend tells no processes"):
            await executor.processes(1)
        await site.ended(1)
        assert site.exec_names(1) == ["init", "starting", "complete", "done"]
        assert site.status(1) == 0
        assert len(site.of(1, Started)) == 1

    play(scenario)


def test_durations_are_kept():
    async def scenario(executor, site):
        executor.launch(job(1, run_duration="50ms"))
        executor.launch(job(2, run_duration=0.1))
        executor.launch(job(3, run_duration="inf"))
        await site.ended(1, 2)
        for jobid, least in ((1, 0.05), (2, 0.1)):
            took = site.of(jobid, Ended)[0].time - site.of(jobid, Started)[0].time
            assert least - 0.003 <= took < least + 5
        assert not site.of(3, Ended)

    play(scenario)


def test_what_ends_together_is_one_batch():
    async def scenario(executor, site):
        for jobid in range(1000):
            executor.launch(job(jobid, run_duration=0.01))
        await site.ended(*range(1000))
        assert site.batches < 100

    play(scenario)


def test_a_cancelled_job_ends_with_its_signal():
    async def scenario(executor, site):
        executor.launch(job(1, run_duration=1000))
        await site.started(1)
        executor.stop(1, "cancel")
        executor.stop(1, "cancel")
        executor.signal(99, 15)
        await site.ended(1)
        assert site.status(1) == 15

    play(scenario)


def test_the_time_limit_holds_and_can_be_moved():
    async def scenario(executor, site):
        now = site.clock.now()
        executor.launch(job(1, expiration=now + 0.05, run_duration=1000))
        executor.launch(job(2, expiration=now + 0.05, run_duration=0.1))
        executor.set_expiration(2, 0.0)
        await site.ended(1, 2)
        assert site.raised(1) == [("timeout", "resource allocation expired")]
        assert site.status(1) == TIMEOUT_STATUS == 36352
        assert (site.status(2), site.raised(2)) == (0, [])

    play(scenario)


def test_mock_exceptions_and_bad_durations():
    async def scenario(executor, site):
        executor.launch(job(1, mock_exception="init"))
        executor.launch(job(2, mock_exception="run"))
        executor.launch(job(3, run_duration="soon"))
        await site.ended(1, 2, 3)
        assert site.raised(1) == [("exec", "mock init exception generated")]
        assert site.raised(2) == [("exec", "mock run exception generated")]
        assert site.raised(3)[0][0] == "exec"
        assert [bool(site.of(jobid, Started)) for jobid in (1, 2, 3)] == [False, True, False]

    play(scenario)


def test_a_restart_goes_on_from_the_start():
    async def first(executor, site):
        executor.launch(job(1, run_duration=0.2))
        await site.started(1)

    site = play(first)
    started = site.of(1, Started)[0].time

    async def second(executor, site):
        await site.ended(1, 2)
        assert not site.of(1, Started)
        assert site.of(2, Started)

    running = [job(1, started=started, run_duration=0.2), job(2)]
    after = play(second, running=running, durable=site.durable)
    assert abs(after.of(1, Ended)[0].time - started) >= 0.19


def test_logs_can_be_left_out():
    async def scenario(executor, site):
        executor.launch(job(1))
        await site.ended(1)
        assert [type(report) for report in site.reports] == [Started, Ended]

    play(scenario, logs=False)


def test_the_default_run_time():
    async def scenario(executor, site):
        executor.launch(job(1))
        await site.started(1)
        assert not site.of(1, Ended)
        await executor.close(leave=False)
        await site.ended(1)
        assert site.status(1) == 15

    play(scenario, run_time=1000.0)
