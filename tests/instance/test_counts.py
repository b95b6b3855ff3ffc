"""The figures that are kept: equal to what counting would say, and counted anew where they cannot be right."""

from __future__ import annotations

import json
import random

import pytest

from fluxplug.instance.counts import META, NAMES, RESULTS, Counts
from fluxplug.instance.store import Batch, Store


@pytest.fixture
def store(tmp_path):
    made = Store(tmp_path / "store.sqlite", power=False)
    yield made
    made.close()


def end(store, counts, jobid, queue, result, *, kept=True):
    record = {"id": jobid, "result": result, **({"queue": queue} if queue else {})}
    batch = Batch()
    batch.jobs.append((jobid, 0, b"{}", None))
    batch.ended.append((float(jobid), json.dumps(record).encode(), jobid))
    counts.ended(record)
    if kept:
        batch.meta[META] = counts.kept()
    store.write(batch)


def test_what_is_kept_is_what_counting_says(store):
    rng = random.Random(4)
    counts = Counts(store)
    wanted = {}
    for jobid in range(1, 200):
        queue, result = rng.choice(["", "a", "b"]), rng.choice(list(RESULTS))
        end(store, counts, jobid, queue, result)
        table = wanted.setdefault(queue, dict.fromkeys(NAMES, 0))
        table[RESULTS[result]] += 1
        table["inactive"] += 1
    again = Counts(store)
    for found in (counts, again):
        assert {queue: found.of(queue) for queue in wanted} == wanted
        assert found.of() == {name: sum(table[name] for table in wanted.values()) for name in NAMES}
    assert "a" in again
    assert "c" not in again
    assert again.of("c") == dict.fromkeys(NAMES, 0)


def test_figures_that_are_not_kept_are_counted(store):
    counts = Counts(store)
    for jobid, queue in enumerate(["a", "a", "b"], 1):
        end(store, counts, jobid, queue, 1, kept=False)
    assert Counts(store).of() == counts.of()


def test_a_purge_that_was_cut_off(store):
    counts = Counts(store)
    for jobid in range(1, 5):
        end(store, counts, jobid, "a", 2)
    counts.purged(store.purge([1, 2]))
    assert counts.of("a") == {**dict.fromkeys(NAMES, 0), "failed": 4, "inactive": 2, "inactive_purged": 2}
    assert Counts(store).of("a") == counts.of("a")  # although the figures of the purge were not stored
