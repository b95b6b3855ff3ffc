"""Futures of the Python API: answers that are still to come, with the interface of Flux's.

There is no message loop under them. `get` waits in the thread that calls it; a callback given to `then` is run by `Flux.reactor_run`, in
the thread that calls that, as in Flux. Threads of their own wait meanwhile, only for futures that have callbacks or were asked whether they
are ready.
"""

from __future__ import annotations

import errno
import threading
from collections import deque
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from fluxplug.errors import ApiError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from fluxplug.handle import Flux

_Value = TypeVar("_Value")


class Future(Generic[_Value]):
    """An answer: `fetch()` waits for it and returns it; without it, somebody else says it, with `settle`.

    `now` starts at once, in a thread; else whoever needs the answer does. `get` raises what `fetch` raises.
    """

    def __init__(self, handle: Flux, fetch: Callable[[], _Value] | None, *, now: bool = False) -> None:
        self._handle = handle
        self._fetch = fetch
        self._lock = threading.Lock()
        self._started = fetch is None
        self._done = threading.Event()
        self._value: _Value
        self._error: BaseException | None = None
        self._callback: Callable[[], Any] | None = None
        if now:
            self._start()

    def get(self) -> _Value:
        """Wait for the answer, and return it. Raises the error that it is instead, an OSError."""
        if self._claim():
            try:
                self._run()
            except BaseException:  # an interrupt: whoever asks next starts anew
                self._started = False
                raise
        self._done.wait()
        if self._error is not None:
            raise self._error
        return self._value

    def then(self, callback: Callable[..., Any], *args: Any, timeout: float = -1.0, **kwargs: Any) -> Any:
        """Have `callback(future, *args, **kwargs)` called by `Flux.reactor_run` when the answer is there, or after `timeout` seconds.

        Returns the future. Raises FileExistsError where it has a callback, ValueError for None.
        """
        if callback is None:
            raise ValueError("a future's callback cannot be None")
        with self._lock:
            if self._callback is not None:
                raise FileExistsError(errno.EEXIST, "the future has a callback already")
            self._callback = lambda: callback(self, *args, **kwargs)
            done = self._done.is_set()
        self._handle.hold()
        if done:
            self._handle.post(self._call)
        else:
            if timeout >= 0:
                self._alarm(timeout)
            self._start()
        return self

    def wait_for(self, timeout: float = -1.0) -> Any:
        """Wait until the answer is there, at most `timeout` seconds (negative: for ever). Returns the future. Raises TimeoutError."""
        self._start()
        if not self._done.wait(None if timeout < 0 else timeout):
            raise TimeoutError(errno.ETIMEDOUT, f"no answer within {timeout:g} s")
        return self

    def is_ready(self) -> bool:
        """True where `get` would not wait."""
        self._start()
        return self._done.is_set()

    def error_string(self) -> str:
        """The text of the error that the answer is; "" where it is none, or is not there."""
        error = self._error
        return "" if error is None else (isinstance(error, OSError) and error.strerror) or str(error)

    def stop(self) -> None:
        """Forget the callback, unless it runs."""
        with self._lock:
            held, self._callback = self._callback is not None, None
        if held:
            self._handle.release()

    def get_flux(self) -> Flux:
        """The handle."""
        return self._handle

    def _claim(self) -> bool:
        with self._lock:
            mine, self._started = not self._started, True
        return mine

    def _start(self) -> None:
        if self._claim():
            threading.Thread(target=self._run, name="fluxplug-future", daemon=True).start()

    def _run(self) -> None:
        assert self._fetch is not None
        try:
            value = self._fetch()
        except Exception as error:  # noqa: BLE001 - it is raised where it is asked for
            self.settle(error=error)
        else:
            self.settle(value)

    def settle(self, value: Any = None, error: BaseException | None = None) -> None:
        """The answer is there. The first one counts."""
        with self._lock:
            if self._done.is_set():
                return
            self._started = True
            self._value, self._error = value, error
            self._done.set()
            wanted = self._callback is not None
        if wanted:
            self._handle.post(self._call)

    def _alarm(self, timeout: float) -> None:
        late = ApiError(errno.ETIMEDOUT, f"no answer within {timeout:g} s")
        timer = threading.Timer(timeout, self.settle, kwargs={"error": late})
        timer.daemon = True
        timer.start()

    def _call(self) -> None:
        with self._lock:
            callback, self._callback = self._callback, None
        if callback is not None:
            self._handle.release()
            callback()


class StreamFuture(Generic[_Value]):
    """Answers one after another, out of `stream`, an iterator with `close()`. After the last one comes None, again and again.

    Without a callback whoever asks waits for the stream; with one, a thread reads ahead, and `Flux.reactor_run` calls it for each answer
    and for the None, provided that it takes the answer (`get`, or `reset`).
    """

    def __init__(self, handle: Flux, stream: Iterator[_Value], close: Callable[[], None]) -> None:
        self._handle = handle
        self._stream = stream
        self._close = close
        self._read: deque[tuple[_Value | None, Exception | None]] = deque()
        self._lock = threading.Lock()
        self._more = threading.Condition(self._lock)
        self._callback: Callable[[], Any] | None = None
        self._current: tuple[_Value | None, Exception | None] | None = None
        self._ended = False
        self._finished = False
        self._posted = False
        self._taken = 0

    def get(self, autoreset: bool = True) -> _Value | None:
        """The next answer, None after the last. Without `autoreset` the same one again, until `reset`. Raises OSError in place of one."""
        if self._current is None:
            self._current = self._next()
        value, error = self._current
        if autoreset:
            self.reset()
        if error is not None:
            raise error
        return value

    def reset(self) -> None:
        """Go on to the next answer."""
        self._current = None

    def cancel(self, stop: bool = False) -> None:
        """End the stream: the next answer is None. With `stop` no callback is called any more."""
        if stop:
            self.stop()
        with self._lock:
            self._ended = True
        self._close()

    def stop(self) -> None:
        """Forget the callback."""
        with self._lock:
            held, self._callback = self._callback is not None, None
        if held:
            self._handle.release()

    def then(self, callback: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Have `callback(future, *args, **kwargs)` called by `Flux.reactor_run` for each answer. Returns the future.

        Raises FileExistsError where it has a callback, ValueError for None.
        """
        if callback is None:
            raise ValueError("a future's callback cannot be None")
        with self._lock:
            if self._callback is not None:
                raise FileExistsError(errno.EEXIST, "the future has a callback already")
            self._callback = lambda: callback(self, *args, **kwargs)
        self._handle.hold()
        threading.Thread(target=self._read_ahead, name="fluxplug-stream", daemon=True).start()
        return self

    def get_flux(self) -> Flux:
        """The handle."""
        return self._handle

    def _next(self) -> tuple[_Value | None, Exception | None]:
        with self._more:
            if self._callback is not None:
                while not self._read:
                    self._more.wait()
            if self._read:
                self._taken += 1
                found = self._read.popleft()
                self._finished = found == (None, None)
                return found
        return self._pull()

    def _pull(self) -> tuple[_Value | None, Exception | None]:
        if self._ended:
            return None, None
        try:
            value = next(self._stream, None)
        except Exception as error:  # noqa: BLE001 - it is raised where the answer is asked for
            self._ended = True
            return None, error
        self._ended = self._ended or value is None
        return (None if self._ended else value), None

    def _read_ahead(self) -> None:
        while True:
            found = self._pull()
            with self._more:
                self._read.append(found)
                self._more.notify_all()
            self._post()
            if self._ended:
                if found != (None, None):
                    with self._more:
                        self._read.append((None, None))
                    self._post()
                return

    def _post(self) -> None:
        with self._lock:
            wanted = self._callback is not None and self._read and not self._posted
            self._posted = self._posted or bool(wanted)
        if wanted:
            self._handle.post(self._call)

    def _call(self) -> None:
        with self._lock:
            self._posted = False
            callback = self._callback
            if callback is None or not self._read:
                return
            before = self._taken
        callback()
        if self._finished or self._taken == before:
            self.stop()  # an answer that is not taken is the last one that is called for
        else:
            self._post()
