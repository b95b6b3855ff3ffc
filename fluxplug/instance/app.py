"""The HTTP API, version 1: requests in, JSON or NDJSON out. The table of routes is here, and what is not about jobs; what that means is `requests`."""

# ruff: noqa: ARG002 - handlers have one signature
from __future__ import annotations

import errno
from typing import TYPE_CHECKING, NamedTuple

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.routing import Route

from fluxplug.errors import DocumentError, FluxplugError
from fluxplug.instance import bodies
from fluxplug.instance.answers import Stream, answer, failure, flag, number
from fluxplug.instance.errors import RequestError
from fluxplug.instance.jobapi import JobApi
from fluxplug.instance.jobrequests import parse_id
from fluxplug.instance.store import INSTANCE, StoreError
from fluxplug.instance.streams import CLOSING_TEXT

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    import msgspec
    from starlette.requests import Request

    from fluxplug.instance.instance import Instance

    Handler = Callable[["Api", Request], Awaitable[Response]]


class Api(JobApi):
    """The handlers, over one instance. `stop(reason, leave)` ends the server."""

    def __init__(self, instance: Instance, stop: Callable[[str, bool], None]) -> None:
        super().__init__(instance)
        self.instance, self.stop, self.requests = instance, stop, instance.requests

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
        since, follow = number(request, "since", 0), flag(request, "follow")
        return Stream(self.lines(INSTANCE, "resource.eventlog", since, follow=follow))

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
        found = self.requests.stats(request.query_params.get("queue"))
        return answer({**found, "uptime": self.instance.clock.now() - self.instance.started})

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
    ApiRoute("GET", "/v1/jobs/{id}/hostpids", Api.hostpids, "The host and pid of each task of a running job, by rank"),
    ApiRoute("GET", "/v1/jobs/{id}/{key}", Api.key, "A log or document of a job", None, (*_FOLLOW, ("original", "boolean"), ("base", "boolean"))),
    ApiRoute("GET", "/v1/events", Api.events, "The journal of all jobs", None, (*_FOLLOW, ("documents", "boolean"))),
    ApiRoute("GET", "/v1/resources", Api.resources, "All resources, and which are down or allocated"),
    ApiRoute("GET", "/v1/resources/status", Api.status, "The states of ranks"),
    ApiRoute("GET", "/v1/resources/eventlog", Api.resource_events, "The resource event log", None, _FOLLOW),
    ApiRoute("POST", "/v1/resources/{what}", Api.set_ranks, "drain, undrain, up or down", bodies.Targets),
    ApiRoute("GET", "/v1/queues", Api.queues, "The queues"),
    ApiRoute("POST", "/v1/queues/{what}", Api.set_queue, "enable, disable, start or stop", bodies.QueueOrder),
    ApiRoute("GET", "/v1/stats", Api.stats, "Counts, of jobs of one queue or of all", None, (("queue", "string"),)),
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
            if instance.streams.closing.is_set():
                return failure(errno.ESHUTDOWN, CLOSING_TEXT)
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
