"""PMI-1 for the tasks of a job: a key-value space and a barrier, by lines over a socket for each task (`PMI_FD`).

A job of one host needs nobody else. Of several, each agent tells the server what its tasks have put once all of them are at the barrier, and
the server gives everything to all when the last has told. Barriers are counted, and what was told lately is kept, so that a new server can
take over in the middle.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fluxplug_exec_local.job import Job
    from fluxplug_exec_local.task import Task

KEY_MAX, VALUE_MAX, NAME_MAX = 64, 1024, 64
_MAX_LINE = 4096


class Pmi:
    """The exchange of one job on this host; `ntasks` tasks are here."""

    __slots__ = ("_blocks", "_done", "_job", "_ntasks", "_put", "_space", "_told", "_waiting", "name")

    def __init__(self, job: Job, blocks: list[list[int]], ntasks: int) -> None:
        self.name = f"job-{job.jobid}"
        self._job = job
        self._blocks = blocks
        self._ntasks = ntasks
        self._space: dict[str, str] = {}
        self._put: dict[str, str] = {}
        self._waiting: list[PmiTask] = []
        self._done = 0
        self._told: list[tuple[int, dict[str, str]]] = []
        if not ntasks:
            self._tell()

    def join(self, task: Task, fd: int) -> PmiTask:
        """The exchange's side of a task's socket."""
        return PmiTask(self, self._job, task, fd)

    def put(self, key: str, value: str) -> None:
        """Set a key, for the tasks here at once, for others after the barrier."""
        self._space[key] = self._put[key] = value

    def get(self, key: str) -> str | None:
        """The value of a key."""
        if key == "PMI_process_mapping" and key not in self._space:
            from fluxplug.jobspec.taskmap import TaskMap  # noqa: PLC0415 - rare, and loads attrs

            self._space[key] = TaskMap.from_blocks(self._blocks).pmi()
        return self._space.get(key)

    def barrier(self, task: PmiTask) -> None:
        """A task is at the barrier."""
        self._waiting.append(task)
        if len(self._waiting) == self._ntasks:
            self._tell()

    def gathered(self, number: int, space: dict[str, str]) -> None:
        """Every host has reached barrier `number`; `space` is what all have put."""
        if number != self._done + 1:
            return
        self._done = number
        self._space.update(space)
        waiting, self._waiting = self._waiting, []
        for task in waiting:
            task.answer("cmd=barrier_out rc=0")
        if not self._ntasks:
            self._tell()

    def tell_again(self) -> None:
        """To a new server."""
        for number, put in self._told:
            self._job.agent.channel.say(["pmi", self._job.jobid, number, put])

    def _tell(self) -> None:
        number = self._done + 1
        put, self._put = self._put, {}
        if len(self._job.nodes) == 1:
            self.gathered(number, {})
            return
        # Another host can be one barrier behind, and may need the last one again.
        self._told = [*self._told[-1:], (number, put)]
        self._job.agent.channel.say(["pmi", self._job.jobid, number, put])


class PmiTask:
    """The socket of one task."""

    __slots__ = ("_buffer", "_fd", "_job", "_pmi", "_task")

    def __init__(self, pmi: Pmi, job: Job, task: Task, fd: int) -> None:
        self._pmi = pmi
        self._job = job
        self._task = task
        self._fd = fd
        self._buffer = b""
        job.agent.watch(fd, self._ready)

    def close(self) -> None:
        """The task has ended, or speaks no PMI."""
        if self._fd >= 0:
            self._job.agent.close(self._fd)
            self._fd = -1

    def answer(self, line: str) -> None:
        """Send a line. It fits the socket's buffer, as a task waits for each answer."""
        if self._fd >= 0:
            try:
                os.write(self._fd, line.encode() + b"\n")
            except OSError:
                self.close()

    def _ready(self, _: int) -> None:
        try:
            data = os.read(self._fd, _MAX_LINE)
        except OSError:
            data = b""
        if not data or len(self._buffer) > _MAX_LINE:
            self.close()
            return
        *lines, self._buffer = (self._buffer + data).split(b"\n")
        for line in lines:
            if self._fd >= 0:
                self._request(line.decode(errors="replace"))

    def _request(self, line: str) -> None:
        before, _, value = line.partition(" value=")
        words = dict(word.partition("=")[::2] for word in before.split())
        command = words.get("cmd", "")
        pmi = self._pmi
        if command == "init":
            self.answer("cmd=response_to_init pmi_version=1 pmi_subversion=1 rc=0")
        elif command == "get_maxes":
            self.answer(f"cmd=maxes rc=0 kvsname_max={NAME_MAX} keylen_max={KEY_MAX} vallen_max={VALUE_MAX}")
        elif command == "get_appnum":
            self.answer("cmd=appnum rc=0 appnum=0")
        elif command == "get_my_kvsname":
            self.answer(f"cmd=my_kvsname rc=0 kvsname={pmi.name}")
        elif command == "get_universe_size":
            self.answer(f"cmd=universe_size rc=0 size={self._job.size}")
        elif command == "put":
            pmi.put(words.get("key", ""), value)
            self.answer("cmd=put_result rc=0 msg=success")
        elif command == "get":
            found = pmi.get(words.get("key", ""))
            known = "rc=0 msg=success" if found is not None else "rc=-1 msg=key_not_found"
            self.answer(f"cmd=get_result {known} value={'unknown' if found is None else found}")
        elif command == "barrier_in":
            pmi.barrier(self)
        elif command == "finalize":
            self.answer("cmd=finalize_ack rc=0")
        elif command == "abort":
            self._job.raise_fatal("exec", f"task {self._task.rank} called PMI_Abort: {words.get('exitcode', '1')}")
            self._job.stop("exec")
        else:
            self.answer(f"cmd={command or 'error'} rc=-1 msg=unknown_command")
