"""Priorities of several factors, each from 0 to 1 and with a weight of its own: age, size, queue, urgency and fair share.

The factors are those that SchedMD documents for Slurm ("Multifactor Priority Plugin", slurm.schedmd.com/priority_multifactor.html, and "Classic
Fairshare Algorithm", slurm.schedmd.com/classic_fair_share.html); the half-life of usage is that of J. Kay and P. Lauder, "A fair share
scheduler", CACM 31(1), 1988.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from attrs import frozen

from fluxplug.config import option
from fluxplug.errors import ConfigError
from fluxplug.hookspecs import hookimpl
from fluxplug.priority import PriorityPlugin, PrioritySite
from fluxplug_priority_multifactor.usage import Ledger

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fluxplug.engine.job import Job

LOWEST, HIGHEST = 1, 2**32 - 2
"""0 is for held jobs, and the highest number for expedited ones."""
URGENCIES = 30  # those that are neither held nor expedited go up to this
MAX_WEIGHT = 10**9


class Multifactor(PriorityPlugin):
    """Several factors, each from 0 to 1, times their weights:

    - age: how long the job has waited since it was submitted, of `max-age` at most;
    - size: the part of the machine that it asks for, or, with `favor = "small"`, the part that it leaves;
    - queue: what `queue-factors` says of its queue, 0 where nothing;
    - urgency: its urgency, as a part of 30;
    - fairshare: 1 for who has used nothing lately, 0.5 for who has used as much as is their share, toward 0 for more.

    Usage is core seconds, by bank and by user in it, and halves in every `half-life`. All pending jobs are looked at again every `interval`.
    """

    name = "multifactor"

    @frozen
    class Config:
        interval: float = option(
            300.0, help="time between two looks at all pending jobs; inf: only as they come in", unit="seconds", min=1
        )
        weight_age: int = option(1000, help="weight of the waiting time", min=0, max=MAX_WEIGHT)
        weight_size: int = option(0, help="weight of the size", min=0, max=MAX_WEIGHT)
        weight_queue: int = option(10_000, help="weight of the queue's factor", min=0, max=MAX_WEIGHT)
        weight_urgency: int = option(30_000, help="weight of the urgency", min=0, max=MAX_WEIGHT)
        weight_fairshare: int = option(10_000, help="weight of the fair share", min=0, max=MAX_WEIGHT)
        max_age: float = option(604_800.0, help="the wait at which the age factor is 1", unit="seconds", min=1)
        favor: str = option("large", help="which jobs have the higher size factor", choices=("large", "small"))
        queue_factors: dict[str, Any] = option({}, help="a factor from 0 to 1 for each queue, like {debug = 1}")  # noqa: RUF009
        half_life: float = option(
            604_800.0, help="the time in which usage loses half its weight; inf: none", unit="seconds", min=1
        )
        damping: float = option(1.0, help="how much usage it takes: at 2, twice one's share gives 0.5", min=0.001)
        account: str = option("bank", help="the attribute that names a job's bank", choices=("bank", "project"))
        bank_shares: dict[str, Any] = option({}, help="shares of banks that have not 1, like {astro = 3}")  # noqa: RUF009
        user_shares: dict[str, Any] = option({}, help="shares of users in their banks, by name or number")  # noqa: RUF009

        def __attrs_post_init__(self) -> None:
            _check_numbers("queue-factors", self.queue_factors, 0, 1)
            _check_numbers("bank-shares", self.bank_shares, 0.001, 10**9)
            _check_numbers("user-shares", self.user_shares, 0.001, 10**9)

    config: Config

    def __init__(self, config: Config | None = None, site: PrioritySite | None = None) -> None:
        super().__init__(config, site)
        config = self.config
        known = self.site.queues
        if known:
            for name in config.queue_factors:
                if name not in known:
                    raise ConfigError(
                        f"[priority.{self.name}] queue-factors: no queue is named {name!r}; queues: {', '.join(filter(None, known)) or 'none'}"
                    )
        self.interval = None if config.interval == math.inf else config.interval
        shares = {_userid(name): float(share) for name, share in config.user_shares.items()}
        self.ledger = Ledger(config.half_life, config.bank_shares, shares, config.damping)
        self._known: dict[tuple[str, int], float] = {}
        self._known_at: tuple[float, int] = (-math.inf, 0)

    def priority(self, job: Job, now: float) -> int:
        self.ledger.enrol(self._bank(_system(job)), job.userid)
        found = self.factors(job, now)
        config = self.config
        total = (
            config.weight_age * found["age"]
            + config.weight_size * found["size"]
            + config.weight_queue * found["queue"]
            + config.weight_urgency * found["urgency"]
            + config.weight_fairshare * found["fairshare"]
        )
        return max(LOWEST, min(HIGHEST, int(total)))

    def factors(self, job: Job, now: float) -> dict[str, float]:
        """The factors of a job by name, each from 0 to 1; their weighted sum is its priority."""
        config = self.config
        system = _system(job)
        queue = system.get("queue") or job.queue
        return {
            "age": min(1.0, max(0.0, now - job.submitted) / config.max_age),
            "size": self._size(job),
            "queue": float(config.queue_factors.get(queue, 0)) if isinstance(queue, str) else 0.0,
            "urgency": min(1.0, max(0, job.urgency) / URGENCIES),
            "fairshare": self._fairshare(self._bank(system), job.userid, now),
        }

    def _size(self, job: Job) -> float:
        """The part of the machine that a job asks for: of its cores or of its nodes, whichever is more."""
        site, request = self.site, job.request
        cores = request.ncores / site.cores if site.cores else 0.0
        nodes = getattr(request, "nnodes", 0) / site.nodes if site.nodes else 0.0
        size = min(1.0, max(cores, nodes))
        return size if self.config.favor == "large" else 1.0 - size

    def _bank(self, system: Mapping[str, Any]) -> str:
        bank = system.get(self.config.account)
        return bank if isinstance(bank, str) else ""

    def _fairshare(self, bank: str, userid: int, now: float) -> float:
        """As the ledger says, once for all jobs of a user at an instant."""
        at = (now, self.ledger.changes)
        if at != self._known_at:
            self._known_at = at
            self._known.clear()
        found = self._known.get((bank, userid))
        if found is None:
            found = self._known[bank, userid] = self.ledger.fairshare(bank, userid, now)
        return found

    def started(self, job: Job, now: float) -> None:
        self.ledger.start(job.jobid, self._bank(_system(job)), job.userid, job.R.count("core"), now)

    def ended(self, job: Job, now: float) -> None:
        self.ledger.end(job.jobid, now)

    def state(self) -> dict[str, Any]:
        return self.ledger.state()

    def restore(self, document: Mapping[str, Any]) -> None:
        self.ledger.restore(document)


def _system(job: Job) -> Mapping[str, Any]:
    """`attributes.system` of a job's jobspec; empty where there is none."""
    attributes = (job.jobspec or {}).get("attributes") or {}
    return attributes.get("system") or {}


def _check_numbers(key: str, table: dict[str, Any], low: float, high: float) -> None:
    for name, value in table.items():
        if type(value) not in (int, float) or not low <= value <= high:
            raise ValueError(f"{key}.{name}: expected a number from {low:g} to {high:g}, got {value!r:.40}")


def _userid(name: str) -> int:
    """A user's number. Raises ConfigError for a name that this machine does not know."""
    if name.isascii() and name.isdigit():
        return int(name)
    import pwd  # noqa: PLC0415 - most sites give everybody the same

    try:
        return pwd.getpwnam(name).pw_uid
    except KeyError:
        raise ConfigError(
            f"[priority.{Multifactor.name}] user-shares: this machine knows no user {name!r}; write the user's number"
        ) from None


@hookimpl
def fluxplug_register_priorities() -> list[type[PriorityPlugin]]:
    return [Multifactor]
