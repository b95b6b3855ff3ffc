"""The store: what is written together, what is read back, what survives, what is refused."""

from __future__ import annotations

import sqlite3

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fluxplug.instance.store import _SCHEMA, EVENTLOG, LOGS, Batch, Store, StoreError


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


def test_a_store_is_made_whole_or_not_at_all(tmp_path, monkeypatch):
    path = tmp_path / "store.sqlite"
    # As if the server had been killed on its way.
    monkeypatch.setattr("fluxplug.instance.store._SCHEMA", _SCHEMA.replace("CREATE TABLE entries", "CREATE nonsense"))
    with pytest.raises(StoreError):
        Store(path, power=False)
    monkeypatch.undo()
    Store(path, power=False).close()


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
    assert len(store.purge([3, 2, 1])) == 2  # 1 is active
    assert (store.job(3), store.job(2), store.log(3, EVENTLOG)) == (None, None, b"")
    assert store.log(1, EVENTLOG) == b"x\n"
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


def test_a_store_of_version_1_is_made_one_of_this_version(tmp_path):
    path = tmp_path / "store.sqlite"
    store = Store(path, power=False)
    first = batch_of((1, EVENTLOG, b"x\n"), jobs=[1])
    first.tokens["agent"] = 4
    first.meta["last_time"] = 50.0
    store.write(first)
    store.close()
    with sqlite3.connect(path) as connection:
        connection.executescript(
            "DROP INDEX in_environment; ALTER TABLE jobs DROP COLUMN base; ALTER TABLE tokens DROP COLUMN time; PRAGMA user_version = 1;"
        )
    connection.close()
    for _ in range(2):
        store = Store(path, power=False)
        store.check()
        assert (store.job(1), store.base(1)) == ((b"{}", None, None), b"{}")
        assert store.tokens() == {"agent": 4}
        assert store.trim_tokens(50.0) == 0
        store.close()


def test_the_first_jobspec_is_kept(store):
    store.write(batch_of(jobs=[1]))
    for text in (b"[1]", b"[2]"):
        update = Batch()
        update.jobspecs.append((text, 1))
        store.write(update)
    assert (store.job(1)[0], store.base(1), store.base(2)) == (b"[2]", b"{}", None)


def test_tokens_of_sources_that_are_gone_are_forgotten(store):
    for time, token in ((1.0, {"old": 1, "busy": 2, "told": 3}), (2.0, {"told": 4, "new": 5})):
        batch = batch_of(jobs=[int(time)])
        batch.tokens.update(token)
        batch.meta["last_time"] = time
        store.write(batch)
    launched = Batch()
    launched.allocations.append((b"{}", "0:busy,1:other", 1))
    store.write(launched)
    assert store.trim_tokens(1.0) == 0
    assert store.trim_tokens(2.0) == 1
    assert store.tokens() == {"busy": 2, "told": 4, "new": 5}
    store.write(batch_of(ended=[(3.0, b"{}", 1)]))
    assert store.trim_tokens(9.0) == 3
    assert store.tokens() == {}


def test_environments_are_shared_and_go_with_the_last_job_that_has_them(store):
    batch = Batch()
    batch.environments += [(b"a" * 16, b"A"), (b"b" * 16, b"B"), (b"c" * 16, b"C")]
    batch.jobs += [(1, 0, b"{}", b"a" * 16), (2, 0, b"{}", b"a" * 16), (3, 0, b"{}", b"b" * 16), (4, 0, b"{}", None)]
    store.write(batch)
    again = Batch()
    again.environments.append((b"a" * 16, b"A"))
    again.ended += [(1.0, b"{}", 1), (1.0, b"{}", 3)]
    store.write(again)
    store.purge([1, 3], keep=[b"c" * 16])
    assert [store.environment(jobid) for jobid in (2, 4)] == [b"A", None]
    kept = Batch()
    kept.jobs.append((5, 0, b"{}", b"c" * 16))
    kept.jobs.append((6, 0, b"{}", b"b" * 16))
    store.write(kept)
    assert [store.environment(jobid) for jobid in (5, 6)] == [b"C", None]  # b was nobody's
