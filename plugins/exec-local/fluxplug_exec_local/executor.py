"""The executor `local`: jobs as processes of this machine, through an agent a rank that outlives the server.

Agents number what they report and keep it until it is stored (`committed`); after a restart of the server their hellos, with the stored numbers,
give back the state of every job. Not here: the processes themselves (`agent` and what it loads).
"""

from __future__ import annotations

import asyncio
import os
import secrets
from collections import deque
from typing import TYPE_CHECKING, Any

import attrs

from fluxplug.clock import since_boot
from fluxplug.config import option
from fluxplug.exec import Ended, Executor
from fluxplug.values.idset import IDset
from fluxplug_exec_local.combine import Tracked
from fluxplug_exec_local.document import nodes_of, slots_of
from fluxplug_exec_local.link import RESTART_INTERVAL, Link

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from fluxplug.exec import ExecutorSite, Host, Launch, Report
    from fluxplug_exec_local.link import Hello

STARTS_AT_ONCE = 8


class Local(Executor):
    """Runs jobs as processes on this host, by an agent that survives the server. Ranks of other hosts stay down."""

    name = "local"

    @attrs.frozen
    class Config:
        kill_timeout: float = option(5.0, help="grace between SIGTERM (or SIGALRM) and SIGKILL", unit="seconds", min=0)
        cgroup: str = option("", help="a cgroup v2 folder that is ours: each job gets a group in it; empty for none")
        pretend_hosts: bool = option(False, help="serve every rank here, whatever its host is called: for tests")

    config: Config

    def __init__(self, config: Any, site: ExecutorSite) -> None:
        super().__init__(config, site)
        self._links: dict[int, Link] = {}
        self._jobs: dict[int, Tracked] = {}
        # Agents that start at once: a Python each, and each is given a time to say hello.
        self._starting = asyncio.Semaphore(STARTS_AT_ONCE)
        self._restarts: set[asyncio.Task[None]] = set()
        # Reports that the server makes itself, about agents that have died, are numbered under a key of this run.
        self._key = secrets.token_hex(8)
        self._seq = 0
        #: By key: (seq, jobs) whose end is in that batch.
        self._ends: dict[str, deque[tuple[int, list[int]]]] = {}

    async def open(self, hosts: Sequence[Host], running: Sequence[Launch]) -> None:
        for name in ("agents", "tmp"):
            (self.site.statedir / name).mkdir(mode=0o700, exist_ok=True)
        here = {os.uname().nodename, os.uname().nodename.partition(".")[0], "localhost"}
        absent = []
        for host in hosts:
            if self.config.pretend_hosts or host.name in here:
                self._links[host.rank] = Link(host, self.site.statedir, heard=self._heard, lost=self._link_lost)
            else:
                absent.append(host.rank)
        if absent:
            self.site.ranks_down(str(IDset(absent)), "no agent")
        links = list(self._links.values())
        hellos = dict(zip(links, await asyncio.gather(*map(self._find_or_start, links)), strict=True))
        self._adopt(running, hellos)
        for link, hello in hellos.items():
            if hello is not None:
                self._begin(link, hello)
        up = [link.rank for link in links if link.up]
        if up:
            self.site.ranks_up(str(IDset(up)))
        for link in links:
            if not link.up:
                self.site.ranks_down(str(link.rank), "the agent does not start")
                self._restart(link)

    def origin(self, job: Launch) -> str:
        return ",".join(f"{rank}:{self._instance(rank)}" for rank, *_ in nodes_of(job.R))

    def launch(self, job: Launch) -> None:
        nodes = nodes_of(job.R)
        tracked = Tracked(job, [node[0] for node in nodes])
        self._jobs[job.jobid] = tracked
        down = [rank for rank in tracked.ranks if not self._is_up(rank)]
        if down:
            self._give_up(tracked, down, "no agent on rank {}")
            return
        for rank in tracked.ranks:
            self._send_launch(tracked, rank, nodes)

    def signal(self, jobid: int, signum: int) -> None:
        self._tell(jobid, "signal", signum)

    def stop(self, jobid: int, reason: str) -> None:
        tracked = self._jobs.get(jobid)
        if tracked is not None and not tracked.stopped:
            tracked.stopped = reason
            self._tell(jobid, "stop", reason)

    def write(self, jobid: int, ranks: str, data: bytes, *, eof: bool) -> None:
        tracked = self._jobs.get(jobid)
        if tracked is None:
            return
        for rank in tracked.ranks:
            if self._is_up(rank):
                self._links[rank].send("write", jobid, ranks, data, eof, rank == tracked.ranks[0])

    def resize(self, jobid: int, ranks: str, rows: int, columns: int) -> None:
        self._tell(jobid, "resize", ranks, rows, columns)

    def set_expiration(self, jobid: int, expiration: float) -> None:
        tracked = self._jobs.get(jobid)
        if tracked is not None:
            tracked.expiration = expiration
            self._tell(jobid, "expiration", expiration)

    def committed(self, key: str, seq: int) -> None:
        ends = self._ends.get(key)
        while ends and ends[0][0] <= seq:
            for jobid in ends.popleft()[1]:
                tracked = self._jobs.pop(jobid, None)
                for rank in tracked.ranks if tracked is not None else ():
                    if self._is_up(rank):
                        self._links[rank].send("forget", [jobid])
        for link in self._links.values():
            if link.instance == key and link.up:
                link.send("ack", seq)

    async def close(self, *, leave: bool) -> None:
        for task in self._restarts:
            task.cancel()
        links = [link for link in self._links.values() if link.up]
        for link in links:
            link.closing = True
            if not leave:
                link.send("shutdown")
        if not leave and links:
            waits = [asyncio.create_task(link.disconnected.wait()) for link in links]
            _, late = await asyncio.wait(waits, timeout=self.config.kill_timeout + 5)
            for wait in late:
                wait.cancel()
        for link in self._links.values():
            link.close()
        # The transports close in the next turn of the loop.
        await asyncio.sleep(0)

    # Agents.

    async def _find_or_start(self, link: Link) -> Hello | None:
        found = await link.find()
        if found is None:
            async with self._starting:
                found = await link.start()
        return found

    def _begin(self, link: Link, hello: Hello) -> None:
        """Let a connected agent go on: what it must drop, and which jobs it should have."""
        stored = self.site.durable.get(hello.instance, 0)
        if link.instance != hello.instance:
            link.instance = hello.instance
            link.delivered = stored
        link.welcome(stored, self._settings())
        forget = []
        for jobid, (marks, _) in hello.jobs.items():
            if jobid not in self._jobs:
                if marks[4] and marks[4] <= link.delivered:
                    forget.append(jobid)
                else:
                    link.send("stop", jobid, "unknown")
        if forget:
            link.send("forget", forget)
        for tracked in self._jobs.values():
            if link.rank not in tracked.index or link.rank in tracked.gone:
                continue
            if tracked.jobid not in hello.jobs:
                self._send_launch(tracked, link.rank, nodes_of(tracked.job.R))
            # What was asked while the connection was away.
            link.send("expiration", tracked.jobid, tracked.expiration)
            if tracked.stopped:
                link.send("stop", tracked.jobid, tracked.stopped)
            if tracked.running == len(tracked.ranks) > 1:
                link.send("go", tracked.jobid)

    def _settings(self) -> dict[str, Any]:
        return {
            "uri": self.site.uri,
            "jobid_path": os.environ.get("FLUX_JOB_ID_PATH", ""),
            "enclosing": os.environ.get("FLUX_JOB_ID", ""),
            "kill_timeout": self.config.kill_timeout,
            "clock": self.site.clock.now() - since_boot(),
            "pretend": self.config.pretend_hosts,
            "cgroup": self.config.cgroup,
        }

    def _link_lost(self, link: Link) -> None:
        task = asyncio.get_running_loop().create_task(self._recover(link))
        self._restarts.add(task)
        task.add_done_callback(self._restarts.discard)

    async def _recover(self, link: Link) -> None:
        """After the end of a connection: the same agent again, or a new one."""
        hello = await link.find()
        if hello is not None and hello.instance == link.instance:
            self._begin(link, hello)
            return
        self.site.ranks_down(str(link.rank), "lost contact with the agent")
        self.site.log("error", f"lost contact with agent of rank {link.rank}")
        for tracked in list(self._jobs.values()):
            if link.rank in tracked.index:
                self._give_up(tracked, [link.rank], "lost contact with agent of rank {}")
        await self._start_until_up(link, hello)

    def _restart(self, link: Link) -> None:
        task = asyncio.get_running_loop().create_task(self._start_until_up(link, None))
        self._restarts.add(task)
        task.add_done_callback(self._restarts.discard)

    async def _start_until_up(self, link: Link, hello: Hello | None) -> None:
        while hello is None:
            hello = await link.start()
            if hello is None:
                self.site.log("error", f"the agent of rank {link.rank} does not start: see its log in agents/")
                await asyncio.sleep(RESTART_INTERVAL)
        self._begin(link, hello)
        self.site.ranks_up(str(link.rank))

    # Jobs.

    def _adopt(self, running: Iterable[Launch], hellos: dict[Link, Hello | None]) -> None:
        """The jobs that run since before this server: as their agents know them, or lost."""
        for job in running:
            ranks = [rank for rank, *_ in nodes_of(job.R)]
            tracked = self._jobs[job.jobid] = Tracked(job, ranks)
            began = dict(part.split(":") for part in (job.origin or "").split(",") if part)
            gone = []
            for rank in ranks:
                link = self._links.get(rank)
                hello = hellos[link] if link is not None else None
                if hello is not None and job.jobid in hello.jobs:
                    marks, status = hello.jobs[job.jobid]
                    tracked.restore(rank, marks, status, self.site.durable.get(hello.instance, 0))
                elif hello is None or began.get(str(rank)) != hello.instance:
                    gone.append(rank)
            if gone:
                self._give_up(tracked, gone, "lost contact with agent of rank {}")
            else:
                # Of an end whose last batch is stored, only the words about it can be missing: the driver would not know the job.
                out: list[Report] = []
                tracked.end_if_done(self.site.clock.now(), out)
                self._deliver_own(out)

    def _send_launch(self, tracked: Tracked, rank: int, nodes: list[list[Any]]) -> None:
        job = tracked.job
        self._links[rank].send(
            "launch", job.jobid, job.userid, job.expiration, nodes, tracked.index[rank], slots_of(job), job.jobspec
        )

    def _tell(self, jobid: int, op: str, *details: Any, but: int = -1) -> None:
        tracked = self._jobs.get(jobid)
        for rank in tracked.ranks if tracked is not None else ():
            if rank != but and self._is_up(rank):
                self._links[rank].send(op, jobid, *details)

    def _give_up(self, tracked: Tracked, ranks: Iterable[int], note: str) -> None:
        out: list[Report] = []
        for rank in ranks:
            tracked.lose(rank, self.site.clock.now(), note.format(rank), out)
        if out:
            self.stop(tracked.jobid, "exec")
            self._deliver_own(out)

    def _deliver_own(self, out: list[Report]) -> None:
        if out:
            self._seq += 1
            self._note_ends(self._key, self._seq, out)
            self.site.deliver(out, self._key, self._seq)

    def _note_ends(self, key: str, seq: int, out: list[Report]) -> None:
        ended = [report.jobid for report in out if type(report) is Ended]
        if ended:
            self._ends.setdefault(key, deque()).append((seq, ended))

    def _is_up(self, rank: int) -> bool:
        link = self._links.get(rank)
        return link is not None and link.up

    def _instance(self, rank: int) -> str:
        return self._links[rank].instance if self._is_up(rank) else ""

    def _heard(self, link: Link, messages: list[Any]) -> None:
        """What an agent sends: batches of reports become one delivery."""
        out: list[Report] = []
        seq = link.delivered
        rank = link.rank
        jobs = self._jobs
        for message in messages:
            if message[0] == "pmi":
                self._exchange(rank, *message[1:])
            elif message[0] == "reports" and message[1] > seq:
                seq = message[1]
                for report in message[2]:
                    tracked = jobs.get(report[1])
                    if tracked is None:
                        continue
                    word = tracked.take(rank, report, out)
                    if word is None or len(tracked.ranks) == 1:
                        continue
                    if word[0] == "stop":
                        self.stop(report[1], word[1])
                    else:
                        self._tell(report[1], word[0], *word[1:], but=-1 if word[0] == "go" else rank)
        if seq > link.delivered:
            link.delivered = seq
            self._note_ends(link.instance, seq, out)
            self.site.deliver(out, link.instance, seq)

    def _exchange(self, rank: int, jobid: int, number: int, put: dict[str, str]) -> None:
        """PMI between hosts: a barrier is passed when every rank has told what it put."""
        tracked = self._jobs.get(jobid)
        if tracked is None:
            return
        told = tracked.pmi.setdefault(number, {})
        told[rank] = put
        if len(told) == len(tracked.ranks):
            space = {key: value for part in told.values() for key, value in part.items()}
            self._tell(jobid, "pmi", number, space)
            tracked.pmi.pop(number - 2, None)
