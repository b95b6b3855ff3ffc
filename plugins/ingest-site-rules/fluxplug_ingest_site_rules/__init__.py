"""Rules of a site: an account for every job, and a debug queue that nobody can fill."""

from __future__ import annotations

from typing import Any

from attrs import frozen

from fluxplug.config import option
from fluxplug.hookspecs import hookimpl
from fluxplug.ingest import IngestPlugin, count


class SiteRules(IngestPlugin):
    """Refuses jobs that name no account, or one that there is not, and jobs that are too much for a debug queue.

    `debug-core-hours` bounds cores times time limit, so that a job may be wide or long, and not both. A job that leaves the number of its
    cores open counts with the most.
    """

    name = "site-rules"

    @frozen
    class Config:
        account: str = option("bank", help="the attribute that names the account", choices=("bank", "project"))
        account_required: bool = option(True, help="refuse jobs that name no account")
        accounts: tuple[str, ...] = option((), help="the accounts there are; empty: any name will do")
        default_account: str | None = option(None, help="the account of jobs that name none")
        debug_queues: tuple[str, ...] = option(("debug",), help="queues for trying things out")
        debug_duration: float = option(1800.0, help="the longest time limit in them", unit="seconds", min=1)
        debug_nodes: int | None = option(None, help="nodes at most in them; unset: any number", min=1)
        debug_core_hours: float | None = option(None, help="cores times time limit at most in them; unset: any", min=0)

        def __attrs_post_init__(self) -> None:
            if self.accounts and self.default_account is not None and self.default_account not in self.accounts:
                raise ValueError(f"default-account {self.default_account!r} is none of accounts; add it to them")

    config: Config

    def modify_jobspec(self, jobspec: dict[str, Any]) -> None:
        rules = self.config
        if rules.default_account is not None:
            system = jobspec["attributes"].setdefault("system", {})
            system[rules.account] = system.get(rules.account) or rules.default_account

    def validate(self, jobspec: dict[str, Any]) -> None:
        rules = self.config
        system = jobspec["attributes"]["system"]
        account = system.get(rules.account)
        if not account and rules.account_required:
            raise ValueError(f"no account given: say --{rules.account}=NAME")
        if account and rules.accounts and account not in rules.accounts:
            raise ValueError(f"there is no account {account!r}; there are: {', '.join(rules.accounts)}")
        if system.get("queue") in rules.debug_queues:
            self._check_debug(system["queue"], system.get("duration") or 0, jobspec["resources"])

    def _check_debug(self, queue: str, duration: float, resources: list[dict[str, Any]]) -> None:
        rules = self.config
        if not duration or duration > rules.debug_duration:
            asked = f"of {duration / 60:g}" if duration else "without a limit"
            raise ValueError(f"queue {queue} is for jobs of up to {rules.debug_duration / 60:g} minutes, not {asked}")
        asked_for = count(resources)
        nodes, cores = asked_for["nnodes"][1], asked_for["ncores"][1]
        if rules.debug_nodes is not None and nodes > rules.debug_nodes:
            raise ValueError(f"queue {queue} is for jobs of up to {rules.debug_nodes} nodes, not {nodes:g}")
        hours = cores * duration / 3600
        if rules.debug_core_hours is not None and hours > rules.debug_core_hours:
            raise ValueError(
                f"queue {queue} is for jobs of up to {rules.debug_core_hours:g} core hours, "
                f"not {hours:g} ({cores:g} cores for {duration / 60:g} minutes)"
            )


@hookimpl
def fluxplug_register_ingest() -> list[type[IngestPlugin]]:
    return [SiteRules]
