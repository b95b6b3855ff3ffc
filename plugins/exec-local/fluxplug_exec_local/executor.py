"""The executor `local`: jobs as processes, through an agent a rank that outlives the server, on this host and on those that can be reached.

Agents number what they report and keep it until it is stored (`committed`); after a restart of the server their hellos, with the stored numbers,
give back the state of every job. An agent whose job has other hosts is not welcomed before it is known what became of it there. Not here: the
processes themselves (`agent` and what it loads), reaching an agent (`link`, `remote`), keys and their meaning (`settings`).
"""

from __future__ import annotations

import asyncio
import errno
import os
import secrets
from collections import deque
from typing import TYPE_CHECKING, Any

from fluxplug.clock import since_boot
from fluxplug.errors import ExecutorError
from fluxplug.exec import Ended, Executor, Process
from fluxplug.values.idset import IDset
from fluxplug_exec_local.combine import Tracked
from fluxplug_exec_local.document import nodes_of, slots_of
from fluxplug_exec_local.link import RESTART_INTERVAL, Link
from fluxplug_exec_local.protocol import ENDED
from fluxplug_exec_local.remote import RemoteLink
from fluxplug_exec_local.settings import Settings
from fluxplug_exec_local.tunnel import TUNNELLED

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterable, Sequence

    from fluxplug.exec import ExecutorSite, Host, Launch, Report
    from fluxplug_exec_local.link import Hello

NO_CONTACT = "lost contact with the agent"
ELSEWHERE = "another host, and [executor.local] connect is not set"
LOST = "lost contact with agent of rank {}"
STARTS_AT_ONCE = 8
#: Connections to other hosts that are made at once: to those that are to be there, and to those that were not.
CONNECTS_AT_ONCE = 32
RETRIES_AT_ONCE = 8
#: Seconds for agents to answer a question.
ANSWER_TIMEOUT = 10.0
#: With so many bytes of input on the way to a host, no more is taken.
MAX_KEPT = 8 << 20
#: Seconds between two attempts to reach a host: at first, and after many.
FIRST_RETRY, LAST_RETRY = 1.0, 60.0


class Local(Executor):
    """Runs jobs as processes, by an agent on each host that survives the server: on this host, and with `connect` on others.

    Ranks of hosts out of reach are down.
    """

    name = "local"
    Config = Settings
    config: Settings

    def __init__(self, config: Any, site: ExecutorSite) -> None:
        super().__init__(config, site)
        self._links: dict[int, Link] = {}
        self._jobs: dict[int, Tracked] = {}
        # Agents that start at once: a Python each, and each is given a time to say hello.
        self._starting = asyncio.Semaphore(STARTS_AT_ONCE)
        self._connecting = asyncio.Semaphore(CONNECTS_AT_ONCE)
        self._retrying = asyncio.Semaphore(RETRIES_AT_ONCE)
        self._tasks: set[asyncio.Task[None]] = set()
        #: Agents that have said hello, and wait for what is still unknown of their jobs elsewhere.
        self._met: dict[Link, Hello] = {}
        #: Jobs that run since before this server, of which not every agent has told.
        self._unclear: set[Tracked] = set()
        # Reports that the server makes itself, about agents that have died, are numbered under a key of this run.
        self._key = secrets.token_hex(8)
        self._seq = 0
        #: By the number of a question about processes: what each rank answers.
        self._answers: dict[int, dict[int, asyncio.Future[list[tuple[int, int]]]]] = {}
        self._asked = 0
        #: By key: (seq, jobs) whose end is in that batch.
        self._ends: dict[str, deque[tuple[int, list[int]]]] = {}

    async def open(self, hosts: Sequence[Host], running: Sequence[Launch]) -> None:
        for name in ("agents", "tmp"):
            (self.site.statedir / name).mkdir(mode=0o700, exist_ok=True)
        here = {os.uname().nodename, os.uname().nodename.partition(".")[0], "localhost"}
        absent = []
        links, remote = [], []
        for host in hosts:
            if self.config.pretend_hosts or host.name in here:
                link = Link(host, self.site.statedir, heard=self._heard, lost=self._link_lost)
                links.append(link)
            elif self.config.connect:
                link = self._remote_link(host)
                remote.append(link)
            else:
                absent.append(host.rank)
                continue
            self._links[host.rank] = link
        for ranks, reason in ((absent, ELSEWHERE), ([link.rank for link in remote], "not reached yet")):
            if ranks:
                self.site.ranks_down(str(IDset(ranks)), reason)
        for job in running:
            tracked = self._jobs[job.jobid] = Tracked(job, [rank for rank, *_ in nodes_of(job.R)])
            tracked.unclear.update(tracked.ranks)
            self._unclear.add(tracked)
        hellos = await asyncio.gather(*map(self._find_or_start, links))
        for tracked in list(self._unclear):
            lost = [rank for rank in tracked.ranks if rank not in self._links]
            if lost:
                self._give_up(tracked, lost, LOST)
        for link, hello in zip(links, hellos, strict=True):
            self._take(link, hello if link.connected else None)
        self._admit()
        for link in links:
            if not link.connected:
                self.site.ranks_down(str(link.rank), "the agent does not start")
                self._run(self._start_until_up(link, None))
        for link in remote:
            link.expected = True
            self._run(self._reach(link))
        if remote:
            self._run(self._watch(remote))

    def _remote_link(self, host: Host) -> RemoteLink:
        config = self.config
        return RemoteLink(
            host,
            self.site.statedir,
            connect=config.connect,
            python=config.python,
            folder=config.agent_dir,
            instance=self.site.identity,
            uri=self.site.uri,
            heard=self._heard,
            lost=self._link_lost,
        )

    def origin(self, job: Launch) -> str:
        return ",".join(f"{rank}:{self._instance(rank)}" for rank, *_ in nodes_of(job.R))

    def launch(self, job: Launch) -> None:
        nodes = nodes_of(job.R)
        tracked = Tracked(job, [node[0] for node in nodes])
        self._jobs[job.jobid] = tracked
        down = [rank for rank in tracked.ranks if not self._is_expected(rank)]
        if down:
            self._give_up(tracked, down, "no agent on rank {}")
            return
        for rank in tracked.ranks:
            if self._is_up(rank):  # others get it when they are
                self._send_launch(tracked, rank, nodes)

    def signal(self, jobid: int, signum: int) -> None:
        for link in self._links_of(jobid):
            link.request("signal", jobid, signum)

    def stop(self, jobid: int, reason: str) -> None:
        tracked = self._jobs.get(jobid)
        if tracked is not None and not tracked.stopped:
            tracked.stopped = reason
            self._tell(jobid, "stop", reason)

    def write(self, jobid: int, ranks: str, data: bytes, *, eof: bool) -> None:
        for i, link in enumerate(self._links_of(jobid)):
            link.request("write", jobid, ranks, data, eof, i == 0)

    def resize(self, jobid: int, ranks: str, rows: int, columns: int) -> None:
        for link in self._links_of(jobid):
            link.request("resize", jobid, ranks, rows, columns)

    def takes_input(self, jobid: int) -> bool:
        return all(link.kept_bytes < MAX_KEPT for link in self._links_of(jobid))

    def set_expiration(self, jobid: int, expiration: float) -> None:
        tracked = self._jobs.get(jobid)
        if tracked is not None:
            tracked.expiration = expiration
            self._tell(jobid, "expiration", expiration)

    async def processes(self, jobid: int) -> list[Process]:
        tracked = self._jobs.get(jobid)
        for rank in tracked.ranks if tracked is not None else ():
            if not self._is_up(rank):
                raise ExecutorError(errno.EHOSTUNREACH, f"the agent of rank {rank} cannot be asked now")
        answers = {rank: asyncio.get_running_loop().create_future() for rank in (tracked.ranks if tracked else ())}
        self._asked += 1
        number = self._asked
        self._answers[number] = answers
        self._tell(jobid, "processes", number)
        try:
            found = await asyncio.wait_for(asyncio.gather(*answers.values()), ANSWER_TIMEOUT)
        except asyncio.TimeoutError:
            raise ExecutorError(errno.ETIMEDOUT, f"not all agents answer within {ANSWER_TIMEOUT:g} s") from None
        finally:
            del self._answers[number]
        if tracked is None or not all(found):
            raise ExecutorError(errno.EAGAIN, "not all tasks of the job run")
        hosts = [host for _, host, *_ in nodes_of(tracked.job.R)]
        return sorted(Process(rank, host, pid) for host, part in zip(hosts, found, strict=True) for rank, pid in part)

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
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        links = [link for link in self._links.values() if link.taken]
        for link in self._links.values():
            link.closing = True
        if not leave:
            for link in links:
                link.send("shutdown")
        if not leave and links:
            waits = [asyncio.create_task(link.disconnected.wait()) for link in links]
            _, late = await asyncio.wait(waits, timeout=self.config.kill_timeout + 5)
            for wait in late:
                wait.cancel()
        for link in self._links.values():
            link.close()
        await asyncio.gather(*(link.ended() for link in self._links.values() if isinstance(link, RemoteLink)))
        # The transports close in the next turn of the loop.
        await asyncio.sleep(0)

    # Agents.

    async def _find_or_start(self, link: Link) -> Hello | None:
        found = await link.find()
        if found is None:
            async with self._starting:
                found = await link.start()
        return found

    def _take(self, link: Link, hello: Hello | None) -> None:
        """What an agent that was found knows of the jobs of its rank; None: there is none. It goes on with `_admit`."""
        if hello is not None:
            link.taken = link.expected = True
            self._met[link] = hello
        for tracked in list(self._jobs.values()):
            rank = link.rank
            if rank not in tracked.index or rank in tracked.gone:
                continue
            if hello is None:
                known = False
            elif rank in tracked.unclear:
                known = self._restore(tracked, rank, hello)
            else:
                known = link.instance == hello.instance
            if not known:
                self._give_up(tracked, [rank], LOST)
        if hello is not None and link.meet_agent(hello.instance, hello.taken):
            link.delivered = self.site.durable.get(hello.instance, 0)

    def _restore(self, tracked: Tracked, rank: int, hello: Hello) -> bool:
        """Take up a job that runs since before this server, as far as this agent knows; False where it is lost."""
        job = tracked.job
        if job.jobid in hello.jobs:
            marks, status = hello.jobs[job.jobid]
            tracked.restore(rank, marks, status, self.site.durable.get(hello.instance, 0))
        elif dict(part.split(":") for part in (job.origin or "").split(",") if part).get(str(rank)) != hello.instance:
            return False
        self._cleared(tracked, rank)
        if not tracked.unclear:
            # Of an end whose last batch is stored, only the words about it can be missing: the driver would not know the job.
            out: list[Report] = []
            tracked.end_if_done(self.site.clock.now(), out)
            self._deliver_own(out)
        return True

    def _cleared(self, tracked: Tracked, rank: int) -> None:
        tracked.unclear.discard(rank)
        if not tracked.unclear:
            self._unclear.discard(tracked)

    def _admit(self) -> None:
        """Let those agents begin whose jobs are clear."""
        held = {rank for tracked in self._unclear for rank in tracked.ranks}
        free = [link for link in self._met if link.rank not in held]
        for link in free:
            self._begin(link, self._met.pop(link))
        if free:
            self.site.ranks_up(str(IDset(sorted(link.rank for link in free))))

    def _begin(self, link: Link, hello: Hello) -> None:
        """Let a connected agent go on: what it must drop, and which jobs it should have."""
        link.welcome(self.site.durable.get(hello.instance, 0), self._settings(link))
        forget = []
        for jobid, (marks, _) in hello.jobs.items():
            known = self._jobs.get(jobid)
            if known is None and marks[4] and marks[4] <= link.delivered:
                forget.append(jobid)
            elif known is None or (link.rank in known.gone and not marks[4]):
                # The store knows no such job, or it was given up.
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
            if len(tracked.ranks) > 1:
                if tracked.running == len(tracked.ranks):
                    link.send("go", tracked.jobid)
                if tracked.exited:
                    link.send("exited", tracked.jobid)
        link.send_kept()

    def _settings(self, link: Link) -> dict[str, Any]:
        now = self.site.clock.now()
        # Another host was started at another time, and its tasks come to our socket by its agent's.
        elsewhere = isinstance(link, RemoteLink)
        return {
            "uri": "" if elsewhere else self.site.uri,
            "jobid_path": os.environ.get("FLUX_JOB_ID_PATH", ""),
            "enclosing": os.environ.get("FLUX_JOB_ID", ""),
            "pretend": self.config.pretend_hosts,
            **({"now": now} if elsewhere else {"clock": now - since_boot()}),
            **self.config.for_agents(),
        }

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _link_lost(self, link: Link) -> None:
        self._met.pop(link, None)
        if not isinstance(link, RemoteLink):
            self._run(self._recover(link))
            return
        # Nothing new until it is back.
        self.site.ranks_down(str(link.rank), link.reason or NO_CONTACT)
        self._run(self._reach(link))

    async def _recover(self, link: Link) -> None:
        """After the end of a connection on this host: the same agent again, or a new one."""
        hello = await link.find()
        if hello is None or hello.instance != link.instance:
            self._lose(link, NO_CONTACT)
        await self._start_until_up(link, hello)

    async def _start_until_up(self, link: Link, hello: Hello | None) -> None:
        while hello is None:
            hello = await link.start()
            if hello is None:
                self.site.log("error", f"the agent of rank {link.rank} does not start: see its log in agents/")
                await asyncio.sleep(RESTART_INTERVAL)
        self._take(link, hello)
        self._admit()

    def _lose(self, link: Link, reason: str) -> None:
        """An agent is not expected back: its rank is down, its jobs are lost."""
        link.expected = False
        link.drop_kept()
        self.site.ranks_down(str(link.rank), reason)
        if link.instance:
            self.site.log("error", f"lost contact with agent of rank {link.rank}: {reason}")
        self._take(link, None)
        self._admit()

    # Agents of other hosts.

    async def _reach(self, link: RemoteLink) -> None:
        """Until there is an agent: at first, and after the end of a connection. Its jobs are lost with another agent, or when the time is over."""
        loop = asyncio.get_running_loop()
        deadline = timer = None
        delay = FIRST_RETRY
        reason = ""
        try:
            while True:
                # Those given up must not be in the way of the others.
                turn = self._connecting if link.expected else self._retrying
                async with turn:
                    if deadline is None:
                        deadline = (link.heard_at or loop.time()) + self.config.patience
                        if deadline > loop.time():  # else there is this one attempt
                            timer = loop.call_at(deadline, self._too_late, link)
                    hello = await link.reach()
                if hello is not None:
                    break
                if link.reason != reason:
                    reason = link.reason
                    self.site.ranks_down(str(link.rank), reason)
                    self.site.log("warning", f"rank {link.rank} ({link.host.name}) cannot be reached: {reason}")
                if link.expected and loop.time() >= deadline:
                    self._too_late(link)
                await asyncio.sleep(delay)
                delay = min(2 * delay, max(self.config.sign_interval, FIRST_RETRY) if link.expected else LAST_RETRY)
        finally:
            if timer is not None:
                timer.cancel()
        if link.expected and link.instance and link.instance != hello.instance:
            self._lose(link, "the agent has died")
        self._take(link, hello)
        self._admit()

    def _too_late(self, link: RemoteLink) -> None:
        if link.expected:
            self._lose(link, link.reason or NO_CONTACT)

    async def _watch(self, links: Sequence[RemoteLink]) -> None:
        """Ask for signs of life: a host that has crashed, or that no network leads to any more, does not end its connection."""
        loop = asyncio.get_running_loop()
        silence = self.config.silence
        while True:
            await asyncio.sleep(self.config.sign_interval)
            for link in links:
                if not link.up:
                    continue
                if loop.time() - link.heard_at > silence:
                    link.reason = f"no sign of life for {silence:g} s"
                    link.abandon()
                else:
                    link.send("ping")

    # Jobs.

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
            self._cleared(tracked, rank)
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

    def _is_expected(self, rank: int) -> bool:
        link = self._links.get(rank)
        return link is not None and link.expected

    def _links_of(self, jobid: int) -> list[Link]:
        """The links of a job's ranks, in order."""
        tracked = self._jobs.get(jobid)
        return [self._links[rank] for rank in tracked.ranks if rank in self._links] if tracked is not None else []

    def _instance(self, rank: int) -> str:
        return self._links[rank].instance if self._is_expected(rank) else ""

    def _heard(self, link: Link, messages: list[Any]) -> None:
        """What an agent sends: batches of reports become one delivery."""
        out: list[Report] = []
        seq = link.delivered
        rank = link.rank
        jobs = self._jobs
        for message in messages:
            if message[0] == "pmi":
                self._exchange(rank, *message[1:])
            elif message[0] in TUNNELLED:
                if isinstance(link, RemoteLink):
                    link.tunnelled(message)
            elif message[0] == "requests":
                link.requests_taken(message[1])
            elif message[0] == "log":
                self.site.log(message[1], f"agent of rank {rank}: {message[2]}")
            elif message[0] == "reports" and message[1] > seq:
                seq = message[1]
                for report in message[2]:
                    tracked = jobs.get(report[1])
                    if tracked is None or rank in tracked.gone:
                        # It was given up, and has ended there by now: the agent need not keep it.
                        if report[0] == ENDED and tracked is None:
                            link.send("forget", [report[1]])
                        continue
                    word = tracked.take(rank, report, out)
                    if word is None or len(tracked.ranks) == 1:
                        continue
                    if word[0] == "stop":
                        self.stop(report[1], word[1])
                    else:
                        self._tell(report[1], word[0], *word[1:], but=-1 if word[0] == "go" else rank)
            elif message[0] == "processes":
                answer = self._answers.get(message[1], {}).get(rank)
                if answer is not None and not answer.done():
                    answer.set_result(message[2])
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
