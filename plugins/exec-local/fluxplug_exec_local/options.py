"""What a job's shell options say, as values; and which of them have no effect here.

Used by the agent when it starts a job, and by the server for what is the job's and not a host's. Not here: the options of affinity (`binding`), of
files (`redirect`), of the task map (`layout`).
"""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, Any, NamedTuple

from fluxplug.values.duration import parse_fsd
from fluxplug.values.idset import IDset
from fluxplug_exec_local.size import parse_size

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    Options = Mapping[str, Any]

#: A single-user instance keeps as much output of a job as this.
DEFAULT_OUTPUT_LIMIT = 1 << 30
DEFAULT_EXIT_TIMEOUT = 30.0
#: How long before the time limit the signal of `--signal` comes.
DEFAULT_TIMELEFT = 60.0
#: The window of a terminal that nobody looks at.
DEFAULT_ROWS, DEFAULT_COLUMNS = 24, 80
OOM_MIN, OOM_MAX = -1000, 1000

_MOST_ROWS = 0xFFFF
_MOST_SIGNALS = signal.NSIG - 1

# What is served: None where the value is read elsewhere or may be anything, else the keys that it may have.
_STREAM: dict[str, Any] = {"type": None, "path": None, "label": None, "buffer": {"type": None}}
_SERVED: dict[str, Any] = {
    "cpu-affinity": None,
    "env-expand": None,
    "exit-on-error": None,
    "exit-timeout": None,
    "gpu-affinity": None,
    "input": {"batch-timeout": None, "stdin": {"type": None, "path": None}},
    "mpi": None,
    "nosetpgrp": None,
    "oom": {"adjust": None},
    "output": {"batch-timeout": None, "limit": None, "mode": None, "stderr": _STREAM, "stdout": _STREAM},
    "per-resource": {"count": None, "type": None},
    "pmi": None,
    "pty": {"capture": None, "interactive": None, "ranks": None, "winsize": None},
    "rlimit": None,
    "signal": {"signum": None, "timeleft": None},
    "taskmap": {"scheme": None, "value": None},
    "verbose": None,
}
# What Flux's shell has, and why it is not here.
_ABSENT = {
    "coprocess": "there are no coprocesses",
    "coprocess-kill-timeout": "there are no coprocesses",
    "hwloc": "tasks find the machine as it is",
    "initrc": "there is no shell that would run it",
    "input.limit": "input is passed on and logged whole",
    "output.client": "readers of output hold up nobody but themselves",
    "pmi-simple": "the exchange is the agent's own",
    "rexec-shutdown-timeout": "there are no remote processes to wait for",
    "stage-in": "attach files with --add-file",
    "stop-tasks-in-exec": "no debugger can attach to a start",
    "sysmon": "the use of resources is not sampled",
    "userrc": "there is no shell that would run it",
}


class Pty(NamedTuple):
    """Which tasks get a terminal: `ranks` (None for all). `interactive`: somebody sits at it, and what is typed is nobody else's business."""

    ranks: IDset | None
    interactive: bool
    rows: int
    columns: int

    def has(self, rank: int) -> bool:
        """Whether the task of this rank gets one."""
        return self.ranks is None or rank in self.ranks


def pty(options: Options) -> Pty | None:
    """The terminals of a job. Raises ValueError for ranks or a window that are none."""
    given = options.get("pty")
    if not given:
        return None
    if not isinstance(given, dict):
        return Pty(None, False, DEFAULT_ROWS, DEFAULT_COLUMNS)
    interactive = bool(given.get("interactive"))
    wanted = given.get("ranks")
    if wanted is None and not interactive and not given.get("capture"):
        return None
    try:
        ranks = None if wanted == "all" or (wanted is None and not interactive) else IDset(str(wanted or 0))
    except ValueError as error:
        raise ValueError(f"pty.ranks must be all or a list of ranks: {error}") from None
    window = part(given, "winsize", "pty.")
    rows, columns = window.get("rows", DEFAULT_ROWS), window.get("cols", DEFAULT_COLUMNS)
    if not all(isinstance(number, int) and 0 < number <= _MOST_ROWS for number in (rows, columns)):
        raise ValueError(f"pty.winsize must be an object of rows and cols, 1 to {_MOST_ROWS}, not {window!r}")
    return Pty(ranks, interactive, rows, columns)


def warning(options: Options) -> tuple[int, float] | None:
    """The signal that the job wants before its time limit, and how many seconds before. Raises ValueError for what is neither."""
    wanted = part(options, "signal")
    if not wanted:
        return None
    signum = _integer("signal.signum", wanted.get("signum", signal.SIGUSR1), 1, _MOST_SIGNALS)
    return signum, _seconds("signal.timeleft", wanted.get("timeleft", DEFAULT_TIMELEFT))


def exit_timeout(options: Options) -> float:
    """Seconds that tasks may go on after the first has exited; below 0 for as long as they like."""
    value = options.get("exit-timeout", DEFAULT_EXIT_TIMEOUT)
    return -1.0 if value == "none" else _seconds("exit-timeout", value)


def output_limit(options: Options) -> int:
    """The most bytes of each output stream of a job that are logged. Raises ValueError for a size that is none."""
    if "output" not in options:
        return DEFAULT_OUTPUT_LIMIT
    given = part(options, "output").get("limit", DEFAULT_OUTPUT_LIMIT)
    if str(given) == "0":
        return 0
    try:
        return parse_size(str(given))
    except ValueError:
        raise ValueError(f"output.limit must be a number of bytes, or one with K, M, G or T, not {given!r}") from None


def limit_text(stream: str, limit: int) -> str:
    """What is logged where a stream's output comes to its limit."""
    return f"{stream}: output limit of {limit} bytes reached, the rest is dropped"


def oom_adjust(options: Options) -> int | None:
    """What the kernel is to add to the tasks' badness when memory is short. Raises ValueError for what it would not take."""
    given = part(options, "oom").get("adjust")
    if given is None:
        return None
    return _integer("oom.adjust", given, OOM_MIN, OOM_MAX)


def pmi_wanted(options: Options) -> bool:
    """Whether tasks get PMI-1: unless it is off."""
    return "off" not in _words(options.get("pmi", "simple"))


def idle(options: Options) -> Iterator[str]:
    """A sentence about each option that was given and has no effect. Raises ValueError for one that has no keys where it should."""
    yield from _unserved(options, _SERVED, "")
    if "pmi" in options:
        others = [word for word in _words(options["pmi"]) if word not in ("simple", "off")]
        if others:
            yield f"shell option pmi={','.join(others)} has no effect: there is only PMI-1, simple"
    if options.get("mpi", "none") != "none":
        yield f"shell option mpi={options['mpi']} has no effect: there are no settings for kinds of MPI"
    terminals = options.get("pty")
    if isinstance(terminals, dict) and "capture" in terminals and not terminals["capture"]:
        yield "shell option pty.capture=0 has no effect: what terminals show is always logged"
    if isinstance(terminals, dict) and terminals.get("winsize") and pty(options) is None:
        yield "shell option pty.winsize has no effect: no task has a terminal"
    if "input" in options:
        part(part(options, "input"), "stdin", "input.")
    if "output" in options:
        for stream in ("stdout", "stderr"):
            given = part(part(options, "output"), stream, "output.")
            part(given, "buffer", f"output.{stream}.")
            if given.get("type") == "term":
                yield f"shell option output.{stream}.type=term has no effect: output is logged, for those who attach"


def part(options: Options, key: str, above: str = "") -> dict[str, Any]:
    """The keys below an option, none where it is not given; `above` is what comes before its key. Raises ValueError where it is a value."""
    given = options.get(key) or {}
    if not isinstance(given, dict):
        name = above + key
        raise ValueError(f"shell option {name} must have keys, such as {name}.KEY=VALUE, and not the value {given!r}")  # noqa: TRY004 - what a user wrote
    return given


def _seconds(name: str, value: Any) -> float:
    """A duration, as a number or as FSD."""
    if isinstance(value, (int, float)):
        return float(value)
    try:
        return parse_fsd(value)
    except (ValueError, TypeError):
        raise ValueError(f"{name} must be a duration such as 30 or 5m, not {value!r}") from None


def _integer(name: str, given: Any, least: int, most: int) -> int:
    try:
        value = int(given)
    except (ValueError, TypeError, OverflowError):
        value = least - 1
    if not least <= value <= most:
        raise ValueError(f"{name} must be {least} to {most}, not {given!r}")
    return value


def _words(value: Any) -> list[str]:
    return [str(word) for word in (value if isinstance(value, list) else str(value).split(","))]


def _unserved(given: Options, served: Mapping[str, Any], prefix: str) -> Iterator[str]:
    for key, value in given.items():
        name = prefix + key
        if key not in served:
            if value not in (None, False, 0):
                reason = _ABSENT.get(name)
                yield (
                    f"unknown shell option {name}" if reason is None else f"shell option {name} has no effect: {reason}"
                )
        elif served[key] is not None and isinstance(value, dict):
            yield from _unserved(value, served[key], f"{name}.")
