"""The HTTP API of jobs: submitting, listing, logs and the journal, changes, waiting. What they mean is `driver` and `jobrequests`."""

from __future__ import annotations

import asyncio
import base64
import binascii
import errno
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from fluxplug.instance import bodies
from fluxplug.instance.answers import Raw, Stream, answer, flag, number, while_connected
from fluxplug.instance.errors import RequestError
from fluxplug.instance.jobrequests import parse_id
from fluxplug.instance.jobs import decode, encode
from fluxplug.instance.listing import STATES
from fluxplug.instance.record import f58
from fluxplug.instance.store import INSTANCE, LOGS
from fluxplug.instance.streams import CLOSING, JOURNAL

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.requests import Request
    from starlette.responses import Response

    from fluxplug.instance.instance import Instance

T = TypeVar("T")

RUN_LIMIT = 500
MAX_BODIES = 4
"""As many bodies of the greatest length may be on their way in at one time."""


class JobApi:
    """The handlers of requests about jobs, over one instance."""

    def __init__(self, instance: Instance) -> None:
        self.driver, self.store = instance.driver, instance.store
        self.job_requests = instance.job_requests
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
                if error.errno == errno.ESHUTDOWN:  # nothing was taken: the next server may take all
                    raise
                results.append({"error": {"errno": error.errno, "message": error.message}})
        await self.driver.settled()
        return answer({"jobs": results})

    # Jobs.

    async def list(self, request: Request) -> Response:
        body = await self.body(request, bodies.Listing)
        ids = None if body.ids is None else [parse_id(text) for text in body.ids]
        found = self.job_requests.list_jobs(body.max_entries, body.attrs, body.since, body.constraint, ids)
        return answer({"jobs": found})

    def _id(self, request: Request) -> int:
        return parse_id(request.path_params["id"])

    async def job(self, request: Request) -> Response:
        return answer({"job": self.job_requests.record(self._id(request))})

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
            original = flag(request, "original")
            if original or flag(request, "base"):
                jobspec = self.store.base(jobid) or jobspec
            if not original:
                return Raw(jobspec)
            document = decode(jobspec)
            environment = self.store.environment(jobid)
            if environment is not None:
                document["attributes"]["system"]["environment"] = decode(environment)
            return answer(document)
        raise RequestError(errno.ENOENT, f"{key[:80]}: key not found")

    async def _log(self, request: Request, jobid: int, log: str) -> Response:
        since, follow = number(request, "since", 0), flag(request, "follow")
        if not follow and not self.store.after(jobid, log, 0):
            raise RequestError(errno.ENOENT, f"{log}: key not found")
        return Stream(self.lines(jobid, log, since, follow=follow))

    async def lines(self, jobid: int, log: str, skip: int, *, follow: bool) -> AsyncIterator[bytes]:
        key = (jobid, log)
        event = self.streams.follow(key)
        last = 0
        try:
            while not self.streams.closed:
                closing = self.streams.closing.is_set()
                event.clear()
                row = self.store.job(jobid) if jobid != INSTANCE else (b"", None, None)
                over = row is None or row[2] is not None
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
                if closing:
                    break
                await event.wait()
            yield CLOSING
        finally:
            self.streams.leave(key)

    async def raise_(self, request: Request) -> Response:
        body = await self.body(request, bodies.Raise)
        await self.job_requests.raise_exception(self._id(request), body.type, body.severity, body.note)
        return answer({})

    async def kill(self, request: Request) -> Response:
        body = await self.body(request, bodies.Kill)
        await self.job_requests.kill(self._id(request), body.signum)
        return answer({})

    async def raise_many(self, request: Request) -> Response:
        body = await self.body(request, bodies.Selection)
        ids, states = self._selected(body)
        return answer(
            await self.job_requests.raise_many(
                ids, body.userid, states, body.dry_run, body.type, body.severity, body.note
            )
        )

    async def kill_many(self, request: Request) -> Response:
        body = await self.body(request, bodies.Selection)
        ids, states = self._selected(body)
        return answer(await self.job_requests.kill_many(ids, body.userid, states, body.dry_run, body.signum))

    def _selected(self, body: bodies.Selection) -> tuple[list[int] | None, int]:  # type: ignore[valid-type]
        states = 0
        for word in body.states:
            if word.lower() not in STATES:
                raise RequestError(errno.EINVAL, f"Invalid filter specified: {word[:80]}")
            states |= STATES[word.lower()]
        return (None if body.ids is None else [parse_id(text) for text in body.ids]), states

    async def urgency(self, request: Request) -> Response:
        body = await self.body(request, bodies.SetUrgency)
        return answer({"urgency": await self.job_requests.urgency(self._id(request), body.urgency)})

    async def update(self, request: Request) -> Response:
        body = await self.body(request, bodies.Update)
        return answer({"updates": await self.job_requests.update(self._id(request), body.updates)})

    async def memo(self, request: Request) -> Response:
        body = await self.body(request, bodies.Memo)
        await self.job_requests.memo(self._id(request), body.memo, volatile=body.volatile)
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
        await self.job_requests.input(self._id(request), body.ranks, data, eof=body.eof, window=window)
        return answer({})

    async def result(self, request: Request) -> Response:
        timeout = number(request, "timeout", -1.0)
        await self.body(request, dict)
        waiting = self.job_requests.result(self._id(request), None if timeout < 0 else timeout)
        return answer(await while_connected(request, waiting, self.streams.closing))

    async def wait(self, request: Request) -> Response:
        body = await self.body(request, bodies.Wait)
        waiting = self.job_requests.wait(None if body.id is None else parse_id(body.id))
        return answer(await while_connected(request, waiting, self.streams.closing))

    async def hostpids(self, request: Request) -> Response:
        found = await self.job_requests.processes(self._id(request))
        return answer({"tasks": [task._asdict() for task in found]})

    async def explain(self, request: Request) -> Response:
        return answer(self.job_requests.explain(self._id(request)))

    async def events(self, request: Request) -> Response:
        since, follow = number(request, "since", 0), flag(request, "follow", default=True)
        documents = flag(request, "documents", default=True)
        return Stream(self._journal(self.store.seq if since < 0 else since, follow=follow, documents=documents))

    async def _journal(self, seq: int, *, follow: bool, documents: bool) -> AsyncIterator[bytes]:
        event = self.streams.follow(JOURNAL)
        history = True
        try:
            while not self.streams.closed:
                closing = self.streams.closing.is_set()
                event.clear()
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
                if not follow:
                    return
                if closing:
                    break
                await event.wait()
            yield CLOSING
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
