"""What users and banks have used lately: core seconds that lose half their weight in every half-life, and fair shares of them.

The ledger knows who has how many cores right now, so that usage at any instant is one formula and not a sum over periods:

    usage(t) = usage(t0) * d + cores * h / ln 2 * (1 - d),    d = 2 ** -((t - t0) / h)

Used by the plugin alone. Not here: jobs, weights and configuration.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from attrs import define, field

from fluxplug.errors import DocumentError

if TYPE_CHECKING:
    from collections.abc import Mapping

VERSION = 1


@define
class Account:
    """Decayed core seconds up to `time`, and the cores in use since."""

    used: float = 0.0
    time: float = 0.0
    cores: int = 0

    def at(self, now: float, half_life: float) -> float:
        """The usage at an instant that is not before `time`."""
        past = max(0.0, now - self.time)
        if half_life == math.inf:
            return self.used + self.cores * past
        decay = math.pow(2.0, -past / half_life)
        return self.used * decay + self.cores * half_life / math.log(2) * (1.0 - decay)

    def change(self, cores: int, now: float, half_life: float) -> None:
        """From now on so many cores more are in use, or fewer."""
        self.used = self.at(now, half_life)
        self.time = max(self.time, now)
        self.cores += cores


@define(eq=False)
class Ledger:
    """Usage by bank and user, and what share of the machine is theirs.

    `bank_shares` and `user_shares` say who has more or fewer shares than one. The users of a bank are those who were enrolled, and so are the banks,
    beside those with shares of their own.
    """

    half_life: float
    bank_shares: Mapping[str, float] = field(factory=dict)
    user_shares: Mapping[int, float] = field(factory=dict)
    damping: float = 1.0
    total: Account = field(init=False, factory=Account)
    banks: dict[str, Account] = field(init=False, factory=dict)
    users: dict[str, dict[int, Account]] = field(init=False, factory=dict)
    running: dict[int, tuple[str, int, int]] = field(init=False, factory=dict)
    changes: int = field(init=False, default=0)
    _all_banks: float | None = field(init=False, default=None)
    _all_users: dict[str, float] = field(init=False, factory=dict)

    def enrol(self, bank: str, userid: int) -> None:
        """Somebody has jobs: from now on the machine is shared with them, though they have used nothing yet."""
        users = self.users.get(bank)
        if users is None or userid not in users:
            self.changes += 1
            self._all_banks = None
            self._all_users.pop(bank, None)
            self.banks.setdefault(bank, Account())
            self.users.setdefault(bank, {})[userid] = Account()

    def start(self, jobid: int, bank: str, userid: int, cores: int, now: float) -> None:
        """A job has got its cores; nothing happens if it has them already."""
        if jobid not in self.running:
            self.running[jobid] = (bank, userid, cores)
            self._change(bank, userid, cores, now)

    def end(self, jobid: int, now: float) -> None:
        """A job has left its cores; nothing happens if it has none."""
        known = self.running.pop(jobid, None)
        if known is not None:
            bank, userid, cores = known
            self._change(bank, userid, -cores, now)

    def _change(self, bank: str, userid: int, cores: int, now: float) -> None:
        self.enrol(bank, userid)
        self.changes += 1
        for account in (self.total, self.banks[bank], self.users[bank][userid]):
            account.change(cores, now, self.half_life)

    def share(self, bank: str, userid: int) -> tuple[float, float]:
        """The part of the machine that is a user's in a bank, and the part of the bank that is; both above 0, at most 1.

        O(1), but for the first call after an enrolment.
        """
        mine, whose = self.bank_shares.get(bank, 1.0), self.user_shares.get(userid, 1.0)
        if self._all_banks is None:
            self._all_banks = math.fsum(self.bank_shares.get(one, 1.0) for one in {**self.bank_shares, **self.banks})
        if bank not in self._all_users:
            self._all_users[bank] = math.fsum(self.user_shares.get(one, 1.0) for one in self.users.get(bank, ()))
        banks, users = self._all_banks, self._all_users[bank]
        if bank not in self.banks and bank not in self.bank_shares:
            banks += mine
        if userid not in self.users.get(bank, ()):
            users += whose
        return mine / banks * (whose / users), whose / users

    def fairshare(self, bank: str, userid: int, now: float) -> float:
        """From 1, nothing used, over 0.5, as much used as is one's share, to 0. A user pays in part for what others of the bank used.

        The formula is Slurm's classic one (F = 2 ** -(U / S / d), with the effective usage U of its two-level hierarchy).
        """
        total = self.total.at(now, self.half_life)
        if total <= 0:
            return 1.0
        own = self.users.get(bank, {}).get(userid, _NOTHING).at(now, self.half_life) / total
        whole = self.banks.get(bank, _NOTHING).at(now, self.half_life) / total
        share, of_bank = self.share(bank, userid)
        effective = min(1.0, max(0.0, own + (whole - own) * of_bank))
        return math.pow(2.0, -min(1000.0, effective / share / self.damping))

    def state(self) -> dict[str, Any]:
        """Everything but the configuration, as JSON: floats come back as they were."""
        return {
            "version": VERSION,
            "total": _row(self.total),
            "banks": [[bank, *_row(account)] for bank, account in self.banks.items()],
            "users": [[bank, user, *_row(one)] for bank, users in self.users.items() for user, one in users.items()],
            "running": [[jobid, *who] for jobid, who in self.running.items()],
        }

    def restore(self, document: Mapping[str, Any]) -> None:
        """Take over a `state`. Raises DocumentError, and changes nothing, for what is none."""
        if document.get("version") != VERSION:
            raise DocumentError(
                "version", f"the state of priorities: expected {VERSION}, got {document.get('version')!r:.40}"
            )
        try:
            total = Account(*_checked(document["total"]))
            banks = {str(bank): Account(*_checked(row)) for bank, *row in document["banks"]}
            users: dict[str, dict[int, Account]] = {}
            for bank, user, *row in document["users"]:
                users.setdefault(str(bank), {})[int(user)] = Account(*_checked(row))
            running = {
                int(jobid): (str(bank), int(user), int(cores)) for jobid, bank, user, cores in document["running"]
            }
        except (KeyError, TypeError, ValueError) as error:
            raise DocumentError("", f"the state of priorities is broken: {type(error).__name__}: {error}") from error
        self.total, self.banks, self.users, self.running = total, banks, users, running
        self._all_banks = None
        self._all_users.clear()
        self.changes += 1


_NOTHING = Account()


def _row(account: Account) -> list[float]:
    return [account.used, account.time, account.cores]


def _checked(row: list[Any]) -> tuple[float, float, int]:
    """The fields of an account. Raises ValueError or TypeError."""
    used, time, cores = row
    if type(cores) is not int or not (math.isfinite(used) and math.isfinite(time)):
        raise ValueError(f"no account: {row!r:.60}")
    return used, time, cores
