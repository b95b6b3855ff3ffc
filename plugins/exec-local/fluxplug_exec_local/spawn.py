"""Starting one process, fast: posix_spawn (vfork) with what it cannot set itself changed in the agent around the call.

An agent has one thread, so that it may change its own folder, mask, limits and cores for the moment that a spawn takes. Not here: which
command, which environment (`job`, `environment`).
"""

from __future__ import annotations

import errno
import os
import resource
import signal
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from fluxplug.clock import stopwatch

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

#: Where a command is looked for if the job's environment has no PATH.
DEFAULT_PATH = "/bin:/usr/bin"

#: What may be ignored here, by Python, by the agent, or since before: a task has the normal actions. (Handlers go with exec.)
_RESET = tuple(
    s
    for s in signal.valid_signals()
    if s not in (signal.SIGKILL, signal.SIGSTOP)
    and (signal.getsignal(s) is signal.SIG_IGN or s in (signal.SIGPIPE, signal.SIGHUP, signal.SIGINT, signal.SIGXFSZ))
)
_PMI_FD = 3

#: Where a command was found holds for so many seconds, as many jobs of one kind come together.
FOUND_TIME = 1.0
MAX_FOUND = 1000
_found: dict[tuple[str, str], tuple[str, float]] = {}


def find_command(name: str, env: Mapping[str, str]) -> str:
    """The path of a command, as a shell finds it. Raises FileNotFoundError or PermissionError."""
    if "/" in name:
        return name
    search = env.get("PATH", DEFAULT_PATH)
    now = stopwatch()
    known = _found.get((name, search))
    if known is not None and known[1] > now:
        return known[0]
    found_other = False
    for folder in search.split(":"):
        path = f"{folder or '.'}/{name}"
        if os.access(path, os.X_OK):
            if not os.path.isdir(path):  # noqa: PTH112 - the hot path
                if path[0] == "/":
                    if len(_found) > MAX_FOUND:
                        _found.clear()
                    _found[name, search] = path, now + FOUND_TIME
                return path
        elif os.access(path, os.F_OK):
            found_other = True
    code = errno.EACCES if found_other else errno.ENOENT
    raise OSError(code, os.strerror(code), name)


def spawn(
    argv: list[str],
    env: Mapping[str, str],
    fds: Sequence[int],
    pmi: int,
    *,
    terminal: str = "",
    group: int | None = None,
    limits: Mapping[int, int] | None = None,
    cores: frozenset[int] | None = None,
    umask: int | None = None,
) -> int:
    """Start a process in a session of its own, in the agent's present folder; its pid.

    `fds` become 0, 1, 2; `pmi` (or -1) becomes descriptor 3. `limits` are soft limits. The terminal at the path `terminal` becomes the session's;
    then `fds` has only the descriptor of 0, or -1 for the terminal. With a `group` (0 for a new one) it gets no session, and joins that process group.
    Raises OSError as exec did.
    """
    path = find_command(argv[0], env)
    actions: list[tuple[Any, ...]]
    if terminal:
        # What a leader of a session without a terminal opens becomes its terminal; file actions come after setsid.
        actions = [
            (os.POSIX_SPAWN_OPEN, 1, terminal, os.O_RDWR, 0),
            (os.POSIX_SPAWN_DUP2, fds[0] if fds[0] >= 0 else 1, 0),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ]
    else:
        actions = [(os.POSIX_SPAWN_DUP2, fd, number) for number, fd in enumerate(fds)]
    if pmi >= 0:
        actions.append((os.POSIX_SPAWN_DUP2, pmi, _PMI_FD))
    saved_limits = _limit(limits) if limits else None
    saved_cores = os.sched_getaffinity(0) if cores else None
    saved_umask = os.umask(umask) if umask is not None else None
    begin: dict[str, Any] = {"setsid": True} if group is None else {"setpgroup": group}
    try:
        if cores:
            os.sched_setaffinity(0, cores)
        try:
            return os.posix_spawn(path, argv, env, file_actions=actions, **begin, setsigmask=(), setsigdef=_RESET)
        except OSError as error:
            if error.errno != errno.ENOEXEC:
                raise
        # A script without a first line that names its interpreter is the shell's.
        shell = ["/bin/sh", path, *argv[1:]]
        return os.posix_spawn(shell[0], shell, env, file_actions=actions, **begin, setsigmask=(), setsigdef=_RESET)
    finally:
        if saved_umask is not None:
            os.umask(saved_umask)
        if saved_cores:
            os.sched_setaffinity(0, saved_cores)
        if saved_limits:
            for which, pair in saved_limits:
                resource.setrlimit(which, pair)


def adjust_oom(value: int) -> int | None:
    """Set the `oom_score_adj` of this process, which its children inherit; what it was, None where the kernel refuses."""
    try:
        with open("/proc/self/oom_score_adj", "r+b", buffering=0) as file:  # noqa: PTH123 - pathlib is not loaded in an agent
            old = int(file.read())
            file.write(b"%d" % value)
    except OSError:
        return None
    return old


def _limit(limits: Mapping[int, int]) -> list[tuple[int, tuple[int, int]]]:
    saved = []
    for which, soft in limits.items():
        old = resource.getrlimit(which)
        hard = old[1]
        if hard != resource.RLIM_INFINITY and (soft == resource.RLIM_INFINITY or soft > hard):
            soft = hard
        if soft != old[0]:
            with suppress(ValueError, OSError):
                resource.setrlimit(which, (soft, hard))
                saved.append((which, old))
    return saved
