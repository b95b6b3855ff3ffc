"""What the agents of a job report, put together to what the job reports.

Everything that is decided here follows from which batches of which agents have been stored, so that a new server finds itself where the old one
was by the agents' hellos alone (`Tracked.restore`). Not here: connections (`link`), the driver (`executor`).
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from fluxplug.exec import EXEC_LOG, INPUT_LOG, OUTPUT_LOG, Ended, Entry, Raised, Started
from fluxplug.values.jobid import id_encode
from fluxplug_exec_local.limit import OutputLimit
from fluxplug_exec_local.protocol import BEGUN, ENDED, ENTRY, RAISED, RUNNING, TASK_EXIT, TIMED_OUT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fluxplug.exec import Launch, Report

_LOG_NAMES = (OUTPUT_LOG, INPUT_LOG)
#: The status of a job of which nothing is known.
LOST_STATUS = 1 << 8


class Tracked:
    """One job between its launch and the moment its end is stored. `ranks` are those of its hosts, in order."""

    __slots__ = (
        "begun", "ended", "exited", "expiration", "gone", "index", "job", "jobid", "limit", "lost", "pmi", "ranks", "running", "status",
        "statuses", "stopped", "timed_out", "unclear",
    )  # fmt: skip

    def __init__(self, job: Launch, ranks: Sequence[int]) -> None:
        self.job = job
        self.jobid = job.jobid
        self.ranks = ranks
        self.index = {rank: i for i, rank in enumerate(ranks)} if len(ranks) > 1 else {ranks[0]: 0}
        self.begun = self.exited = self.timed_out = self.lost = self.ended = False
        self.running = 0
        self.limit: OutputLimit | None = None
        self.gone: set[int] = set()
        #: Ranks whose agents have yet to say what they know of the job, which runs since before this server.
        self.unclear: set[int] = set()
        self.status = 0
        self.statuses: dict[int, int] = {}
        self.pmi: dict[int, dict[int, dict[str, str]]] = {}
        #: The latest of what was asked about the job: a new time limit, its end ("" for not).
        self.expiration = job.expiration
        self.stopped = ""

    def restore(self, rank: int, marks: Sequence[int], status: int, stored: int) -> None:
        """Take up what an agent said about its part before the restart, as far as it is stored up to batch `stored`."""
        begun, started, exited, timed_out, ended = (0 < mark <= stored for mark in marks)
        self.begun |= begun
        self.running += started
        self.exited |= exited
        self.timed_out |= timed_out
        if ended:
            self._leave(rank, status)

    def take(self, rank: int, report: Sequence[Any], out: list[Report]) -> tuple[str, ...] | None:
        """Add what a report of one rank means for the job to `out`; what to tell the other agents about it, if anything."""
        kind = report[0]
        time = report[2]
        jobid = self.jobid
        if kind == ENTRY:
            if len(self.ranks) > 1 and report[4] == "data" and report[3] == 0:
                self._add_output(time, report[5], out)
            else:
                out.append(Entry(time, jobid, _LOG_NAMES[report[3]], report[4], report[5]))
        elif kind == BEGUN:
            if not self.begun:
                self._begin(time, out, report[3])
        elif kind == RUNNING:
            return self._run(time, report[3], out)
        elif kind == TASK_EXIT:
            if not self.exited:
                self.exited = True
                out.append(Entry(time, jobid, EXEC_LOG, "shell.task-exit", _exit_context(*report[3:7])))
                return ("exited",)
        elif kind == RAISED:
            out.append(Raised(time, jobid, report[3], report[4], report[5], report[6]))
            if report[4] == 0:
                return "stop", "exec"
        elif kind == TIMED_OUT:
            if not self.timed_out:
                self.timed_out = True
                out.append(Raised(time, jobid, "timeout", 0, "resource allocation expired"))
        elif kind == ENDED and rank not in self.gone:
            self._leave(rank, report[3])
            self.end_if_done(time, out)
        return None

    def lose(self, rank: int, time: float, note: str, out: list[Report]) -> None:
        """Nobody will ever tell what this rank does: the job fails, and ends when its other ranks have."""
        if rank in self.gone:
            return
        self.lost = True
        out.append(Raised(time, self.jobid, "exec", 0, note))
        self._leave(rank, LOST_STATUS)
        self.end_if_done(time, out)

    def end_if_done(self, time: float, out: list[Report]) -> None:
        """The end of the job, when its last rank has left."""
        if self.ended or len(self.gone) < len(self.ranks):
            return
        self.ended = True
        jobid = self.jobid
        if not self.begun:
            self._begin(time, out, None)
        out += (
            Entry(time, jobid, EXEC_LOG, "shell-exit", {"rank": 0, "wait_status": self.statuses[0]}),
            Entry(time, jobid, EXEC_LOG, "complete", {"status": self.status}),
            Entry(time, jobid, EXEC_LOG, "done", {}),
            Ended(time, jobid, self.status, self.lost),
        )

    def _begin(self, time: float, out: list[Report], ntasks: int | None) -> None:
        self.begun = True
        jobid = self.jobid
        out.append(Entry(time, jobid, EXEC_LOG, "init", {}))
        out.append(Entry(time, jobid, EXEC_LOG, "starting", {}))
        if ntasks is None:
            return
        service = f"{os.getuid()}-shell-{id_encode(jobid, 'f58plain')}"
        shell = {"service": service, "leader-rank": self.ranks[0], "size": len(self.ranks)}
        out.append(Entry(time, jobid, EXEC_LOG, "shell.init", shell))
        header = {
            "version": 1,
            "encoding": {"stdout": "UTF-8", "stderr": "UTF-8"},
            "count": {"stdout": ntasks, "stderr": ntasks},
            "options": {},
        }
        out.append(Entry(time, jobid, OUTPUT_LOG, "header", header))
        # As in Flux, a job whose command cannot be found has started, too: its shell has.
        out.append(Started(time, jobid))

    def _run(self, time: float, blocks: list[list[int]], out: list[Report]) -> tuple[str, ...] | None:
        if not self.running:
            out.append(Entry(time, self.jobid, EXEC_LOG, "shell.start", {"taskmap": {"version": 1, "map": blocks}}))
        self.running += 1
        if self.running < len(self.ranks):
            return None
        return ("go",)

    def _add_output(self, time: float, context: dict[str, Any], out: list[Report]) -> None:
        if self.limit is None:
            self.limit = OutputLimit(self.job.jobspec)
        kept, said = self.limit.cut(context)
        if kept is not None:
            out.append(Entry(time, self.jobid, OUTPUT_LOG, "data", kept))
        if said:
            out.append(Entry(time, self.jobid, OUTPUT_LOG, "log", {"rank": 0, "level": 4, "message": said}))

    def _leave(self, rank: int, status: int) -> None:
        self.gone.add(rank)
        self.statuses[self.index[rank]] = status
        self.status = max(self.status, status)


def _exit_context(localid: int, rank: int, pid: int, status: int) -> dict[str, Any]:
    signaled = status & 0x7F
    return {
        "localid": localid,
        "rank": rank,
        "state": "Exited",
        "pid": pid,
        "wait_status": status,
        "signaled": signaled,
        "exitcode": 128 + signaled if signaled else status >> 8,
    }
