"""The caller's own terminal while a job sits at it (`pty.interactive`): raw, its size told to the job, its keys handed on, and itself again afterwards.

`attach` uses it. Not here: the job's terminal (`plugins/exec-local`, terminal.py).
"""

from __future__ import annotations

import os
import select
import termios
import threading
import tty
from contextlib import suppress
from typing import IO, TYPE_CHECKING, Any

from fluxplug.cli.follow import Sink, hand_on
from fluxplug.errors import FluxplugError, UnknownOutcomeError

if TYPE_CHECKING:
    from collections.abc import Callable

    from fluxplug.client import Client

_BLOCK = 65536
_RESIZED, _END = b"r", b"e"


def terminal_of(stream: IO[str] | None) -> int:
    """The descriptor of a stream that is a terminal, else -1."""
    try:
        descriptor = -1 if stream is None else stream.fileno()
    except (AttributeError, OSError, ValueError):
        return -1
    return descriptor if descriptor >= 0 and os.isatty(descriptor) else -1


def window(descriptor: int) -> dict[str, int] | None:
    """The size of a terminal, as the API has it; None where it has none."""
    try:
        columns, rows = os.get_terminal_size(descriptor)
    except OSError:
        return None
    return {"rows": rows, "cols": columns} if rows > 0 and columns > 0 else None


class Keyboard:
    """The terminal `descriptor`, for the tasks `ranks` of one job.

    `take` makes it raw, from `begin` on a thread hands on what is typed, and `end` makes it what it was. All may be called again at any time, by the
    main thread alone. After `~.` at the beginning of a line `leave` is called, in that thread; `~~` there is one `~`.
    """

    def __init__(self, client: Client, path: str, ranks: str, descriptor: int, leave: Callable[[], None]) -> None:
        self._client, self._path, self._ranks = client, path, ranks
        self._descriptor = descriptor
        self._leave = leave
        self._usual: list[Any] | None = None
        self._thread: threading.Thread | None = None
        self._heard, self._tell = os.pipe()
        os.set_blocking(self._tell, False)
        self._escape = Escape()

    @property
    def raw(self) -> bool:
        """Whether keys go to the job."""
        return self._usual is not None

    def take(self) -> None:
        """Make the terminal raw: what is written on it from now on is the job's."""
        if self._usual is None:
            usual = termios.tcgetattr(self._descriptor)
            self._usual = usual
            # What was typed before is not lost.
            tty.setraw(self._descriptor, termios.TCSADRAIN)

    def begin(self) -> None:
        """From now on keys are the job's; so is the window's size."""
        self.take()
        self.resized()
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, daemon=True)
            self._thread.start()

    def suspend(self) -> None:
        """The terminal is as it was before, until `begin`."""
        usual, self._usual = self._usual, None
        if usual is not None:
            with suppress(termios.error):  # it may have gone
                termios.tcsetattr(self._descriptor, termios.TCSADRAIN, usual)

    def end(self) -> None:
        """The terminal is as it was before, and what is typed now is for whoever comes next."""
        self.suspend()
        self._send(_END)

    def resized(self, *_: object) -> None:
        """Tell the job the window's size: a handler of SIGWINCH."""
        self._send(_RESIZED)

    def _send(self, word: bytes) -> None:
        with suppress(BlockingIOError):  # it has been told often enough
            os.write(self._tell, word)

    # The thread.

    def _run(self) -> None:
        try:
            while self._turn():
                pass
        except (FluxplugError, OSError):  # the job has ended, or takes no input: its log says the rest
            return

    def _turn(self) -> bool:
        ready = select.select([self._heard, self._descriptor], [], [])[0]
        if self._heard in ready:
            words = os.read(self._heard, _BLOCK)
            if _END in words:
                return False
            self._post_size()
            return True
        if self._usual is None:  # suspended: the process is about to be stopped
            return True
        data = os.read(self._descriptor, _BLOCK)
        if not data:
            self._post({"eof": True})
            return False
        data, leave = self._escape.feed(data)
        if data:
            import base64  # noqa: PLC0415 - only where there is input

            self._post({"data": base64.b64encode(data).decode("ascii"), "encoding": "base64"})
        if leave:
            self._leave()
        return not leave

    def _post_size(self) -> None:
        found = window(self._descriptor)
        if found is not None:
            self._post({"winsize": found})

    def _post(self, body: dict[str, Any]) -> None:
        """Hand on; a server that is being restarted is waited for. A key that it may have had already is not sent twice."""
        missed = False
        try:
            missed = hand_on(self._client, f"{self._path}/input", {"ranks": self._ranks, **body})
        except UnknownOutcomeError:
            missed = True
        if missed and "winsize" not in body:
            self.resized()


class Escape:
    """Finds `~.` at the beginning of a line of what is typed."""

    def __init__(self) -> None:
        self._fresh = True
        self._held = False

    def feed(self, data: bytes) -> tuple[bytes, bool]:
        """What is to be handed on of `data`, and whether the user wants to leave."""
        if b"~" not in data and not self._held:
            self._fresh = data[-1] in b"\r\n"
            return data, False
        found = bytearray()
        for key in data:
            if self._held:
                self._held = False
                if key == ord("."):
                    return bytes(found), True
                if key != ord("~"):
                    found += b"~"
            elif self._fresh and key == ord("~"):
                self._held = True
                continue
            found.append(key)
            self._fresh = key in b"\r\n"
        return bytes(found), False


class RawSink(Sink):
    """A Sink for lines of ours on a terminal that may be raw, where the end of a line does not return to its beginning."""

    def __init__(self, stream: IO[str], keyboard: Keyboard) -> None:
        super().__init__(stream)
        self._keyboard = keyboard

    def write(self, text: str) -> None:
        """Write a text, and pass it on at once."""
        super().write(text.replace("\r\n", "\n").replace("\n", "\r\n") if self._keyboard.raw else text)


def interactive_ranks(jobspec: dict[str, Any]) -> str:
    """The task of a job that somebody is to sit at, "" for none, and where the ranks make no sense: then the job does not start."""
    shell = jobspec.get("attributes", {}).get("system", {}).get("shell") or {}
    given = (shell.get("options") or {}).get("pty")
    if not isinstance(given, dict) or not given.get("interactive"):
        return ""
    ranks = str(given.get("ranks") or "0")
    if ranks == "all":
        return "0"
    from fluxplug.values.idset import IDset  # noqa: PLC0415 - few give ranks

    try:
        wanted = IDset(ranks)
    except ValueError:
        return ""
    return str(wanted.first()) if wanted else "0"
