"""The store: what is written together, what is read back, what survives, what is refused."""

from __future__ import annotations

import sqlite3

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fluxplug.instance.store import EVENTLOG, LOGS, Batch, Store, StoreError


@pytest.fixture
def store(tmp_path):
    made = Store(tmp_path / "store.sqlite", power=False)
    yield made
    made.close()


def batch_of(*entries, jobs=(), ended=()):
    batch = Batch()
    for jobid, log, line in entries:
        batch.add(jobid, log, line)
    batch.jobs += [(jobid, 0, b"{}", None) for jobid in jobs]
    batch.ended += ended
    return batch


def test_a_batch_is_there_whole_and_in_order(store):
    runs = store.write(batch_of((1, EVENTLOG, b"a\n"), (1, EVENTLOG, b"b\n"), (1, "guest.output", b"c\n"), jobs=[1]))
    assert runs == [(1, 1, EVENTLOG, [b"a\n", b"b\n"]), (3, 1, "guest.output", [b"c\n"])]
    store.write(batch_of((1, EVENTLOG, b"d\n")))
    assert store.log(1, EVENTLOG) == b"a\nb\nd\n"
    assert store.after(1, EVENTLOG, 1) == [(4, 1, b"d\n")]
    assert store.journal(1, 10) == [(1, 1, b"a\nb\n"), (4, 1, b"d\n")]
    assert store.journal(2, 10) == [(4, 1, b"d\n")]
    assert store.journal(4, 10) == []
    assert store.job(1) == (b"{}", None, None)
    assert [row[0] for row in store.active()] == [1]
    store.write(batch_of(ended=[(5.0, b"{}", 1)]))
    assert list(store.active()) == []
    assert list(store.ended()) == [(1, b"{}")]
    store.check()


def test_a_batch_that_cannot_be_written_leaves_nothing_and_may_be_tried_again(store):
    store.write(batch_of(jobs=[7]))
    batch = batch_of((8, EVENTLOG, b"x\n"), jobs=[8, 7])  # 7 is there already
    with pytest.raises(StoreError):
        store.write(batch)
    assert (store.job(8), store.log(8, EVENTLOG), store.seq) == (None, b"", 0)
    batch.jobs.pop()
    store.write(batch)
    assert store.log(8, EVENTLOG) == b"x\n"


@given(
    st.lists(st.lists(st.tuples(st.integers(1, 4), st.sampled_from(LOGS[:4])), max_size=6), max_size=12),
    st.integers(0, 60),
)
def test_the_journal_resumes_from_any_number(tmp_path_factory, batches, since):
    path = tmp_path_factory.mktemp("store") / "store.sqlite"
    store = Store(path, power=False)
    number, journal, logs = 0, [], {}
    for entries in batches:
        runs = store.write(batch_of(*[(jobid, log, b"%d %d\n" % (jobid, i)) for i, (jobid, log) in enumerate(entries)]))
        for seq, jobid, log, lines in runs:
            assert seq == number + 1
            number += len(lines)
            logs.setdefault((jobid, log), []).extend(lines)
            if log == EVENTLOG:
                journal += [(seq + i, line) for i, line in enumerate(lines)]
    store.close()
    store = Store(path, power=True)
    assert store.seq == number
    found = [
        (seq + i, line)
        for seq, _, lines in store.journal(since, 1000)
        for i, line in enumerate(lines.splitlines(keepends=True))
    ]
    assert [entry for entry in found if entry[0] > since] == [entry for entry in journal if entry[0] > since]
    for (jobid, log), lines in logs.items():
        assert store.log(jobid, log) == b"".join(lines)
    store.check()
    store.close()


def test_purged_jobs_leave_no_number_to_be_used_again(tmp_path):
    path = tmp_path / "store.sqlite"
    store = Store(path, power=False)
    store.write(batch_of(*[(jobid, EVENTLOG, b"x\n") for jobid in (1, 2, 3)], jobs=[1, 2, 3]))
    store.write(batch_of(ended=[(1.0, b"{}", 3), (2.0, b"{}", 2)]))
    assert store.oldest_ended(9, 10) == [3, 2]
    assert store.oldest_ended(1.5, 10) == [3]
    store.purge([3, 2, 1])  # 1 is active
    assert (store.job(3), store.job(2), store.log(3, EVENTLOG)) == (None, None, b"")
    assert store.count_ended() == 0
    seq = store.seq
    store.close()
    store = Store(path, power=False)
    assert (store.seq, store.last_id()) == (seq, 3)
    store.close()


def test_what_is_no_store_of_this_version_is_refused(tmp_path):
    path = tmp_path / "store.sqlite"
    path.write_text("no database at all, but long enough to be looked at" * 100)
    with pytest.raises(StoreError, match=r"store\.sqlite"):
        Store(path, power=False)
    newer = tmp_path / "newer.sqlite"
    with sqlite3.connect(newer) as connection:
        connection.execute("PRAGMA user_version = 99")
    with pytest.raises(StoreError, match="version 99"):
        Store(newer, power=False)
