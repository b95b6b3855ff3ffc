"""The HTTP API, version 1: requests in, JSON or NDJSON out. What they mean is `requests` and `driver`; the table of routes is at the end.

Errors are `{"error": {"errno": N, "message": TEXT}}`; STATUS maps errno to HTTP status.
"""

# ruff: noqa: ARG002 - handlers have one signature
from __future__ import annotations

import asyncio
import base64
import binascii
import errno
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import msgspec
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from fluxplug.errors import DocumentError, FluxplugError
from fluxplug.instance import bodies
from fluxplug.instance.errors import RequestError
from fluxplug.instance.jobs import decode, encode
from fluxplug.instance.listing import STATES
from fluxplug.instance.record import f58
from fluxplug.instance.requests import parse_id
from fluxplug.instance.store import INSTANCE, LOGS, StoreError
from fluxplug.instance.streams import JOURNAL

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine

    from starlette.requests import Request

    from fluxplug.instance.instance import Instance

    Handler = Callable[["Api", Request], Awaitable[Response]]

T = TypeVar("T")

STATUS = {
    errno.EINVAL: 400, errno.EPROTO: 400, errno.EPERM: 403, errno.EACCES: 403, errno.ENOENT: 404, errno.ECHILD: 404, errno.ETIMEDOUT: 408,
    errno.EEXIST: 409, errno.EAGAIN: 409, errno.E2BIG: 413, errno.EUSERS: 429, errno.ENOSPC: 503, errno.ESHUTDOWN: 503,
    errno.ENOBUFS: 503,
}  # fmt: skip

RUN_LIMIT = 500
MAX_BODIES = 4
"""As many bodies of the greatest length may be on their way in at one time."""


class Raw(Response):
    """An answer that is bytes already."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        return bytes(content)


class Stream(StreamingResponse):
    """Lines that come when they come."""

    media_type = "application/x-ndjson"


def answer(content: Any) -> Response:
    """A JSON answer."""
    return Raw(encode(content))


def failure(code: int, message: str) -> Response:
    """An error answer."""
    return Raw(encode({"error": {"errno": code, "message": message}}), status_code=STATUS.get(code, 400))


class Api:
    """The handlers, over one instance."""

    def __init__(self, instance: Instance, stop: Callable[[str, bool], None]) -> None:
        self.instance, self.stop = instance, stop
        self.driver, self.requests, self.store = instance.driver, instance.requests, instance.store
        self.streams = instance.streams
        self.owner = instance.intake.owner
        self.max_body = instance.config.instance.max_body
        self._arriving = 0

    async def body(self, request: Request, kind: type[T]) -> T:
        """The body of a request. Raises RequestError for one that is too long or too deep, or has not the members of `kind`."""
        data = await self._read(request)
        try:
            found = msgspec.json.decode(data or b"{}", type=kind)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise RequestError(errno.EPROTO, f"body: {error}") from None
        except RecursionError:
            raise RequestError(errno.EPROTO, "body: nested too deeply") from None
        for document in bodies.documents(found):
            if bodies.too_deep(document):
                raise RequestError(errno.EPROTO, f"body: nested more than {bodies.MAX_DEPTH} levels deep")
        return found

    async def _read(self, request: Request) -> bytes:
        limit = self.max_body
        announced = request.headers.get("content-length", "")
        size = 0
        parts = []
        try:
            async for chunk in request.stream():
                size += len(chunk)
                self._arriving += len(chunk)
                if size > limit or (announced.isdigit() and int(announced) > limit):
                    raise RequestError(errno.E2BIG, f"the body is longer than {limit} bytes ([instance] max-body)")
                if self._arriving > MAX_BODIES * limit:
                    raise RequestError(errno.ENOBUFS, "too many long requests are under way")
                parts.append(chunk)
        finally:
            self._arriving -= size
        return b"".join(parts)

    # Submitting.

    async def submit(self, request: Request) -> Response:
        body = await self.body(request, bodies.Submission)
        accept, owner = self.driver.accept, self.owner
        if body.jobs is None:
            if body.jobspec is None:
                raise RequestError(errno.EPROTO, "body: give jobspec, or jobs")
            jobid = accept(body.jobspec, body.urgency, body.flags, owner)
            await self.driver.settled()
            return answer({"id": f58(jobid)})
        results: list[dict[str, Any]] = []
        for job in body.jobs:
            try:
                results.append({"id": f58(accept(job.jobspec, job.urgency, job.flags, owner))})
            except RequestError as error:
                results.append({"error": {"errno": error.errno, "message": error.message}})
        await self.driver.settled()
        return answer({"jobs": results})

    # Jobs.

    async def list(self, request: Request) -> Response:
        body = await self.body(request, bodies.Listing)
        ids = None if body.ids is None else [parse_id(text) for text in body.ids]
        found = self.requests.list_jobs(body.max_entries, body.attrs, body.since, body.constraint, ids)
        return answer({"jobs": found})

    def _id(self, request: Request) -> int:
        return parse_id(request.path_params["id"])

    async def job(self, request: Request) -> Response:
        return answer({"job": self.requests.record(self._id(request))})

    async def key(self, request: Request) -> Response:
        jobid, key = self._id(request), request.path_params["key"]
        row = self.store.job(jobid)
        if row is None:
            raise RequestError(errno.ENOENT, "unknown job id")
        if key in LOGS[:4]:
            return await self._log(request, jobid, key)
        jobspec, R, _ = row  # noqa: N806 - the format's name
        if key == "R" and R is not None:
            return Raw(R)
        if key == "jobspec":
            if not _flag(request, "original"):
                return Raw(jobspec)
            document = decode(jobspec)
            environment = self.store.environment(jobid)
            if environment is not None:
                document["attributes"]["system"]["environment"] = decode(environment)
            return answer(document)
        raise RequestError(errno.ENOENT, f"{key[:80]}: key not found")

    async def _log(self, request: Request, jobid: int, log: str) -> Response:
        since, follow = _number(request, "since", 0), _flag(request, "follow")
        if not follow and not self.store.after(jobid, log, 0):
            raise RequestError(errno.ENOENT, f"{log}: key not found")
        return Stream(self._lines(jobid, log, since, follow=follow))

    async def _lines(self, jobid: int, log: str, skip: int, *, follow: bool) -> AsyncIterator[bytes]:
        key = (jobid, log)
        event = self.streams.follow(key)
        last = 0
        try:
            while True:
                event.clear()
                row = self.store.job(jobid) if jobid != INSTANCE else (b"", None, None)
                over = row is None or row[2] is not None or self.streams.closed
                runs = self.store.after(jobid, log, last)
                for seq, count, lines in runs:
                    last = seq
                    if skip >= count:
                        skip -= count
                        continue
                    yield b"".join(lines.splitlines(keepends=True)[skip:]) if skip else lines
                    skip = 0
                if runs:
                    await asyncio.sleep(0)
                    continue
                if over or not follow:
                    return
                await event.wait()
        finally:
            self.streams.leave(key)

    async def raise_(self, request: Request) -> Response:
        body = await self.body(request, bodies.Raise)
        await self.requests.raise_exception(self._id(request), body.type, body.severity, body.note)
        return answer({})

    async def kill(self, request: Request) -> Response:
        body = await self.body(request, bodies.Kill)
        await self.requests.kill(self._id(request), body.signum)
        return answer({})

    async def raise_many(self, request: Request) -> Response:
        body = await self.body(request, bodies.Selection)
        ids, states = self._selected(body)
        return answer(
            await self.requests.raise_many(ids, body.userid, states, body.dry_run, body.type, body.severity, body.note)
        )

    async def kill_many(self, request: Request) -> Response:
        body = await self.body(request, bodies.Selection)
        ids, states = self._selected(body)
        return answer(await self.requests.kill_many(ids, body.userid, states, body.dry_run, body.signum))

    def _selected(self, body: bodies.Selection) -> tuple[list[int] | None, int]:  # type: ignore[valid-type]
        states = 0
        for word in body.states:
            if word.lower() not in STATES:
                raise RequestError(errno.EINVAL, f"Invalid filter specified: {word[:80]}")
            states |= STATES[word.lower()]
        return (None if body.ids is None else [parse_id(text) for text in body.ids]), states

    async def urgency(self, request: Request) -> Response:
        body = await self.body(request, bodies.SetUrgency)
        return answer({"urgency": await self.requests.urgency(self._id(request), body.urgency)})

    async def update(self, request: Request) -> Response:
        body = await self.body(request, bodies.Update)
        return answer({"updates": await self.requests.update(self._id(request), body.updates)})

    async def memo(self, request: Request) -> Response:
        body = await self.body(request, bodies.Memo)
        await self.requests.memo(self._id(request), body.memo, volatile=body.volatile)
        return answer({})

    async def input(self, request: Request) -> Response:
        body = await self.body(request, bodies.Input)
        try:
            data = base64.b64decode(body.data or "", validate=True) if body.encoding == "base64" else None
        except binascii.Error as error:
            raise RequestError(errno.EPROTO, f"data: {error}") from None
        if data is None:
            data = (body.data or "").encode("utf-8", "surrogatepass")
        window = None if body.winsize is None else (body.winsize.rows, body.winsize.cols)
        await self.requests.input(self._id(request), body.ranks, data, eof=body.eof, window=window)
        return answer({})

    async def result(self, request: Request) -> Response:
        timeout = _number(request, "timeout", -1.0)
        await self.body(request, dict)
        waiting = self.requests.result(self._id(request), None if timeout < 0 else timeout)
        return answer(await _while_connected(request, waiting))

    async def wait(self, request: Request) -> Response:
        body = await self.body(request, bodies.Wait)
        waiting = self.requests.wait(None if body.id is None else parse_id(body.id))
        return answer(await _while_connected(request, waiting))

    async def explain(self, request: Request) -> Response:
        return answer(self.requests.explain(self._id(request)))

    async def events(self, request: Request) -> Response:
        since, follow = _number(request, "since", 0), _flag(request, "follow", default=True)
        documents = _flag(request, "documents", default=True)
        return Stream(self._journal(self.store.seq if since < 0 else since, follow=follow, documents=documents))

    async def _journal(self, seq: int, *, follow: bool, documents: bool) -> AsyncIterator[bytes]:
        event = self.streams.follow(JOURNAL)
        history = True
        try:
            while True:
                event.clear()
                over = self.streams.closed
                last = self.store.seq
                runs = self.store.journal(seq, RUN_LIMIT)
                shown = []
                for first, jobid, lines in runs:
                    number = first
                    for line in lines.splitlines():
                        if number > seq:
                            shown.append(self._journal_line(number, jobid, line, documents=documents))
                        number += 1
                    seq = number - 1
                if runs:
                    yield b"".join(shown)
                    await asyncio.sleep(0)  # a long history must not keep others waiting
                    continue
                if history:
                    history = False
                    seq = max(seq, last)
                    yield encode({"seq": seq, "sentinel": True}) + b"\n"
                if over or not follow:
                    return
                await event.wait()
        finally:
            self.streams.leave(JOURNAL)

    def _journal_line(self, number: int, jobid: int, line: bytes, *, documents: bool) -> bytes:
        more = b""
        if documents and (b'"name":"submit"' in line or b'"name":"alloc"' in line):
            row = self.store.job(jobid)
            if row is not None:
                key, document = (b"jobspec", row[0]) if b'"name":"submit"' in line else (b"R", row[1])
                more = b',"%b":%b' % (key, document or b"null")
        return b'{"seq":%d,"id":"%b","event":%b%b}\n' % (number, f58(jobid).encode(), line, more)

    # Resources and queues.

    async def resources(self, request: Request) -> Response:
        sets = self.requests.sets()
        return answer({name: sets[name].to_dict() for name in ("all", "down", "allocated")})

    async def status(self, request: Request) -> Response:
        return answer(self.requests.status())

    async def set_ranks(self, request: Request) -> Response:
        body = await self.body(request, bodies.Targets)
        what = request.path_params["what"]
        if what not in {"drain", "undrain", "up", "down"}:
            raise RequestError(errno.ENOENT, f"there is no request {what[:40]!r}")
        await self.requests.set_ranks(what, body.targets, body.reason, body.overwrite, update=body.update)
        return answer({})

    async def resource_events(self, request: Request) -> Response:
        since, follow = _number(request, "since", 0), _flag(request, "follow")
        return Stream(self._lines(INSTANCE, "resource.eventlog", since, follow=follow))

    async def queues(self, request: Request) -> Response:
        return answer({"queues": self.requests.queue_list()})

    async def set_queue(self, request: Request) -> Response:
        body = await self.body(request, bodies.QueueOrder)
        what = request.path_params["what"]
        if what not in {"enable", "disable", "start", "stop"}:
            raise RequestError(errno.ENOENT, f"there is no request {what[:40]!r}")
        return answer({"queues": await self.requests.set_queue(what, body.queue, body.reason, everyone=body.all)})

    # The instance.

    async def root(self, request: Request) -> Response:
        return answer(self.instance.describe())

    async def stats(self, request: Request) -> Response:
        return answer({**self.requests.stats(), "uptime": self.instance.clock.now() - self.instance.started})

    async def config(self, request: Request) -> Response:
        from fluxplug.instance.about import config_document  # noqa: PLC0415 - rarely asked for

        return answer(config_document(self.instance.config))

    async def plugins(self, request: Request) -> Response:
        from fluxplug.instance.about import plugins_document  # noqa: PLC0415

        return answer(plugins_document(self.instance.plugins))

    async def metrics(self, request: Request) -> Response:
        from fluxplug.instance.about import metrics_text  # noqa: PLC0415

        return Response(metrics_text(self.instance), media_type="text/plain; version=0.0.4; charset=utf-8")

    async def openapi(self, request: Request) -> Response:
        from fluxplug.instance.openapi import document  # noqa: PLC0415

        return answer(document(ROUTES))

    async def purge(self, request: Request) -> Response:
        body = await self.body(request, bodies.Purge)
        ids = None if body.ids is None else [parse_id(text) for text in body.ids]
        return answer(await self.requests.purge(body.age_limit, body.num_limit, ids, force=body.force))

    async def shutdown(self, request: Request) -> Response:
        body = await self.body(request, bodies.Shutdown)
        self.stop(body.reason, body.leave)
        return answer({})


async def _while_connected(request: Request, work: Coroutine[Any, Any, T]) -> T:
    """Do something that may take for ever, for as long as the client waits for it; its body has been read. Raises ClientDisconnect."""
    tasks: list[asyncio.Future[Any]] = [asyncio.ensure_future(work), asyncio.ensure_future(request.receive())]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        if not tasks[0].done():
            raise ClientDisconnect
        found: T = tasks[0].result()
        return found
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _number(request: Request, name: str, default: Any) -> Any:
    text = request.query_params.get(name)
    if text is None:
        return default
    try:
        found = type(default)(text)
    except ValueError:
        found = None
    if found is None or not -1 <= found < 2**62:
        raise RequestError(errno.EINVAL, f"{name}: {text[:40]!r} is no number that makes sense here")
    return found


def _flag(request: Request, name: str, *, default: bool = False) -> bool:
    text = request.query_params.get(name)
    if text is None:
        return default
    if text not in {"true", "false", "1", "0"}:
        raise RequestError(errno.EINVAL, f"{name}: {text[:40]!r} is neither true nor false")
    return text in {"true", "1"}


class ApiRoute(NamedTuple):
    """One request: its method, path and handler; what it is for; its body, and its query parameters with their types."""

    method: str
    path: str
    handler: Handler
    summary: str
    body: type[msgspec.Struct] | None = None
    query: tuple[tuple[str, str], ...] = ()


_FOLLOW = (("since", "integer"), ("follow", "boolean"))

ROUTES = (
    ApiRoute("GET", "/v1", Api.root, "The instance"),
    ApiRoute("POST", "/v1/jobs", Api.submit, "Submit one job or many", bodies.Submission),
    ApiRoute("POST", "/v1/jobs/list", Api.list, "List jobs", bodies.Listing),
    ApiRoute("POST", "/v1/jobs/raise", Api.raise_many, "Raise an exception of many jobs", bodies.Selection),
    ApiRoute("POST", "/v1/jobs/kill", Api.kill_many, "Send a signal to many jobs", bodies.Selection),
    ApiRoute("POST", "/v1/wait", Api.wait, "Wait for a waitable job", bodies.Wait),
    ApiRoute("GET", "/v1/jobs/{id}", Api.job, "A job"),
    ApiRoute("POST", "/v1/jobs/{id}/raise", Api.raise_, "Raise an exception of a job", bodies.Raise),
    ApiRoute("POST", "/v1/jobs/{id}/kill", Api.kill, "Send a signal to a job", bodies.Kill),
    ApiRoute("POST", "/v1/jobs/{id}/urgency", Api.urgency, "Change a job's urgency", bodies.SetUrgency),
    ApiRoute("POST", "/v1/jobs/{id}/update", Api.update, "Change a job's jobspec", bodies.Update),
    ApiRoute("POST", "/v1/jobs/{id}/memo", Api.memo, "Annotate a job", bodies.Memo),
    ApiRoute("POST", "/v1/jobs/{id}/input", Api.input, "Feed a job's standard input", bodies.Input),
    ApiRoute("GET", "/v1/jobs/{id}/result", Api.result, "Wait for a job's end", None, (("timeout", "number"),)),
    ApiRoute("GET", "/v1/jobs/{id}/explain", Api.explain, "Why a job waits, and when it will start"),
    ApiRoute("GET", "/v1/jobs/{id}/{key}", Api.key, "A log or document of a job", None, (*_FOLLOW, ("original", "boolean"))),
    ApiRoute("GET", "/v1/events", Api.events, "The journal of all jobs", None, (*_FOLLOW, ("documents", "boolean"))),
    ApiRoute("GET", "/v1/resources", Api.resources, "All resources, and which are down or allocated"),
    ApiRoute("GET", "/v1/resources/status", Api.status, "The states of ranks"),
    ApiRoute("GET", "/v1/resources/eventlog", Api.resource_events, "The resource event log", None, _FOLLOW),
    ApiRoute("POST", "/v1/resources/{what}", Api.set_ranks, "drain, undrain, up or down", bodies.Targets),
    ApiRoute("GET", "/v1/queues", Api.queues, "The queues"),
    ApiRoute("POST", "/v1/queues/{what}", Api.set_queue, "enable, disable, start or stop", bodies.QueueOrder),
    ApiRoute("GET", "/v1/stats", Api.stats, "Counts"),
    ApiRoute("GET", "/v1/config", Api.config, "The configuration"),
    ApiRoute("GET", "/v1/plugins", Api.plugins, "The loaded plugins"),
    ApiRoute("POST", "/v1/purge", Api.purge, "Forget inactive jobs", bodies.Purge),
    ApiRoute("POST", "/v1/shutdown", Api.shutdown, "End the instance", bodies.Shutdown),
    ApiRoute("GET", "/metrics", Api.metrics, "Figures for Prometheus"),
    ApiRoute("GET", "/openapi.json", Api.openapi, "This document"),
)  # fmt: skip


def make_app(instance: Instance, stop: Callable[[str, bool], None]) -> Starlette:
    """The ASGI application. `stop(reason, leave)` ends the server."""
    api = Api(instance, stop)

    def endpoint(handler: Handler) -> Callable[[Request], Awaitable[Response]]:
        async def run(request: Request) -> Response:
            try:
                return await handler(api, request)
            except RequestError as error:
                return failure(error.errno or errno.EINVAL, error.message)
            except ClientDisconnect:
                return failure(errno.ECONNRESET, "nobody reads this")
            except StoreError as error:
                return failure(errno.ENOSPC, str(error))
            except DocumentError as error:
                return failure(errno.EINVAL, str(error))
            except FluxplugError as error:
                code = getattr(error, "errno", None) or errno.EINVAL
                return failure(code, getattr(error, "strerror", None) or str(error))

        return run

    async def http_error(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        code = errno.ENOENT if error.status_code == 404 else errno.EPROTO
        response = failure(code, f"{request.method} {request.url.path[:200]}: {error.detail}")
        response.status_code = error.status_code
        return response

    async def crash(request: Request, error: Exception) -> Response:
        instance.log("error", f"{request.method} {request.url.path[:200]}: {type(error).__name__}: {error}")
        response = failure(errno.EIO, "a bug of fluxplug's; the instance's log has more")
        response.status_code = 500
        return response

    routes = [Route(one.path, endpoint(one.handler), methods=[one.method]) for one in ROUTES]
    return Starlette(routes=routes, exception_handlers={HTTPException: http_error, Exception: crash})
