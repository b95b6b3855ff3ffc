"""Flux: the handle of the Python API, a connection to a live instance. Functions of `fluxplug.job` and `fluxplug.resource` take one.

Of Flux's handle it has what clients of a scheduler use. Messages, services, watchers and the key-value store are no part of fluxplug.
"""

from __future__ import annotations

import errno
import queue
import threading
from typing import TYPE_CHECKING, Any

from fluxplug.client import Client
from fluxplug.errors import ApiError
from fluxplug.future import Future, StreamFuture

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# Attributes of Flux's brokers, and where the instance's description has them.
_ATTRIBUTES = {
    "size": "size",
    "local-uri": "uri",
    "parent-uri": "parent_uri",
    "jobid": "jobid",
    "statedir": "statedir",
    "rundir": "statedir",
    "version": "version",
    "hostname": "hostname",
    "security.owner": "owner",
    "broker.pid": "pid",
    "broker.starttime": "started",
}
_STOP, _STOP_ERROR = "stop", "error"


class Flux:
    """A connection to the instance at `url` (None: that of the environment, as `fluxplug.client.find_uri` finds it).

    Threads may share a handle. It ends with its last reference. `flags` is accepted and ignored. Raises ConnectionFailedError where no
    instance answers: an OSError of its errno, a FileNotFoundError where there is no socket.
    """

    def __init__(self, url: str | None = None, flags: int = 0) -> None:  # noqa: ARG002 - Flux's signature
        self.client = Client(url)
        self.info: dict[str, Any] = self.client.get("/v1")
        self.parts: dict[str, Any] = {}  # what modules of the Python API keep with a handle
        self._config: dict[str, Any] | None = None
        self._lock = threading.Lock()
        self._held = 0
        self._ready: queue.SimpleQueue[Callable[[], Any] | str | None] = queue.SimpleQueue()

    def close(self) -> None:
        """Raises RuntimeError: a handle is closed when nothing refers to it any more."""
        raise RuntimeError("a handle cannot be closed; it ends with its last reference")

    def get_rank(self) -> int:
        """The rank of the server that this is connected to: 0."""
        return 0

    def attr_get(self, name: str) -> str:
        """An attribute of the instance, by its name in Flux: size, local-uri, hostlist, ... Raises FileNotFoundError for any other."""
        if name == "rank":
            return "0"
        if name == "instance-level":
            return "1" if self.info.get("jobid") else "0"
        if name == "hostlist":
            from fluxplug.resource.rset import Rv1Set  # noqa: PLC0415 - few ask

            return str(Rv1Set(self.client.get("/v1/resources")["all"]).nodelist)
        value = self.info.get(_ATTRIBUTES.get(name, ""))
        if value is None:
            raise ApiError(errno.ENOENT, f"no such attribute: {name}")
        return str(value)

    def conf_get(self, key: str | None = None, default: Any = None, update: bool = False) -> Any:
        """The instance's configuration, or the value at a dotted key; `default` where there is none. `update` asks for it anew."""
        if self._config is None or update:
            self._config = self.client.get("/v1/config")
        found: Any = self._config
        for word in key.split(".") if key else ():
            if not isinstance(found, dict) or word not in found:
                return default
            found = found[word]
        return found

    # Callbacks.

    def reactor_run(self, reactor: Any = None, flags: int = 0) -> int:  # noqa: ARG002 - Flux's signature
        """Call the callbacks of futures as their answers come, until none is left that has one, or one stops it. Returns 0 or more.

        An exception in a callback ends this, and is raised. Raises OSError (ECANCELED) after `reactor_stop_error`.
        """
        calls = 0
        while True:
            with self._lock:
                if not self._held and self._ready.empty():
                    return calls
            call = self._ready.get()
            if call == _STOP:
                return calls
            if call == _STOP_ERROR:
                raise ApiError(errno.ECANCELED, "the reactor was stopped with an error")
            if callable(call):
                call()
                calls += 1

    def reactor_stop(self) -> None:
        """End `reactor_run` after the callback that is running."""
        self._ready.put(_STOP)

    def reactor_stop_error(self) -> None:
        """End `reactor_run` with an error."""
        self._ready.put(_STOP_ERROR)

    def hold(self) -> None:
        """Something may post a callback: `reactor_run` waits for it until `release`."""
        with self._lock:
            self._held += 1

    def release(self) -> None:
        """What held will post nothing more."""
        with self._lock:
            self._held -= 1
        self._ready.put(None)  # look again

    def post(self, call: Callable[[], Any]) -> None:
        """Have `reactor_run` call it. Any thread may."""
        self._ready.put(call)

    # Futures: what modules that know no handle make them with.

    def future(self, fetch: Callable[[], Any], *, now: bool = False) -> Future[Any]:
        """The future of what `fetch()` returns."""
        return Future(self, fetch, now=now)

    def stream_future(self, stream: Iterator[Any], close: Callable[[], None]) -> StreamFuture[Any]:
        """The future of what an iterator yields."""
        return StreamFuture(self, stream, close)
