"""An instance in this process, to which things are done that cannot be done to a server from outside."""

import asyncio
import contextlib
import errno
import json
import time

import pytest

from fluxplug import clock
from fluxplug.config import load_config
from fluxplug.instance import protocol, unixsocket
from fluxplug.instance.app import make_app
from fluxplug.instance.instance import Instance
from fluxplug.instance.server import _server
from fluxplug.instance.store import Batch, StoreError
from fluxplug.testing.executors import task_jobspec


@pytest.fixture
def make(tmp_path):
    """`make()` is an instance on one state directory, the same at each call."""
    config = tmp_path / "sched.toml"
    config.write_text('[sched]\nexecutor = "pretend"\n[resource]\nnodes = 2\ncores = 4\n')
    statedir = tmp_path / "state"
    statedir.mkdir(mode=0o700)

    def build():
        loaded = load_config(config)
        return Instance(loaded, loaded.plugins, statedir, uri="local:///x", power=False)

    return build


async def submitted(instance, **fields):
    jobid = instance.driver.accept(task_jobspec("true"), fields.get("urgency", 16), 0, 0)
    await instance.driver.settled()
    return jobid


def times(instance, jobid):
    return [json.loads(line)["timestamp"] for line in instance.store.log(jobid, "eventlog").splitlines()]


def test_a_wall_clock_that_jumps_is_not_noticed(make, monkeypatch):
    """Neither in the life of a server nor from one to the next does time go back, and ids grow."""
    wall = {"offset": 0.0}
    read = time.time
    monkeypatch.setattr(clock.time, "time", lambda: read() + wall["offset"])

    async def life(jobs):
        instance = make()
        await instance.open()
        began = instance.clock.now()
        for offset in (86400.0, -86400.0, 0.0):
            wall["offset"] = offset
            jobs.append(await submitted(instance))
            await instance.job_requests.result(jobs[-1], 10)
        held = await submitted(instance, urgency=0)
        assert instance.clock.now() - began < 30
        instance.driver.check()
        await instance.close(leave=True)
        return held

    jobs, held = [], []
    for offset in (0.0, -400 * 86400.0, 86400.0, -1.0):
        wall["offset"] = offset
        held.append(asyncio.run(life(jobs)))
    assert jobs == sorted(set(jobs))
    instance = make()
    for jobid in (*jobs, *held):
        found = times(instance, jobid)
        assert found == sorted(found)
    instance.driver.check()
    instance.store.close()


def test_the_time_of_a_commit_is_after_all_that_is_in_it(make):
    """So a server that is killed now begins, in its next life, after every event of this one."""

    async def main():
        instance = make()
        await instance.open()
        found = []
        for _ in range(20):
            jobid = await submitted(instance)
            found.append((instance.store.meta("last_time"), max(times(instance, jobid))))
        await instance.close()
        return found

    found = asyncio.run(main())
    assert all(stored >= last for stored, last in found)


def test_it_ends_although_nothing_can_be_stored(make, monkeypatch):
    async def main():
        instance = make()
        await instance.open()
        first = await submitted(instance, urgency=0)

        def full(batch):
            raise StoreError("store.sqlite: database or disk is full")

        monkeypatch.setattr(instance.store, "write", full)
        waiting = asyncio.ensure_future(submitted(instance))
        while instance.driver.stuck is None:  # noqa: ASYNC110 - nothing tells of it
            await asyncio.sleep(0.01)
        with pytest.raises(OSError, match="disk is full") as refused:
            instance.driver.accept(task_jobspec("true"), 16, 0, 0)
        assert refused.value.errno == errno.ENOSPC
        await asyncio.wait_for(instance.close(), 10)
        with pytest.raises(OSError, match="cannot store") as refused:
            await waiting
        assert refused.value.errno == errno.ESHUTDOWN
        return first

    first = asyncio.run(main())
    monkeypatch.undo()
    again = make()
    assert list(again.driver.jobs) == [first]
    again.driver.check()
    again.store.close()


def test_what_is_stored_later_is_stored_whole(make, monkeypatch):
    async def main():
        instance = make()
        await instance.open()
        write, fails = instance.store.write, [True] * 3

        def flaky(batch):
            if fails:
                fails.pop()
                raise StoreError("store.sqlite: database or disk is full")
            return write(batch)

        monkeypatch.setattr(instance.store, "write", flaky)
        jobid = await submitted(instance)
        found = await instance.job_requests.result(jobid, 10)
        await instance.close()
        return found["result"]

    assert asyncio.run(main()) == 1
    monkeypatch.undo()
    instance = make()
    instance.store.check()
    assert "is full" in (instance.statedir / "log").read_text()
    instance.store.close()


def test_a_mistake_of_ours_ends_the_instance_loudly(make, monkeypatch):
    async def main():
        instance = make()
        heard = asyncio.get_running_loop().create_future()
        instance.on_failure = lambda *told: heard.set_result(told)
        await instance.open()

        def wrong(now):
            raise ZeroDivisionError("a mistake")

        instance.driver.soon(wrong)
        told = await asyncio.wait_for(heard, 10)
        await asyncio.wait_for(instance.close(leave=True), 10)
        return instance.failed, told, (instance.statedir / "log").read_text()

    failed, told, log = asyncio.run(main())
    assert "ZeroDivisionError: a mistake" in failed
    assert told == (failed, True)
    assert "Traceback" in log


def test_who_sends_too_slowly_is_cut_off(make, monkeypatch, tmp_path):
    monkeypatch.setattr(protocol, "PATIENCE", 0.3)

    async def main():
        instance = make()
        await instance.open()
        path = str(tmp_path / "socket")
        server = _server(make_app(instance, lambda *_: None), None)
        serving = asyncio.ensure_future(server.serve(sockets=[unixsocket.listen(path)]))
        await server.serving.wait()
        asked = b"GET /v1 HTTP/1.1\r\nHost: x\r\n\r\n"
        slow = [b"", b"GET /v1 HT", b"POST /v1/jobs HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n{", asked + b"GET"]
        streams = []
        for data in (*slow, asked, asked.replace(b"/v1", b"/v1/events?follow=true")):
            reader, writer = await asyncio.open_unix_connection(path)
            writer.write(data)
            streams.append((reader, writer))
        for reader, _ in streams[: len(slow)]:
            with contextlib.suppress(ConnectionResetError):
                await asyncio.wait_for(reader.read(), 10)
        # Who waits for an answer, or may ask again, is not.
        reader, writer = streams[-2]
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
        await asyncio.sleep(1.5)
        writer.write(asked)
        assert b"HTTP/1.1 200" in await asyncio.wait_for(reader.readuntil(b"HTTP/1.1 200"), 5)
        assert not streams[-1][0].at_eof()
        for _, writer in streams:
            writer.close()
        server.should_exit = True
        await instance.close()
        await serving

    asyncio.run(main())


def test_tokens_of_agents_that_are_gone_are_forgotten(make, monkeypatch):
    monkeypatch.setattr("fluxplug.instance.instance.PURGE_INTERVAL", 0.01)

    async def life():
        instance = make()
        for key, days in (("gone", 31), ("here", 29)):
            batch = Batch()
            batch.tokens[key] = 5
            batch.meta["last_time"] = instance.clock.now() - 86400 * days
            instance.store.write(batch)
        trimmed, trim = asyncio.Event(), instance.store.trim_tokens
        monkeypatch.setattr(instance.store, "trim_tokens", lambda before: trimmed.set() or trim(before))
        await instance.open()
        await trimmed.wait()
        await instance.driver.settled()
        assert instance.store.tokens() == {"here": 5}
        await instance.close()

    asyncio.run(asyncio.wait_for(life(), 20))
