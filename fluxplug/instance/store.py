"""What an instance keeps: jobs, their logs, what executors have told. SQLite in WAL mode, append-only entries, one transaction a tick.

    meta           key, value: the instance's identity, queue states, drained ranks, ...
    jobs           id -> jobspec (without environment), the one before any update, R, and, once it is inactive, its record
    environments   digest -> content: shared by the jobs that were submitted from the same one
    entries        seq -> a run of consecutive entries of one log of one job, as they stand in an RFC 18 log
    tokens         key -> last committed batch of an executor's source, and when

`seq` numbers every entry of the instance, in the order in which they became durable; the first entry of a run has the run's `seq`. So it numbers
the journal of all jobs, and a stream resumes from it. `write` runs in whatever thread the driver likes, one call at a time; everything else
reads through a connection of its own and sees what is committed.

`power` durability waits for the disk at each commit; `process` does not: what is committed then survives the death of any process.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from attrs import define, field

from fluxplug.errors import FluxplugError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

VERSION = 2

EVENTLOG = "eventlog"
LOGS = (EVENTLOG, "guest.exec.eventlog", "guest.output", "guest.input", "resource.eventlog")
"""Names of logs; the store keeps their places in this tuple."""
_NUMBER = {name: number for number, name in enumerate(LOGS)}

INSTANCE = 0
"""The id under which the instance's own logs (resource.eventlog) are kept."""

_SCHEMA = f"""
BEGIN;
CREATE TABLE meta(key TEXT PRIMARY KEY, value) WITHOUT ROWID;
CREATE TABLE environments(digest BLOB PRIMARY KEY, content BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE jobs(
  id INTEGER PRIMARY KEY, userid INTEGER NOT NULL, jobspec BLOB NOT NULL, environment BLOB, R BLOB, origin TEXT,
  t_inactive REAL, record BLOB, base BLOB
);
CREATE INDEX active ON jobs(id) WHERE t_inactive IS NULL;
CREATE INDEX ended ON jobs(t_inactive) WHERE t_inactive IS NOT NULL;
CREATE INDEX in_environment ON jobs(environment) WHERE environment IS NOT NULL;
CREATE TABLE entries(seq INTEGER PRIMARY KEY, id INTEGER NOT NULL, log INTEGER NOT NULL, count INTEGER NOT NULL, lines BLOB NOT NULL);
CREATE INDEX of_job ON entries(id, log);
CREATE TABLE tokens(key TEXT PRIMARY KEY, seq INTEGER NOT NULL, time REAL NOT NULL DEFAULT 0) WITHOUT ROWID;
PRAGMA user_version = {VERSION};
COMMIT;
"""
_SINCE_1 = """
BEGIN;
ALTER TABLE jobs ADD COLUMN base BLOB;
CREATE INDEX in_environment ON jobs(environment) WHERE environment IS NOT NULL;
ALTER TABLE tokens ADD COLUMN time REAL NOT NULL DEFAULT 0;
UPDATE tokens SET time = coalesce((SELECT value FROM meta WHERE key = 'last_time'), 0);
PRAGMA user_version = 2;
COMMIT;
"""
"""What makes a store of this version out of one of version 1."""


class StoreError(FluxplugError):
    """A store that cannot be opened, read or written; the text names the file."""


@define
class Batch:
    """What one tick makes durable, together or not at all.

    `lines`: (jobid, log name) to encoded entries, each ended by a newline. `jobs`: (id, userid, jobspec, digest of the environment or None).
    """

    jobs: list[tuple[int, int, bytes, bytes | None]] = field(factory=list)
    environments: list[tuple[bytes, bytes]] = field(factory=list)
    jobspecs: list[tuple[bytes, int]] = field(factory=list)
    allocations: list[tuple[bytes, str | None, int]] = field(factory=list)
    ended: list[tuple[float, bytes, int]] = field(factory=list)
    lines: dict[tuple[int, str], list[bytes]] = field(factory=dict)
    tokens: dict[str, int] = field(factory=dict)
    meta: dict[str, Any] = field(factory=dict)

    def add(self, jobid: int, log: str, line: bytes) -> None:
        """Append an entry to a log."""
        key = (jobid, log)
        lines = self.lines.get(key)
        if lines is None:
            self.lines[key] = [line]
        else:
            lines.append(line)

    def __bool__(self) -> bool:
        return bool(
            self.lines or self.jobs or self.tokens or self.meta or self.ended or self.allocations or self.jobspecs
        )


class Store:
    """One instance's file. `seq` is the number of entries ever written: the next one's number, counted from 1, is one more."""

    def __init__(self, path: Path, *, power: bool) -> None:
        """Open or create. Raises StoreError for a file that is no store of this version, or that cannot be used."""
        self.path = path
        try:
            self._writer = self._connect(path, power=power)
            try:
                self._prepare()
            except BaseException:
                self._writer.close()
                raise
            self._reader = self._connect(path, power=power)
            self._reader.execute("PRAGMA query_only = ON")
            last = self._reader.execute("SELECT seq + count - 1 FROM entries ORDER BY seq DESC LIMIT 1").fetchone()
            # Purged entries keep their numbers.
            self.seq: int = max(last[0] if last else 0, self.meta("seq", 0))
        except sqlite3.Error as error:
            raise StoreError(f"{path}: {error}") from None

    def _prepare(self) -> None:
        """Make a new file, or one of a former version, one of this version: whole or not at all."""
        version = self._writer.execute("PRAGMA user_version").fetchone()[0]
        if version == 0:
            self._writer.executescript(_SCHEMA)
        elif version == 1:
            self._writer.executescript(_SINCE_1)
        elif version != VERSION:
            raise StoreError(f"{self.path}: a store of version {version}; this is version {VERSION} of fluxplug's")

    @staticmethod
    def _connect(path: Path, *, power: bool) -> sqlite3.Connection:
        new = not path.exists() or not path.stat().st_size
        if new:
            os.close(os.open(path, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o600))
        connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=30)
        if new:
            connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(f"PRAGMA synchronous = {'FULL' if power else 'OFF'}")
        connection.execute("PRAGMA temp_store = MEMORY")
        return connection

    def write(self, batch: Batch) -> list[tuple[int, int, str, list[bytes]]]:
        """Commit a batch and return the runs of entries that it became: (seq of the first, jobid, log, lines).

        Raises StoreError, and nothing is written: the same batch may be tried again.
        """
        runs = []
        seq = self.seq
        rows = []
        for (jobid, log), lines in batch.lines.items():
            rows.append((seq + 1, jobid, _NUMBER[log], len(lines), b"".join(lines)))
            runs.append((seq + 1, jobid, log, lines))
            seq += len(lines)
        writer = self._writer

        def change() -> None:
            if batch.environments:
                writer.executemany("INSERT OR IGNORE INTO environments VALUES (?, ?)", batch.environments)
            if batch.jobs:
                writer.executemany("INSERT INTO jobs(id, userid, jobspec, environment) VALUES (?, ?, ?, ?)", batch.jobs)
            if batch.jobspecs:
                writer.executemany(
                    "UPDATE jobs SET base = coalesce(base, jobspec), jobspec = ? WHERE id = ?", batch.jobspecs
                )
            if batch.allocations:
                writer.executemany("UPDATE jobs SET R = ?, origin = ? WHERE id = ?", batch.allocations)
            if rows:
                writer.executemany("INSERT INTO entries VALUES (?, ?, ?, ?, ?)", rows)
            if batch.ended:
                writer.executemany("UPDATE jobs SET t_inactive = ?, record = ? WHERE id = ?", batch.ended)
            if batch.tokens:
                time = batch.meta.get("last_time", 0.0)
                tokens = [(key, number, time) for key, number in batch.tokens.items()]
                writer.executemany("INSERT OR REPLACE INTO tokens VALUES (?, ?, ?)", tokens)
            if batch.meta:
                writer.executemany("INSERT OR REPLACE INTO meta VALUES (?, ?)", batch.meta.items())

        self._change(change)
        self.seq = seq
        return runs

    # Reading.

    def _rows(self, sql: str, values: tuple[Any, ...] = ()) -> Iterator[Any]:
        try:
            yield from self._reader.execute(sql, values)
        except sqlite3.Error as error:
            raise StoreError(f"{self.path}: {error}") from error

    def _row(self, sql: str, values: tuple[Any, ...] = ()) -> Any:
        return next(self._rows(sql, values), None)

    def meta(self, key: str, default: Any = None) -> Any:
        """A value of the instance's own."""
        row = self._row("SELECT value FROM meta WHERE key = ?", (key,))
        return default if row is None else row[0]

    def tokens(self) -> dict[str, int]:
        """The last committed batch of each executor's source."""
        return dict(self._rows("SELECT key, seq FROM tokens"))

    def active(self) -> Iterator[tuple[int, bytes, bytes | None, str | None]]:
        """(id, jobspec, R, origin) of each job that is not over, by id."""
        return self._rows("SELECT id, jobspec, R, origin FROM jobs WHERE t_inactive IS NULL ORDER BY id")

    def job(self, jobid: int) -> tuple[bytes, bytes | None, bytes | None] | None:
        """(jobspec, R, record) of a job; the record is None while it is active. None: no such job."""
        row: tuple[bytes, bytes | None, bytes | None] | None = self._row(
            "SELECT jobspec, R, record FROM jobs WHERE id = ?", (jobid,)
        )
        return row

    def base(self, jobid: int) -> bytes | None:
        """The jobspec of a job as it was before any update; None: no such job."""
        row = self._row("SELECT coalesce(base, jobspec) FROM jobs WHERE id = ?", (jobid,))
        return None if row is None else row[0]

    def environment(self, jobid: int) -> bytes | None:
        """The environment with which a job was submitted, encoded; None where it had none."""
        row = self._row(
            "SELECT content FROM jobs JOIN environments ON digest = jobs.environment WHERE id = ?", (jobid,)
        )
        return None if row is None else row[0]

    def log(self, jobid: int, log: str) -> bytes:
        """A whole log, as RFC 18 has it; empty where there is none."""
        sql = "SELECT lines FROM entries WHERE id = ? AND log = ? ORDER BY seq"
        return b"".join(lines for (lines,) in self._rows(sql, (jobid, _NUMBER[log])))

    def after(self, jobid: int, log: str, seq: int) -> list[tuple[int, int, bytes]]:
        """(seq, count, lines) of the runs of a log that begin after number `seq`."""
        return list(
            self._rows(
                "SELECT seq, count, lines FROM entries WHERE id = ? AND log = ? AND seq > ? ORDER BY seq LIMIT 1000",
                (jobid, _NUMBER[log], seq),
            )
        )

    def journal(self, since: int, limit: int) -> list[tuple[int, int, bytes]]:
        """Up to `limit` runs (seq, jobid, lines) of event logs with entries beyond number `since`, in order."""
        found = self._rows(
            "SELECT seq, id, lines FROM entries WHERE seq + count > ? AND seq >= ? AND log = 0 ORDER BY seq LIMIT ?",
            (since + 1, self._run_with(since), limit),
        )
        return list(found)

    def _run_with(self, seq: int) -> int:
        row = self._row("SELECT max(seq) FROM entries WHERE seq <= ?", (max(seq, 1),))
        return row[0] or 0

    def ended(self, since: float = 0.0, before: float | None = None, limit: int = -1) -> Iterator[tuple[int, bytes]]:
        """(id, record) of inactive jobs, the last to end first, that ended after `since` (and before `before`)."""
        return self._rows(
            "SELECT id, record FROM jobs WHERE t_inactive > ? AND t_inactive < ? ORDER BY t_inactive DESC, id DESC LIMIT ?",
            (since, 9e99 if before is None else before, limit),
        )

    def last_id(self) -> int | None:
        """The largest id that any job has ever had."""
        row = self._row("SELECT max(id) FROM jobs")
        last = max(row[0] or 0, self.meta("last_id", 0))
        return last or None

    def count_ended(self) -> int:
        """How many inactive jobs there are."""
        return int(self._row("SELECT count(*) FROM jobs WHERE t_inactive IS NOT NULL")[0])

    def count_ended_before(self, before: float) -> int:
        """How many inactive jobs ended before an instant. Linear in them."""
        return int(self._row("SELECT count(*) FROM jobs WHERE t_inactive < ?", (before,))[0])

    def oldest_ended(self, before: float, limit: int) -> list[int]:
        """Up to `limit` ids of inactive jobs that ended before an instant, the oldest first."""
        found = self._rows("SELECT id FROM jobs WHERE t_inactive < ? ORDER BY t_inactive, id LIMIT ?", (before, limit))
        return [jobid for (jobid,) in found]

    def size(self) -> int:
        """Bytes on disk, the write-ahead log included."""
        files = (self.path, self.path.with_name(self.path.name + "-wal"))
        return sum(os.stat(file).st_size for file in files if file.exists())  # noqa: PTH116 - one call less

    def purge(self, jobids: Iterable[int], keep: Iterable[bytes] = ()) -> list[bytes]:
        """Forget those of these jobs that are inactive, with all that belongs to them; returns their records.

        Environments that no job has any more go too, but for those that are named in `keep`. Linear in what is forgotten. Raises StoreError;
        then none is forgotten.
        """
        writer = self._writer
        rows: list[tuple[int, bytes, bytes | None]] = []
        for jobid in jobids:
            sql = "SELECT id, record, environment FROM jobs WHERE id = ? AND t_inactive IS NOT NULL"
            rows += self._rows(sql, (jobid,))

        def forget() -> None:
            writer.execute("INSERT OR REPLACE INTO meta VALUES ('seq', ?)", (self.seq,))
            writer.execute("INSERT OR REPLACE INTO meta SELECT 'last_id', max(id) FROM jobs")
            writer.executemany("DELETE FROM entries WHERE id = ?", [row[:1] for row in rows])
            writer.executemany("DELETE FROM jobs WHERE id = ?", [row[:1] for row in rows])
            writer.executemany(
                "DELETE FROM environments WHERE digest = ?1 AND NOT EXISTS (SELECT 1 FROM jobs WHERE environment = ?1)",
                [(digest,) for digest in {row[2] for row in rows}.difference(keep, [None])],
            )

        if rows:
            self._change(forget)
            with suppress(sqlite3.Error):  # else another time
                writer.execute("PRAGMA incremental_vacuum(1000)").fetchall()
        return [record for _, record, _ in rows]

    def trim_tokens(self, before: float) -> int:
        """Forget the tokens that were last written before an instant, but for those of sources that active jobs were launched through.

        A source is named in the `origin` of such a job. Returns how many are gone. Raises StoreError; then none is.
        """
        old = [key for (key,) in self._rows("SELECT key FROM tokens WHERE time < ?", (before,))]
        if not old:
            return 0
        origins = [origin for *_, origin in self.active() if origin]
        gone = [(key,) for key in old if not any(key in origin for origin in origins)]
        self._change(lambda: self._writer.executemany("DELETE FROM tokens WHERE key = ?", gone))
        return len(gone)

    def _change(self, change: Callable[[], object]) -> None:
        """Make a change whole or not at all. Raises StoreError."""
        writer = self._writer
        try:
            writer.execute("BEGIN IMMEDIATE")
            try:
                change()
                writer.execute("COMMIT")
            except BaseException:
                if writer.in_transaction:
                    writer.execute("ROLLBACK")
                raise
        except sqlite3.Error as error:
            raise StoreError(f"{self.path}: {error}") from error

    def check(self) -> None:
        """Raise AssertionError where the file contradicts itself: entries overlap, or an ended job has no record."""
        last = 0
        for seq, count, lines in self._rows("SELECT seq, count, lines FROM entries ORDER BY seq"):
            assert seq > last, (seq, last)
            assert lines.count(b"\n") == count, seq
            assert lines.endswith(b"\n"), seq
            last = seq + count - 1
        assert last <= self.seq, (last, self.seq)
        assert self._row("SELECT 1 FROM jobs WHERE (t_inactive IS NULL) <> (record IS NULL)") is None
        assert self._row("PRAGMA quick_check")[0] == "ok"

    def close(self) -> None:
        """Write everything back into the one file and let go of it."""
        self._reader.close()
        self._writer.close()
