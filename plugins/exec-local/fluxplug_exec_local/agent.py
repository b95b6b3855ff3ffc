"""The agent: one process a host that starts the tasks of jobs, reads their output, waits for them, and tells the server.

`python -m fluxplug_exec_local.agent STATEDIR RANK LISTENER [remote]` with the listening socket inherited as descriptor LISTENER, and nothing else above
it; on another host than the server's, STATEDIR is a folder of its own, which it removes at its end. It lives in a session of its own and outlasts the
server: jobs run on, their time limits hold, and what happened is kept until a server has stored it. One thread and one epoll;
everything is written to cost microseconds a job, as a job can be `true`.

Not here: a job's own life (`job`), what is said to the server (`channel`).
"""

from __future__ import annotations

import ctypes
import fcntl
import gc
import heapq
import math
import os
import resource
import select
import signal
import socket
import sys
import traceback
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from fluxplug.clock import SteadyClock, since_boot
from fluxplug.values.idset import IDset
from fluxplug_exec_local.binding import cores_of
from fluxplug_exec_local.cgroup import Cgroups, Limits
from fluxplug_exec_local.channel import Channel
from fluxplug_exec_local.leftovers import Leftovers, end_orphans_of
from fluxplug_exec_local.start import address_of
from fluxplug_exec_local.workdir import Workdirs

if TYPE_CHECKING:
    from collections.abc import Callable

    from fluxplug_exec_local.job import Job
    from fluxplug_exec_local.streams import Stream
    from fluxplug_exec_local.task import Task
    from fluxplug_exec_local.tunnel import Entrance

#: So many jobs are started before the loop looks at what the running ones do.
STARTS_A_TURN = 8
#: How often an agent looks whether it is still the one at its address, and for processes that nobody owns, in seconds.
WATCH_INTERVAL = 1.0
#: An agent without a server, without jobs and with nothing to tell ends after this many seconds.
IDLE_LIMIT = 600.0
#: On another host than the server's, also one that has something to tell, after this many.
UNHEARD_LIMIT = 86400.0
#: A server's message takes less than so many seconds.
MAX_DELAY = 2.0

_PR_SET_CHILD_SUBREAPER = 36
_NO_LIMITS = Limits()
_HANGUP = select.EPOLLHUP | select.EPOLLERR | select.EPOLLIN


class Agent:
    """The loop, and what the jobs of this host share."""

    def __init__(self, statedir: str, rank: int, listener: socket.socket, *, remote: bool = False) -> None:
        self.statedir = statedir
        self.remote = remote
        self.rank = rank
        self.clock = SteadyClock()
        self.now = self.clock.now
        #: What the present server's clock is ahead of this one; they agree with the first server's.
        self.skew = 0.0
        self._synchronised = False
        self.instance = os.urandom(8).hex()
        self.uri = ""
        self.jobid_path = ""
        self.enclosing = ""
        self.kill_timeout = 5.0
        self.limit_signal = int(signal.SIGALRM)
        self.pretend = False
        self.cgroups = Cgroups("")
        self.memory_per_core = self.max_processes = 0
        self.cores = sorted(os.sched_getaffinity(0))
        self.nofile = resource.getrlimit(resource.RLIMIT_NOFILE)
        self.jobs: dict[int, Job] = {}
        self.tasks: dict[int, Task] = {}
        self.queue: deque[Job] = deque()
        self.paused = False
        self.running = True
        self._stopping = False
        self._idle_since = self.now()
        #: See `Settings.lease`.
        self.lease = 0.0
        self.address = address_of(statedir, rank)
        self._identity = _identity(self.address)
        self._epoll = select.epoll()
        self._handlers: dict[int, Callable[[int], None]] = {}
        self._timers: list[tuple[float, int, Callable[..., None], tuple[Any, ...]]] = []
        self._count = 0
        self._children = False
        self._waiting: list[Stream] = []
        self.entrance: Entrance | None = None
        self.channel = Channel(self, listener)
        self.leftovers = Leftovers(self)
        folders = f"{statedir}/tmp/jobtmp-{rank}-"  # noqa: S108 - of the state directory
        end_orphans_of(folders)
        self.workdirs = Workdirs(folders)

    # What the parts use.

    def watch(self, fd: int, handler: Callable[[int], None], events: int = select.EPOLLIN) -> None:
        """Call `handler(events)` whenever `fd` is ready."""
        self._handlers[fd] = handler
        self._epoll.register(fd, events)

    def rewatch(self, fd: int, events: int) -> None:
        """Wait for other events of `fd`."""
        self._epoll.modify(fd, events)

    def unwatch(self, fd: int) -> None:
        """Forget `fd`, and leave it open; harmless where it is not watched."""
        if self._handlers.pop(fd, None) is not None:
            self._epoll.unregister(fd)

    def close(self, fd: int) -> None:
        """Forget `fd`, and close it.

        The kernel forgets a descriptor only with the last copy of it, and a child has copies of all for a moment after the agent runs on: events of
        the old file would then be taken for those of a new one with the same number.
        """
        self.unwatch(fd)
        os.close(fd)

    def at(self, when: float, action: Callable[..., None], *args: Any) -> None:
        """Call `action(*args)` at a time in seconds since 1970. Cannot be taken back: the action looks whether it still holds."""
        self._count += 1
        heapq.heappush(self._timers, (when - self.clock.offset, self._count, action, args))

    def synchronise(self, offset: float) -> None:
        """A server's clock is since_boot() + `offset`. Running jobs keep their time, whatever that of a later server is."""
        if not self._synchronised:
            self.clock.offset, self._synchronised = offset, True
        self.skew = offset - self.clock.offset

    def synchronise_near(self, offset: float) -> None:
        """The same by a server elsewhere, whose words take a while: a difference that is as small is none."""
        if not self._synchronised or abs(offset - self.clock.offset - self.skew) > MAX_DELAY:
            self.synchronise(offset)

    def wait_to_read(self, stream: Stream) -> None:
        """Do not read from this stream until there is room for what it says."""
        self.unwatch(stream.fd)
        self._waiting.append(stream)

    def set_paused(self, paused: bool) -> None:
        """Stop reading output, or go on."""
        self.paused = paused
        if not paused:
            waiting, self._waiting = self._waiting, []
            for stream in waiting:
                if stream.fd >= 0:
                    self.watch(stream.fd, stream.ready)

    def local_uri(self) -> str:
        """Where tasks find the instance on a host that is not the server's; empty where that cannot be had."""
        if self.entrance is None:
            from fluxplug_exec_local.tunnel import Entrance  # noqa: PLC0415 - not on the server's host

            try:
                self.entrance = Entrance(self, f"{self.statedir}/local-0")
            except OSError:
                traceback.print_exc()
                return ""
        return self.entrance.uri

    def limits_of(self, job: Job) -> Limits:
        """What a job may use here, where it has a control group."""
        if not self.cgroups.parent:
            return _NO_LIMITS
        cores = IDset(cores_of(job)).encode()
        ncores = IDset(job.nodes[job.index][2]).count()
        return Limits(cores, self.memory_per_core * ncores, self.max_processes)

    # The loop.

    def run(self) -> None:
        """Serve until told to end, or until nobody can come any more."""
        woken, wake = socket.socketpair()
        woken.setblocking(False)
        wake.setblocking(False)
        signal.signal(signal.SIGCHLD, self._child_ended)
        signal.set_wakeup_fd(wake.fileno(), warn_on_full_buffer=False)
        for ignored in (signal.SIGHUP, signal.SIGINT, signal.SIGPIPE):
            signal.signal(ignored, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, lambda *_: self.shut_down())
        self.watch(woken.fileno(), lambda _: self._woken(woken))
        self.at(self.now() + WATCH_INTERVAL, self._look_around)
        handlers = self._handlers
        poll = self._epoll.poll
        while self.running:
            timeout = 0.0 if self.queue else self._until_timer()
            for fd, events in poll(timeout, 256):
                handler = handlers.get(fd)
                if handler is not None:  # it may have been closed in this turn
                    try:
                        handler(events)
                    except Exception:  # noqa: BLE001 - what goes wrong with one descriptor must not end every job
                        traceback.print_exc()
                        self.unwatch(fd)
            if self._children:
                self._reap()
            if self._timers and self._timers[0][0] <= since_boot():
                self._run_timers()
            for _ in range(min(STARTS_A_TURN, len(self.queue))):
                self._start(self.queue.popleft())
            self.channel.flush()
            if self._stopping and self._idle():
                self._end()

    def _start(self, job: Job) -> None:
        try:
            job.start()
        except Exception:  # noqa: BLE001 - a mistake of ours with one job must not take the others along
            traceback.print_exc()
            if not job.ended:
                job.start_failed("internal error of the agent: see its log", 1)

    def shut_down(self) -> None:
        """End every task, and then the agent."""
        for job in list(self.jobs.values()):
            job.stop("shutdown")
        self._stopping = True
        self.at(self.now() + self.kill_timeout + 1, self._end)

    def job_ended(self) -> None:
        """A job's last task on this host has gone; not everything that it started need have."""
        self.leftovers.needed = True

    def _idle(self) -> bool:
        """Whether every job has ended, and the server, if there is one, has been told."""
        return not self.channel.unsent and all(job.ended for job in self.jobs.values())

    def _end(self) -> None:
        for task in list(self.tasks.values()):
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(task.group, signal.SIGKILL)
        self.leftovers.sweep(everything=True)
        self.workdirs.remove()
        self.cgroups.tidy()
        self.running = False

    def _woken(self, woken: socket.socket) -> None:
        with suppress(BlockingIOError):
            woken.recv(4096)

    def _child_ended(self, *_: object) -> None:
        self._children = True

    def _reap(self) -> None:
        self._children = False
        tasks = self.tasks
        while True:
            try:
                # Looked at first and taken away later: until then nobody else can have its number, nor that of its group.
                ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            except ChildProcessError:
                return
            if ended is None:
                return
            pid = ended.si_pid
            task = tasks.pop(pid, None)
            if task is not None:
                task.job.task_exiting(task)
            _, status = os.waitpid(pid, 0)
            if task is not None:
                task.job.task_exited(task, status)

    def _patience(self) -> float:
        """How long to wait for a server. Where its state directory is, that says when there will be none; elsewhere only time can."""
        if not self.channel.retained:
            return IDLE_LIMIT
        return UNHEARD_LIMIT if self.remote else math.inf

    def is_at_its_address(self) -> bool:
        """Whether who comes to the address finds this agent."""
        return _identity(self.address) == self._identity

    def _until_timer(self) -> float:
        return max(0.0, self._timers[0][0] - since_boot()) if self._timers else -1.0

    def _run_timers(self) -> None:
        now = since_boot()
        while self._timers and self._timers[0][0] <= now:
            _, _, action, args = heapq.heappop(self._timers)
            try:
                action(*args)
            except Exception:  # noqa: BLE001 - one job's trouble must not end the others
                traceback.print_exc()

    def _look_around(self) -> None:
        now = self.now()
        self.at(now + WATCH_INTERVAL, self._look_around)
        self.leftovers.sweep()
        self.cgroups.tidy()
        if not self.is_at_its_address():
            if self._stopping:
                return
            print("agent: another one serves my address, or it has gone: ending", file=sys.stderr, flush=True)
            self.channel.close()
            self.shut_down()
            return
        if self.remote and self.lease and since_boot() - self.channel.heard_at > self.lease and not self._stopping:
            print("agent: no server for too long: ending", file=sys.stderr, flush=True)
            self.shut_down()
        if self.channel.connected or any(not job.ended for job in self.jobs.values()):
            self._idle_since = now
        elif now - self._idle_since > self._patience():
            self.running = False


def _identity(path: str) -> tuple[int, int] | None:
    try:
        status = os.stat(path)  # noqa: PTH116
    except OSError:
        return None
    return status.st_dev, status.st_ino


def main() -> None:
    """The command: see the module."""
    statedir, rank, descriptor = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    # What the server has open is not the agent's, nor its tasks'.
    for name in os.listdir("/proc/self/fd"):  # noqa: PTH208
        if int(name) > descriptor:
            with suppress(OSError):
                os.close(int(name))
    os.set_inheritable(descriptor, False)
    listener = socket.socket(fileno=descriptor)
    # Orphans of tasks become children of the agent, so that they can be found and ended.
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    agent = Agent(statedir, rank, listener, remote=sys.argv[4:] == ["remote"])
    # Who clears up old files (systemd-tmpfiles) leaves a locked folder alone.
    lock = None
    if agent.remote:
        lock = os.open(statedir, os.O_RDONLY | os.O_DIRECTORY)
        fcntl.flock(lock, fcntl.LOCK_SH)
    if soft != hard:
        with suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    # Objects of the hot path have no cycles: collections are rare.
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 20, 20)
    try:
        agent.run()
    except BaseException:
        traceback.print_exc()
        raise
    if lock is not None:
        os.close(lock)
        from fluxplug_exec_local.relay import remove_folder  # noqa: PLC0415 - agents of the server's host leave what is the server's

        remove_folder(statedir, agent.is_at_its_address)


if __name__ == "__main__":
    main()
