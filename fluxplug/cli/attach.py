"""Attaching to one job, as `run`, `alloc` and `job attach` do: its output is ours, our input and signals are its, and so is the exit code.

The main thread follows the job's events; one thread each follows the output, the events of the execution if they are shown, and our input. Where
the job is one to sit at (`pty.interactive`) and our input is a terminal, that is the job's until its end (`terminal`).
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from typing import TYPE_CHECKING, Any

from fluxplug.cli.follow import INACTIVE, Outcome, Sink, failure_text, hand_on, print_output
from fluxplug.cli.live import text_of
from fluxplug.clock import stopwatch
from fluxplug.errors import ApiError, FluxplugError, UnknownOutcomeError

if TYPE_CHECKING:
    from types import FrameType

    from fluxplug.cli.terminal import Keyboard
    from fluxplug.client import Client

FORWARDED = ("SIGTERM", "SIGHUP", "SIGALRM", "SIGUSR1", "SIGUSR2")
# Two interrupts within so many seconds cancel the job.
_TWICE = 2.0
_BLOCK = 65536
_STATUS = {
    "submit": "resolving dependencies",
    "depend": "waiting for priority assignment",
    "priority": "waiting for resources",
    "alloc": "starting",
}


class _DetachedError(Exception):
    """The user wants the job to go on without us."""


class Attachment:
    """One job with a terminal, or what stands for it.

    `events` and `exec_events` show events on standard error; `event` is the one of the job's log (after `finish`) that is waited for too.
    `stdin`: the tasks that get our input, "" for none. `tail`: only so many of the last lines that are there already.
    `quiet`: do not say how tasks failed.
    """

    def __init__(
        self,
        client: Client,
        jobid: int,
        command: str,
        *,
        labels: bool = False,
        events: bool = False,
        exec_events: bool = False,
        event: str = "finish",
        stdin: str = "all",
        status: bool = False,
        tail: int | None = None,
        quiet: bool = False,
        out: Sink | None = None,
        err: Sink | None = None,
    ) -> None:
        from fluxplug.values.jobid import JobID  # noqa: PLC0415

        self._client, self._jobid, self._command = client, jobid, command
        self._shown = JobID(jobid).f58
        self._labels, self._events, self._exec_events, self._event = labels, events, exec_events, event
        self._stdin, self._tail, self._quiet = stdin, tail, quiet
        self._status = status or (sys.stderr.isatty() and "FLUX_ATTACH_NONINTERACTIVE" not in os.environ)
        self._status_shown = False
        self._outcome = Outcome()
        self._out, self._err = out or Sink(), err or Sink(sys.stderr)
        self._path = f"/v1/jobs/{jobid}"
        self._interrupted = -_TWICE
        self._old: dict[int, Any] = {}
        self._threads: list[threading.Thread] = []
        self._keyboard: Keyboard | None = None
        self._leaving = False

    def run(self) -> int:
        """Show the job to its end, and return the exit code. 0 where the user detaches. Raises ApiError for a job that there is not."""
        record = self._client.get(self._path)["job"]
        self._outcome.t_submit = record.get("t_submit", 0.0)
        over = record["state"] == INACTIVE
        if self._stdin and not over:
            self._sit_down()
        self._catch()
        try:
            self._follow(over=over)
            for thread in self._threads:
                while thread.is_alive():  # in turns, so that signals are heard
                    thread.join(1.0)
        except _DetachedError:
            self._stand_up()
            self._say(f"detaching from {self._shown}")
            return 0
        finally:
            self._stand_up()
            self._release()
        return self._end()

    def _thread(self, target: Any) -> threading.Thread:
        thread = threading.Thread(target=target, daemon=True)
        thread.start()
        return thread

    # What the job does.

    def _follow(self, *, over: bool) -> None:
        outcome = self._outcome
        for event in self._client.stream(f"{self._path}/eventlog", resume=True, follow=True):
            outcome.feed(event)
            name = event["name"]
            self._show_status(name)
            if name == "exception":
                context = event["context"]
                note = f" {context['note']}" if context.get("note") else ""
                self._show(event, f"{self._shown} type={context['type']} severity={context['severity']}{note}")
            elif self._events:
                self._show(event)
            if name == "alloc":  # before, there are no logs of the execution
                if self._keyboard is not None:
                    self._keyboard.take()
                self._threads.append(self._thread(self._print))
                if self._exec_events:
                    self._threads.append(self._thread(self._show_exec))
            if name == "start" and self._stdin and not over:
                if self._keyboard is not None:
                    self._keyboard.begin()
                else:
                    self._thread(self._read)
            if outcome.status is not None and name == self._event:
                break

    def _show(self, event: dict[str, Any], text: str | None = None, where: str = "job") -> None:
        context = event.get("context")
        if text is None:
            text = json.dumps(context, ensure_ascii=False, separators=(",", ":")) if context else ""
        at = event["timestamp"] - self._outcome.t_submit
        self._clear_status()
        self._err.write(f"{at:.3f}s: {where}.{event['name']} {text}".rstrip() + "\n")

    def _show_exec(self) -> None:
        for event in self._client.stream(f"{self._path}/guest.exec.eventlog", resume=True, follow=True):
            self._show(event, where="exec")

    def _print(self) -> None:
        since = 0
        if self._tail is not None:
            since = self._tail_begin(self._tail)
        try:
            print_output(
                self._client,
                self._jobid,
                self._out,
                self._err,
                labels=self._labels,
                since=since,
                before=self._clear_status,
            )
        except FluxplugError as error:
            self._say(text_of(error))
        except BrokenPipeError:
            pass  # whoever read our output has gone; the exit code is still worth something

    def _tail_begin(self, lines: int) -> int:
        """How many entries of the output to pass over, for the last `lines` lines."""
        try:
            entries = list(self._client.stream(f"{self._path}/guest.output"))
        except ApiError:
            return 0
        at = len(entries)
        while at > 1 and lines > 0:
            at -= 1
            lines -= str(entries[at].get("context", {}).get("data") or "").count("\n")
        return at

    def _show_status(self, name: str) -> None:
        if not self._status:
            return
        if name in _STATUS:
            self._err.write(f"\r\x1b[K{self._shown}: {_STATUS[name]}")
            self._status_shown = True
        else:
            self._clear_status()

    def _clear_status(self) -> None:
        if self._status_shown:
            self._status_shown = False
            self._err.write("\r\x1b[K")

    def _end(self) -> int:
        outcome = self._outcome
        self._clear_status()
        if outcome.status and not self._quiet:
            self._say(failure_text(outcome.status))
        if outcome.status is None and outcome.exception is None and not outcome.over:
            self._say(f"{self._shown}: the instance ended before the job")
            return 1
        return outcome.code()

    def _say(self, text: str) -> None:
        self._err.write(f"fluxplug {self._command}: {text}\n")

    # What we do to the job.

    def _sit_down(self) -> None:
        """Prepare to hand over our terminal, if we have one and the job wants it."""
        try:
            if not sys.stdin.isatty():
                return
        except (AttributeError, ValueError):  # we have no input
            return
        from fluxplug.cli.terminal import Keyboard, RawSink, interactive_ranks, terminal_of  # noqa: PLC0415 - if at all

        descriptor = terminal_of(sys.stdin)
        ranks = interactive_ranks(self._client.get(f"{self._path}/jobspec")) if descriptor >= 0 else ""
        if ranks:
            ranks = ranks if self._stdin == "all" else self._stdin
            self._keyboard = Keyboard(self._client, self._path, ranks, descriptor, self._leave)
            if sys.stderr.isatty():
                self._err = RawSink(sys.stderr, self._keyboard)

    def _stand_up(self) -> None:
        if self._keyboard is not None:
            self._keyboard.end()

    def _leave(self) -> None:
        """The user does not want to sit here any more: heard by another thread than the one that can end all this."""
        self._leaving = True
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGTSTP)

    def _read(self) -> None:
        """Hand our input on, until its end."""
        try:
            source = sys.stdin.fileno()
        except (AttributeError, OSError, ValueError):
            source = -1  # we have none
        try:
            while source >= 0 and (data := os.read(source, _BLOCK)):
                self._put({"data": data})
            self._put({"eof": True})
        except OSError:  # the job has ended or takes no input, or we may not read from the terminal
            return

    def _put(self, body: dict[str, Any]) -> None:
        data = body.get("data")
        if data is not None:
            import base64  # noqa: PLC0415 - only where there is input

            body = {"data": base64.b64encode(data).decode("ascii"), "encoding": "base64"}
        try:
            hand_on(self._client, f"{self._path}/input", {"ranks": self._stdin, **body})
        except UnknownOutcomeError:
            self._say(f"{self._shown} may have missed some of its input, as the server ended while that was handed on")

    def _catch(self) -> None:
        if threading.current_thread() is not threading.main_thread():
            return
        for name in FORWARDED:
            number = getattr(signal, name)
            if signal.getsignal(number) is not signal.SIG_IGN:
                self._old[number] = signal.signal(number, self._forward)
        self._old[signal.SIGINT] = signal.signal(signal.SIGINT, self._interrupt)
        self._old[signal.SIGTSTP] = signal.signal(signal.SIGTSTP, self._stop)
        if self._keyboard is not None:
            self._old[signal.SIGWINCH] = signal.signal(signal.SIGWINCH, self._keyboard.resized)

    def _release(self) -> None:
        for number, old in self._old.items():
            signal.signal(number, old)

    def _forward(self, number: int, _: FrameType | None) -> None:
        self._ask("kill", {"signum": number})

    def _interrupt(self, _: int, __: FrameType | None) -> None:
        if stopwatch() - self._interrupted < _TWICE:
            self._ask("raise", {"type": "cancel", "note": "interrupted by ctrl-C"})
            self._interrupted = -_TWICE
            return
        self._interrupted = stopwatch()
        self._say("one more ctrl-C within 2s to cancel or ctrl-Z to detach")

    def _stop(self, _: int, __: FrameType | None) -> None:
        if self._leaving or stopwatch() - self._interrupted < _TWICE:
            raise _DetachedError
        keyboard = self._keyboard if self._keyboard is not None and self._keyboard.raw else None
        if keyboard is not None:
            keyboard.suspend()
        os.kill(os.getpid(), signal.SIGSTOP)
        if keyboard is not None:  # in the foreground again
            keyboard.begin()

    def _ask(self, what: str, body: dict[str, Any]) -> None:
        try:
            self._client.post(f"{self._path}/{what}", body)
        except FluxplugError as error:
            self._say(text_of(error))
