"""How many jobs have ended, by queue and result, and how many of them are still known: kept with the store, so that nobody has to count them.

Results are counted for good; `inactive` are those that have not been purged. Not here: active jobs, which the driver has at hand.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from fluxplug.instance import record as rec
from fluxplug.instance.jobs import decode, encode

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from fluxplug.instance.store import Store

RESULTS = {rec.COMPLETED: "successful", rec.FAILED: "failed", rec.CANCELED: "canceled", rec.TIMEOUT: "timeout"}
NAMES = (*RESULTS.values(), "inactive", "inactive_purged")
META = "counts"


class _Ended(msgspec.Struct):
    result: int
    queue: str = ""


_decode = msgspec.json.Decoder(_Ended).decode


class Counts:
    """The figures of one instance, from `store`. Where they do not fit its jobs, those are counted once: linear in them."""

    def __init__(self, store: Store) -> None:
        self._queues: dict[str, dict[str, int]] = decode(store.meta(META, b"{}"))
        there = store.count_ended()
        if self.of()["inactive"] != there:  # a purge was cut off by a crash, or the store is older than these figures
            known = bool(self._queues)
            for table in self._queues.values():
                table["inactive"] = 0
            for _, record in store.ended():
                found = _decode(record)
                table = self._table(found.queue)
                table["inactive"] += 1
                if not known:
                    table[RESULTS[found.result]] += 1
            for table in self._queues.values():  # what has ended and is not there was purged
                table["inactive_purged"] = sum(table[name] for name in RESULTS.values()) - table["inactive"]

    def ended(self, record: Mapping[str, Any]) -> None:
        """A job has ended."""
        table = self._table(record.get("queue", ""))
        table[RESULTS[record["result"]]] += 1
        table["inactive"] += 1

    def purged(self, records: Iterable[bytes]) -> None:
        """Jobs have been forgotten."""
        for record in records:
            table = self._table(_decode(record).queue)
            table["inactive"] -= 1
            table["inactive_purged"] += 1

    def of(self, queue: str | None = None) -> dict[str, int]:
        """The figures of one queue, or (None) of all together."""
        chosen = self._queues.values() if queue is None else [self._queues.get(queue, {})]
        return {name: sum(table.get(name, 0) for table in chosen) for name in NAMES}

    def __contains__(self, queue: str) -> bool:
        return queue in self._queues

    def kept(self) -> bytes:
        """What is stored under META."""
        return encode(self._queues)

    def _table(self, queue: str) -> dict[str, int]:
        table = self._queues.get(queue)
        if table is None:
            table = self._queues[queue] = dict.fromkeys(NAMES, 0)
        return table
