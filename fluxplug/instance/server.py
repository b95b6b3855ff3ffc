"""The server process: a state directory, an instance, its HTTP API on a Unix socket (and, when asked for, on a loopback port), and perhaps a command
that runs inside. What `fluxplug start` does.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import gc
import logging
import os
import secrets
import shutil
import signal
import socket
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import uvicorn
from attrs import frozen

from fluxplug.clock import stopwatch
from fluxplug.instance import unixsocket
from fluxplug.instance.app import make_app
from fluxplug.instance.errors import RequestError
from fluxplug.instance.instance import Instance, InstanceError, lock
from fluxplug.instance.protocol import Protocol, Refuse

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from starlette.types import ASGIApp, Receive, Scope, Send

    from fluxplug.config import Config
    from fluxplug.plugins import Plugins

SOCKET = "local-0"
TOKEN = "token"  # noqa: S105 - the name of the file
GRACE = 10.0


@frozen
class Options:
    """How to serve. `statedir` None: a temporary one, which goes with the server. `command` empty: serve until told to end.

    `listen` is (host, port) on loopback. `ready` is called with the URI once clients are served. `durability` is what a configuration that
    says nothing means; None: `power` for a state directory that was given, `process` for a temporary one.
    """

    statedir: Path | None = None
    command: Sequence[str] = ()
    listen: tuple[str, int] | None = None
    verbose: bool = False
    ready: Callable[[str], None] | None = None
    durability: str | None = None


class _Server(uvicorn.Server):
    """uvicorn, with signals left to us; `serving` is set once connections are taken."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.serving = asyncio.Event()

    async def on_tick(self, counter: int) -> bool:
        if counter % 10 == 0:
            now = stopwatch()
            for connection in [
                one for one in self.server_state.connections if isinstance(one, Protocol) and one.overdue(now)
            ]:
                connection.transport.abort()
        return await super().on_tick(counter)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.serving.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class _TokenNeeded:
    """Lets through what carries the token."""

    def __init__(self, app: ASGIApp, token: str) -> None:
        self._app, self._wanted = app, f"Bearer {token}".encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        given = dict(scope["headers"]).get(b"authorization", b"")
        app = self._app if secrets.compare_digest(given, self._wanted) else _NO_TOKEN
        await app(scope, receive, send)


_NO_TOKEN = Refuse(errno.EACCES, 401, "Authorization: Bearer TOKEN is missing or wrong")


def _state_directory(options: Options) -> Path:
    """Make the state directory, for its owner alone. Raises InstanceError."""
    if options.statedir is None:
        return Path(tempfile.mkdtemp(prefix="fluxplug-"))
    path = options.statedir.absolute()
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = path.stat()
    except OSError as error:
        raise InstanceError(f"{path}: {error.strerror}; choose another state directory") from None
    if status.st_uid != os.getuid():
        raise InstanceError(f"{path}: belongs to another user; choose another state directory")
    if status.st_mode & 0o077:
        raise InstanceError(f"{path}: others have access to it (mode {status.st_mode & 0o777:o}); chmod 700 it")
    return path


def serve(config: Config, plugins: Plugins, options: Options) -> int:
    """Serve until the command ends, or somebody says so; returns the exit code. Raises FluxplugError for an instance that cannot start."""
    statedir = _state_directory(options)
    held = lock(statedir)
    # Jobs live long and make no cycles: looking through a hundred thousand of them every few thousand objects costs more than it finds.
    gc.set_threshold(100_000, 50, 1000)
    gc.freeze()
    try:
        return asyncio.run(_serve(config, plugins, options, statedir))
    finally:
        os.close(held)
        if options.statedir is None:
            shutil.rmtree(statedir, ignore_errors=True)


class _ToLog(logging.Handler):
    """What libraries complain of, into the instance's log."""

    def __init__(self, instance: Instance) -> None:
        super().__init__(logging.WARNING)
        self._instance = instance

    def emit(self, record: logging.LogRecord) -> None:
        self._instance.log(record.levelname.lower(), f"{record.name}: {record.getMessage()}")


async def _serve(config: Config, plugins: Plugins, options: Options, statedir: Path) -> int:
    path = statedir / SOCKET
    uri = f"local://{path}"
    chosen = config.instance.durability or options.durability
    power = chosen == "power" if chosen is not None else options.statedir is not None
    attributes = {"parent_uri": os.environ.get("FLUXPLUG_URI"), "jobid": os.environ.get("FLUX_JOB_ID")}
    instance = Instance(config, plugins, statedir, uri=uri, power=power, attributes=attributes)
    logging.basicConfig(handlers=[_ToLog(instance)], force=True)
    ending: asyncio.Future[tuple[str, bool]] = asyncio.get_running_loop().create_future()

    def stop(reason: str, leave: bool = False) -> None:
        if not ending.done():
            ending.set_result((reason, leave))

    loop = asyncio.get_running_loop()
    for signum in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        loop.add_signal_handler(signum, stop, signal.Signals(signum).name)
    if options.command and sys.stdin is not None and sys.stdin.isatty():
        # ^C on the terminal is the command's, as it is below a shell; where that ends of it, so does the instance.
        loop.add_signal_handler(signal.SIGINT, lambda: None)
    app = make_app(instance, stop)
    try:
        listening = [unixsocket.listen(str(path))]
    except OSError as error:
        instance.store.close()
        raise InstanceError(f"{path}: {error.strerror}") from None
    if options.listen is not None:
        listening.append(_listen(options.listen))
    rate = config.instance.max_rate
    servers = [(_server(app, rate), listening[0])]
    if options.listen is not None:
        servers.append((_server(_TokenNeeded(app, _token(statedir)), rate), listening[1]))
    instance.on_failure = stop
    tasks: list[asyncio.Task[Any]] = []
    try:
        await instance.open()
        tasks += [loop.create_task(server.serve(sockets=[sock])) for server, sock in servers]
        for server, _ in servers:
            await server.serving.wait()
        if options.ready is not None:
            options.ready(uri)
        if options.verbose or not options.command:
            print(uri, flush=True)
        if not options.command:
            _, leave = await ending
            code = 0
        else:
            code, leave = await _run(options.command, uri, instance, ending), False
        await _wind_down(instance, leave=leave)
    finally:
        await instance.close(leave=ending.done() and ending.result()[1])
        for server, _ in servers:
            server.should_exit = True
        await asyncio.gather(*tasks, return_exceptions=True)
        path.unlink(missing_ok=True)
    if instance.failed:
        raise InstanceError(instance.failed)
    return code


def _listen(address: tuple[str, int]) -> socket.socket:
    host, port = address
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
    except OSError as error:
        listening.close()
        raise InstanceError(f"--listen {host}:{port}: {error.strerror}") from None
    return listening


def _token(statedir: Path) -> str:
    """The secret of the loopback port, for who can read the state directory."""
    path = statedir / TOKEN
    try:
        return path.read_text(encoding="ascii").strip()
    except FileNotFoundError:
        token = secrets.token_urlsafe(32)
        with open(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w", encoding="ascii") as file:  # noqa: PTH123
            file.write(token + "\n")
        return token


def _server(app: ASGIApp, rate: float | None) -> _Server:
    return _Server(
        uvicorn.Config(
            app,
            http=type("LimitedProtocol", (Protocol,), {"max_rate": rate}),
            loop="none",
            lifespan="off",
            ws="none",
            log_config=None,
            log_level="error",
            access_log=False,
            server_header=False,
            date_header=False,
            timeout_keep_alive=3600,
            timeout_graceful_shutdown=2,
        )
    )


async def _run(command: Sequence[str], uri: str, instance: Instance, ending: asyncio.Future[tuple[str, bool]]) -> int:
    """Run the initial program inside the instance, and return its exit code."""
    gone = {"FLUX_JOB_ID", "FLUX_JOB_SIZE", "FLUX_JOB_NNODES", "FLUX_JOB_TMPDIR", "FLUX_TASK_RANK", "FLUX_TASK_LOCAL_ID",
            "FLUX_KVS_NAMESPACE", "FLUX_PROXY_REMOTE"}  # fmt: skip
    environment = {
        name: value
        for name, value in os.environ.items()
        if name not in gone and not name.startswith(("PMI_", "SLURM_", "PMIX_", "PALS_"))
    }
    environment |= {"FLUXPLUG_URI": uri, "FLUX_URI": uri}
    if "FLUX_JOB_ID" in os.environ:
        environment["FLUX_ENCLOSING_ID"] = os.environ["FLUX_JOB_ID"]
    try:
        process = await asyncio.create_subprocess_exec(*command, env=environment)
    except OSError as error:
        raise InstanceError(f"{command[0]}: {error.strerror}") from None
    waiting = asyncio.ensure_future(process.wait())
    either: set[asyncio.Future[Any]] = {waiting, ending}
    await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
    if not waiting.done():
        process.send_signal(signal.SIGHUP)
        try:
            await asyncio.wait_for(asyncio.shield(waiting), GRACE)
        except asyncio.TimeoutError:
            process.kill()
        instance.log("info", f"ended by {ending.result()[0] or 'request'}")
    code = await waiting
    return code if code >= 0 else 128 - code


async def _wind_down(instance: Instance, *, leave: bool) -> None:
    """End what runs, and wait for that a while: what is left then is killed with the executor."""
    if leave:
        return
    from fluxplug.instance import record as rec  # noqa: PLC0415 - the end of the process

    running = rec.RUN | rec.CLEANUP
    cancelling = instance.job_requests.raise_many(
        None, None, running, False, "cancel", 0, "the instance is shutting down"
    )
    with contextlib.suppress(asyncio.TimeoutError, RequestError):
        await asyncio.wait_for(cancelling, GRACE)
    waiting = [live.jobid for live in instance.driver.jobs.values() if live.document is not None]
    with contextlib.suppress(asyncio.TimeoutError):
        await asyncio.wait_for(
            asyncio.gather(*(instance.job_requests.result(jobid, None) for jobid in waiting), return_exceptions=True),
            GRACE,
        )
