"""JobStats: the counts of a real instance, of all its jobs and of those of a queue."""

from __future__ import annotations

import pytest

from fluxplug import Flux, job
from fluxplug.job import JobspecV1
from fluxplug.job.stats import JobStats


@pytest.fixture
def h(server, tmp_path):
    config = tmp_path / "sched.toml"
    config.write_text(
        '[sched]\nexecutor = "pretend"\n[resource]\nnodes = 2\ncores = 2\n[policy]\njobspec.defaults.system.queue = "a"\n'
        "[queues.a]\n[queues.b]\n"
    )
    one = server("--config", str(config))
    return Flux(one.uri)


def test_counts(h):
    for queue, urgency in (("a", 16), ("a", 0), ("b", 16), ("b", 16), ("b", 0)):
        jobid = job.submit(h, JobspecV1.from_command(["true"], queue=queue, environment={}), urgency=urgency)
        if urgency:
            job.result(h, jobid)
    job.cancel(h, jobid)
    stats = JobStats(h)
    assert (stats.total, stats.active) == (0, 0)
    assert stats.update_sync() is stats
    assert (stats.total, stats.inactive, stats.successful, stats.failed, stats.canceled, stats.timeout) == (
        5,
        4,
        3,
        1,
        1,
        0,
    )
    assert (stats.pending, stats.sched, stats.running, stats.active, stats.inactive_purged) == (1, 1, 0, 1, 0)
    of_b = JobStats(h, queue="b").update_sync()
    assert (of_b.total, of_b.successful, of_b.failed, of_b.active) == (3, 2, 1, 0)
    told = []
    of_a = JobStats(h, queue="a")
    of_a.update(lambda found, word: told.append((found, word)), word="yes")
    assert of_a.total == 0
    h.reactor_run()
    assert told == [(of_a, "yes")]
    assert (of_a.total, of_a.successful, of_a.pending) == (2, 1, 1)
    with pytest.raises(FileNotFoundError, match="No such queue: c"):
        JobStats(h, queue="c").update_sync()
