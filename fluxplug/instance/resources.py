"""Which ranks can be used, and why not: online or not, excluded, drained (RFC 44). What is held, and what could be, is the pool's.

A rank is schedulable when its host is online and up, and it is neither excluded nor drained. Each change gives entries for the instance's
`resource.eventlog`; the driver tells the engine what has become schedulable or has ceased to be.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Any

from attrs import define, field

from fluxplug.errors import FluxplugError
from fluxplug.resource.rset import Rv1Set
from fluxplug.values.hostlist import Hostlist
from fluxplug.values.idset import IDset

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    Entry = tuple[str, dict[str, Any]]


class TargetError(FluxplugError, OSError):
    """Ranks or hosts that a request names and that cannot be treated so."""


@define
class Resources:
    """The state of the ranks of one R. `drained` maps a rank to (since, reason), `absent` one that is not online to the executor's reason."""

    whole: Rv1Set
    online: IDset = field(factory=IDset)
    excluded: IDset = field(factory=IDset)
    admin_down: IDset = field(factory=IDset)
    drained: dict[int, tuple[float, str]] = field(factory=dict)
    absent: dict[int, str] = field(factory=dict)

    @property
    def ranks(self) -> IDset:
        """All there are."""
        return self.whole.ranks

    def schedulable(self) -> IDset:
        """The ranks that may be given to jobs."""
        return self.online.difference(self.excluded).difference(self.admin_down).difference(IDset(self.drained))

    def targets(self, text: str) -> IDset:
        """The ranks that an idset or a hostlist names. Raises TargetError for what the instance has not."""
        try:
            found = IDset(text)
        except ValueError:
            found = None
        if found is not None:
            if not found:
                raise TargetError(errno.EINVAL, "no targets: give ranks (0-3) or hosts")
            strangers = found.difference(self.ranks)
            if strangers:
                raise TargetError(errno.EINVAL, f"no rank {strangers}; there are {self.ranks}")
            return found
        try:
            hosts = Hostlist(text)
            return IDset(self.whole.host_ranks(hosts))
        except (ValueError, OSError) as error:
            reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            raise TargetError(errno.EINVAL, f"{text[:80]}: {reason}") from None

    def entry(self, name: str, ranks: IDset, **context: Any) -> Entry:
        """An entry of the resource event log."""
        return name, {"idset": str(ranks), **context}

    def came(self, ranks: str) -> list[Entry]:
        """Hosts are there."""
        new = IDset(ranks).intersect(self.ranks).difference(self.online)
        self.online.add(new)
        for rank in new:
            self.absent.pop(rank, None)
        return [self.entry("online", new)] if new else []

    def went(self, ranks: str, reason: str) -> list[Entry]:
        """Hosts are gone, or still not there, for another reason."""
        concerned = IDset(ranks).intersect(self.ranks)
        self.absent.update(dict.fromkeys(concerned, reason))
        gone = self.online.intersect(concerned)
        self.online.subtract(gone)
        return [self.entry("offline", gone, reason=reason)] if gone else []

    def drain(
        self, targets: IDset, reason: str, now: float, *, overwrite: int = 0, update: bool = False
    ) -> list[Entry]:
        """Take ranks out of service. `overwrite` as in RFC 44; `update`: leave out those that are drained. Raises TargetError, and drains none."""
        if outside := targets.intersect(self.excluded):
            raise TargetError(errno.EINVAL, f"rank {outside} is excluded and cannot be drained")
        already = IDset([rank for rank in targets if rank in self.drained])
        if update:
            targets = targets.difference(already)
            if not targets:
                return []
        elif already and not overwrite and any(self.drained[rank][1] for rank in already):
            raise TargetError(errno.EEXIST, f"rank {already} already drained")
        for rank in targets:
            since, old = self.drained.get(rank, (now, ""))
            self.drained[rank] = (now if overwrite == 2 else since, reason or old if rank in already else reason)
        hosts = str(self.whole.copy_ranks(targets).nodelist)
        context: dict[str, Any] = {"nodelist": hosts, "overwrite": overwrite}
        if reason:
            context["reason"] = reason
        return [self.entry("drain", targets, **context)]

    def undrain(self, targets: IDset, reason: str, *, update: bool = False) -> list[Entry]:
        """Put ranks back into service. Raises TargetError where one is not drained, unless `update`."""
        fresh = IDset([rank for rank in targets if rank not in self.drained])
        if update:
            targets = targets.difference(fresh)
            if not targets:
                return []
        elif fresh:
            raise TargetError(errno.EINVAL, f"rank {fresh} not drained")
        for rank in targets:
            del self.drained[rank]
        context = {"nodelist": str(self.whole.copy_ranks(targets).nodelist)}
        if reason:
            context["reason"] = reason
        return [self.entry("undrain", targets, **context)]

    def set_down(self, targets: IDset, reason: str) -> list[Entry]:
        """An administrator says that hosts are down."""
        new = targets.difference(self.admin_down)
        self.admin_down.add(new)
        return [self.entry("offline", new, reason=reason)] if new else []

    def set_up(self, targets: IDset, reason: str) -> list[Entry]:
        """An administrator takes that back."""
        new = targets.intersect(self.admin_down)
        self.admin_down.subtract(new)
        return [self.entry("online", new, reason=reason)] if new else []

    def drain_table(self) -> dict[str, dict[str, Any]]:
        """The drained ranks as listings have them: idset to {timestamp, reason}."""
        groups: dict[tuple[float, str], list[int]] = {}
        for rank in sorted(self.drained):
            groups.setdefault(self.drained[rank], []).append(rank)
        return {str(IDset(ranks)): {"timestamp": when, "reason": why} for (when, why), ranks in groups.items()}

    def absent_table(self) -> dict[str, str]:
        """Why ranks are not online: idset to reason, for those of which it is known."""
        groups: dict[str, list[int]] = {}
        for rank in sorted(self.absent):
            groups.setdefault(self.absent[rank], []).append(rank)
        return {str(IDset(ranks)): reason for reason, ranks in groups.items()}

    def kept(self) -> dict[str, Any]:
        """What survives a restart, as a document: what administrators said, not who is online."""
        return {
            "drained": {str(rank): list(self.drained[rank]) for rank in sorted(self.drained)},
            "down": str(self.admin_down),
        }

    def restore(self, document: Mapping[str, Any]) -> None:
        """Take over what `kept` gave; ranks that are gone are left out."""
        ranks = set(self.ranks)
        for rank, (since, reason) in document["drained"].items():
            if int(rank) in ranks:
                self.drained[int(rank)] = (since, reason)
        self.admin_down = IDset(document["down"]).intersect(self.ranks)


def held(pieces: Iterable[Mapping[str, Any]]) -> Rv1Set:
    """The union of the R documents of running jobs."""
    whole = Rv1Set()
    for piece in pieces:
        whole.append(piece)
    return whole
