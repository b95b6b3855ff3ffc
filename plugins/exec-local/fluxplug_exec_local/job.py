"""One job's part on this host, from the launch until its last task has gone: tasks, signals, time limit, status.

What a job of several hosts makes of its parts is put together in the server (`combine`). Not here: starting a process (`spawn`), reading its
output (`streams`), what a jobspec's options mean (`launch`).
"""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from fluxplug.values.jobid import id_encode
from fluxplug_exec_local import cgroup, launch
from fluxplug_exec_local import options as shell_options
from fluxplug_exec_local.protocol import ENDED, ENTRY, RAISED, RUNNING, TASK_EXIT, TIMED_OUT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fluxplug_exec_local.agent import Agent
    from fluxplug_exec_local.options import Pty
    from fluxplug_exec_local.pmi import Pmi
    from fluxplug_exec_local.streams import Stream
    from fluxplug_exec_local.task import Task


class Job:
    """`nodes` are [rank, host name, cores, gpus] of the job's hosts in order, `index` is the place of this one."""

    __slots__ = (
        "agent",
        "begun",
        "cgroup",
        "early",
        "ended",
        "exit_timeout",
        "expiration",
        "f58",
        "first_exit",
        "group",
        "held",
        "index",
        "input_begun",
        "jobid",
        "jobspec",
        "limits",
        "live",
        "marks",
        "memory_told",
        "name",
        "nodes",
        "nslots",
        "open",
        "options",
        "output_left",
        "pids",
        "pmi",
        "pty",
        "size",
        "started",
        "status",
        "stopping",
        "system",
        "tasks",
        "tmpdir",
        "userid",
    )

    def __init__(  # noqa: PLR0917 - as the message has them
        self,
        agent: Agent,
        jobid: int,
        userid: int,
        expiration: float,
        nodes: Sequence[Sequence[Any]],
        index: int,
        nslots: int,
        jobspec: dict[str, Any],
    ) -> None:
        self.agent = agent
        self.jobid = jobid
        self.userid = userid
        self.expiration = expiration and expiration - agent.skew
        self.nodes = nodes
        self.index = index
        self.nslots = nslots
        self.jobspec = jobspec
        self.system: dict[str, Any] = (jobspec.get("attributes") or {}).get("system") or {}
        self.options: dict[str, Any] = (self.system.get("shell") or {}).get("options") or {}
        self.f58 = id_encode(jobid)
        self.name = ""
        self.tmpdir = ""
        self.cgroup = ""
        self.size = 0
        self.tasks: list[Task] = []
        #: Once the tasks have ended: (rank, pid) of each, where the job may run on elsewhere.
        self.pids: list[tuple[int, int]] = []
        self.live = 0
        self.open = 0
        self.begun = self.started = self.ended = self.input_begun = self.memory_told = False
        self.first_exit = 0.0
        self.exit_timeout: float | None = None
        self.stopping = ""
        self.status = 0
        self.output_left: dict[str, int] = {}
        self.held: list[Stream] = []
        #: What came while the job waited for its turn.
        self.early: list[tuple[str, list[Any]]] = []
        self.pmi: Pmi | None = None
        self.pty: Pty | None = None
        #: The process group that its tasks share; 0 where each has one of its own.
        self.group = 0
        self.limits: dict[int, int] | None = None
        #: The number of the batch that told of: begin, start, first exit, time limit, end. 0 for not yet.
        self.marks = [0, 0, 0, 0, 0]

    # To the server.

    def report(self, kind: int, *details: Any) -> int:
        """Tell the server, in the batch of the number returned."""
        return self.agent.channel.report([kind, self.jobid, self.agent.now(), *details])

    def entry(self, log: int, name: str, context: dict[str, Any]) -> None:
        """Add an entry to one of the LOGS."""
        self.agent.channel.report([ENTRY, self.jobid, self.agent.now(), log, name, context])

    def log(self, level: int, message: str) -> None:
        """Add a line of the executor's own to the output (level as in RFC 5424)."""
        self.entry(0, "log", {"rank": self.index, "level": level, "message": message})

    def raise_fatal(self, kind: str, note: str, wait_status: int | None = None) -> None:
        """Report a fatal exception of the job."""
        self.report(RAISED, kind, 0, note, wait_status)

    def summary(self) -> list[Any]:
        """What a newly connected server has to know: [jobid, marks, status]."""
        return [self.jobid, self.marks, self.status]

    def processes(self) -> list[tuple[int, int]]:
        """The tasks of this host, as (rank, pid); none before all have been started."""
        return [(task.rank, task.pid) for task in self.tasks] if self.started and not self.ended else self.pids

    def admit(self, stream: str, data: bytes) -> bytes:
        """As much of a task's output as the job may still log on this stream."""
        left = self.output_left[stream]
        if len(data) <= left:
            self.output_left[stream] = left - len(data)
            return data
        if left < 0:
            return b""
        self.output_left[stream] = -1
        if len(self.nodes) == 1:
            self.log(4, shell_options.limit_text(stream, shell_options.output_limit(self.options)))
        return data[:left]

    def output(self, stream: str, rank: str, data: str, encoding: str = "") -> None:
        """Log output of a task, as text or encoded."""
        context = {"stream": stream, "rank": rank, "data": data}
        if encoding:
            context["encoding"] = encoding
        self.entry(0, "data", context)

    # From the agent and the server.

    def start(self) -> None:
        """Start the tasks, unless the job was stopped while it waited."""
        if self.stopping:
            self.end()
            return
        launch.start(self)
        early, self.early = self.early, []
        for op, message in early:
            if not self.ended:
                self.obey(op, message)

    def running(self, blocks: list[list[int]]) -> None:
        """Every task of this host runs."""
        self.started = True
        self.marks[1] = self.report(RUNNING, blocks)
        if self.expiration:
            launch.arm(self)
        self.end_if_done()

    def start_failed(self, message: str, code: int) -> None:
        """A task could not be started, with exit code `code`: the others are ended."""
        self.raise_fatal("exec", message)
        self.log(0, message)
        self.status = code << 8
        if not self.stopping:
            self.stopping = "exec"
        self.kill(signal.SIGKILL)
        self.end_if_done()

    def obey(self, op: str, message: list[Any]) -> None:
        """A message of the server about this job."""
        if not self.begun and op not in ("stop", "expiration"):
            self.early.append((op, message))
        elif op == "signal":
            self.kill(message[2])
        elif op == "stop":
            self.stop(message[2])
        elif op == "write":
            launch.write(self, message[2], message[3], eof=message[4], log=message[5])
        elif op == "resize":
            launch.resize(self, message[2], message[3], message[4])
        elif op == "expiration":
            expiration = message[2] and message[2] - self.agent.skew
            if expiration == self.expiration:
                return
            self.expiration = expiration
            if self.started and self.expiration:
                launch.arm(self)
        elif op == "go":
            held, self.held = self.held, []
            for stream in held:
                self.agent.watch(stream.fd, stream.ready)
            for task in self.tasks:
                if task.terminal is not None and task.status is not None:
                    task.terminal.hang_up()
        elif op == "exited":
            self._exited_first()
        elif op == "pmi" and self.pmi is not None:
            self.pmi.gathered(message[2], message[3])

    def reconnected(self) -> None:
        """There is a new server, which does not know what is under way between hosts."""
        if self.pmi is not None and not self.ended:
            self.pmi.tell_again()

    def kill(self, signum: int) -> None:
        """Signal the process group of each task that runs, or whose output is still held open by a process of its group."""
        done = 0
        for task in self.tasks:
            if task.group != done and (task.status is None or task.streams):
                done = self.group
                with suppress(ProcessLookupError, PermissionError):
                    os.killpg(task.group, signum)

    def stop(self, reason: str) -> None:
        """End the job: SIGTERM, or what the site has chosen for the time limit, and SIGKILL after the grace period."""
        if self.ended or self.stopping:
            return
        self.stopping = reason
        if not self.begun:
            return  # it is in the queue, and ends when its turn comes
        self.kill(self._stop_signal(reason))
        self.agent.at(self.agent.now() + self.agent.kill_timeout, self._kill_rest, 1)

    def _stop_signal(self, reason: str) -> int:
        return self.agent.limit_signal if reason == "timeout" else int(signal.SIGTERM)

    def _kill_rest(self, attempt: int) -> None:
        if self.ended:
            return
        self.kill(signal.SIGKILL)
        if self.cgroup:
            cgroup.kill(self.cgroup)
        else:
            self.agent.leftovers.end_job(self)
        if attempt > 1:
            # Who still holds the output has left the job's sessions: it is not waited for.
            for task in self.tasks:
                for stream in list(task.streams) if task.status is not None else ():
                    stream.drain()
        if not self.ended:
            self.agent.at(self.agent.now() + self.agent.kill_timeout, self._kill_rest, attempt + 1)

    def expire(self, expiration: float) -> None:
        """The time limit has passed, unless it was moved."""
        if self.ended or expiration != self.expiration:
            return
        self.marks[3] = self.report(TIMED_OUT)
        self.stop("timeout")

    def warn(self, expiration: float, signum: int) -> None:
        """It is time for the signal that the user wants before the time limit."""
        if not self.ended and expiration == self.expiration:
            self.kill(signum)

    # From the tasks.

    def task_exiting(self, task: Task) -> None:
        """A task has ended, and its pid is still its own: the moment to signal the rest of its group when nothing holds its output."""
        if (task.terminal is not None or not task.streams or self.stopping) and (not self.group or self.live == 1):
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(task.group, signal.SIGKILL)

    def task_exited(self, task: Task, status: int) -> None:
        """A task's wait status is known."""
        task.status = status
        self.live -= 1
        if self.cgroup and status & 0x7F == signal.SIGKILL:
            self._tell_of_memory()
        if task.stdin is not None:
            task.stdin.close()
        if task.pmi is not None:
            task.pmi.close()
        if not self.first_exit:
            self.first_exit = self.agent.now()
            if self.started:
                self.marks[2] = self.report(TASK_EXIT, task.localid, task.rank, task.pid, status)
            if status and self.options.get("exit-on-error") and not self.stopping:
                self.raise_fatal(
                    "exec", f"task {task.rank} (host {self.nodes[self.index][1]}) failed and exit-on-error is set"
                )
                self.stop("exec")
            elif self.live or len(self.nodes) > 1:
                self._exited_first()
        if task.terminal is not None:
            task.terminal.hang_up()
        self.end_if_done()

    def _tell_of_memory(self) -> None:
        """Say it in the output if processes were killed for want of memory: a signal alone does not tell."""
        cause = "" if self.memory_told else cgroup.out_of_memory(self.cgroup)
        if cause:
            self.memory_told = True
            self.log(3, f"host {self.nodes[self.index][1]}: {cause}: processes of the job were killed")

    def _exited_first(self) -> None:
        if self.live and self.exit_timeout is None:
            self.exit_timeout = shell_options.exit_timeout(self.options)
            if self.exit_timeout >= 0:
                self.agent.at(self.agent.now() + self.exit_timeout, self._too_long)

    def _too_long(self) -> None:
        if self.live and not self.ended and not self.stopping:
            self.raise_fatal("exec", f"a task has exited and exit-timeout={self.exit_timeout:g}s has passed")
            self.stop("exec")

    def stream_closed(self, stream: Stream) -> None:
        """A stream of a task is at its end."""
        for task in self.tasks:
            if stream in task.streams:
                task.streams.remove(stream)
                break
        if stream.file is None:
            self.entry(0, "data", {"stream": stream.name, "rank": stream.rank, "eof": True})
        else:
            stream.file.release()
        self.open -= 1
        self.end_if_done()

    def end_if_done(self) -> None:
        """End, if no task runs and nobody can write any more."""
        if not self.live and not self.open and not self.ended and (self.started or self.stopping):
            self.end()

    def end(self) -> None:
        """The job has left this host."""
        if len(self.nodes) > 1:
            self.pids = self.processes()
        self.ended = True
        if self.started:
            self.status = max((self._task_status(task) for task in self.tasks), default=0)
        elif not self.status and self.stopping:
            self.status = self._stop_signal(self.stopping)
        if self.cgroup:
            self._tell_of_memory()
            self.agent.cgroups.end(self.cgroup)
        if self.tmpdir:
            self.agent.workdirs.give_back(self.tmpdir)
        self.marks[4] = self.report(ENDED, self.status)
        self.agent.job_ended()
        # Until the server forgets the job, only the summary is needed.
        self.tasks = []
        self.jobspec = self.system = self.options = {}
        self.pmi = None
        self.held = []

    def _task_status(self, task: Task) -> int:
        status = task.status or 0
        if not os.WIFSIGNALED(status):
            return os.WEXITSTATUS(status) << 8
        signum = os.WTERMSIG(status)
        # A job that was ended on request shows the signal itself, as job managers do that kill without a shell between.
        return signum if self.stopping and self.stopping != "timeout" else (128 + signum) << 8
