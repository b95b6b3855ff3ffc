"""An instance that runs nothing: the HTTP API over jobs whose logs a test writes. What it answers is what the contract says, no more."""

from __future__ import annotations

import json
import threading
from contextlib import suppress
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingMixIn, UnixStreamServer
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

from fluxplug import Flux
from fluxplug.values.jobid import JobID

ME = 1000


class Refusal(Exception):  # noqa: N818
    def __init__(self, status, code, message):
        super().__init__(message)
        self.status, self.code = status, code


class FakeInstance:
    """Jobs and their logs. `add` and `log` change them; `asked` are the requests (method, path, body) that came."""

    def __init__(self, path):
        self.uri = f"local://{path}"
        self.changed = threading.Condition()
        self.jobs = {}
        self.logs = {}
        self.journal = []
        self.asked = []
        self.refuse = {}
        self.answers = {
            "/v1": {
                "name": "fluxplug",
                "size": 2,
                "uri": self.uri,
                "owner": ME,
                "pid": 7,
                "jobid": None,
                "version": "1",
            },
            "/v1/config": {"a": {"b": 3}},
        }
        self.closing = False
        self._server = Server(str(path), Handler)
        self._server.instance = self
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self._thread.start()

    def close(self):
        with self.changed:
            self.closing = True
            self.changed.notify_all()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)

    def add(self, jobspec=None, *, record=(), events=(), exec_events=(), output=()):
        """A job with logs; `events` may be names."""
        with self.changed:
            jobid = JobID((len(self.jobs) + 1) << 24)
            self.jobs[jobid] = {
                "id": jobid.f58,
                "userid": ME,
                "state": 8,
                "urgency": 16,
                "t_submit": 100.0,
                **dict(record),
            }
            self.logs[jobid] = {"eventlog": []}
            self.log(jobid, {"name": "submit", "context": {"userid": ME}}, jobspec=jobspec)
        self.log(jobid, *events)
        self.log(jobid, *exec_events, log="guest.exec.eventlog")
        self.log(jobid, *output, log="guest.output")
        return jobid

    def log(self, jobid, *entries, log="eventlog", **more):
        with self.changed:
            for entry in entries:
                entry = {"name": entry, "context": {}} if isinstance(entry, str) else dict(entry)
                entry.setdefault("timestamp", 100.0 + len(self.journal))
                self.logs[jobid].setdefault(log, []).append(entry)
                if log == "eventlog":
                    line = {"seq": len(self.journal) + 1, "id": JobID(jobid).f58, "event": entry, **more}
                    self.journal.append({key: value for key, value in line.items() if value is not None})
                    self._follow_state(self.jobs[jobid], entry)
            self.changed.notify_all()

    @staticmethod
    def _follow_state(record, entry):
        name, context = entry["name"], entry.get("context") or {}
        if name == "start":
            record.update(state=16, t_run=entry["timestamp"])
        elif name == "finish":
            record.update(waitstatus=context["status"], state=32)
        elif name == "exception":
            keys = ("type", "severity", "note")
            record.update({f"exception_{key}": context.get(key) for key in keys}, exception_occurred=True)
        elif name == "clean":
            good = record.get("waitstatus") == 0
            kind = {"cancel": 4, "timeout": 8}.get(record.get("exception_type"), 2)
            record.update(state=64, success=good, result=1 if good else kind)
            record.setdefault("t_cleanup", entry["timestamp"])

    # Requests.

    def job(self, text):
        jobid = JobID(text)
        if jobid not in self.jobs:
            raise Refusal(404, 2, "unknown job id")
        return jobid

    def get(self, path, query):
        """An answer, or an iterator of lines."""
        words = path.split("/")
        if path in self.answers:
            return self.answers[path]
        if path == "/v1/events":
            return self.follow(lambda: self.journal, query, sentinel=True)
        if path == "/v1/resources/eventlog":
            return self.follow(lambda: self.answers["events of resources"], query)
        jobid = self.job(words[3])
        if len(words) == 4:
            return {"job": self.jobs[jobid]}
        if words[4] == "result":
            with self.changed:
                self.changed.wait_for(lambda: self.jobs[jobid]["state"] == 64 or self.closing)
            return {"exception_occurred": False, **self.jobs[jobid]}
        if words[4] in {"jobspec", "R"}:
            return {"key": words[4], **query}
        logs = self.logs[jobid]
        if words[4] not in logs and not query.get("follow"):
            raise Refusal(404, 2, f"{words[4]}: key not found")
        return self.follow(lambda: logs.get(words[4], []), query, over=lambda: self.jobs[jobid]["state"] == 64)

    def follow(self, entries, query, *, sentinel=False, over=lambda: False):
        place = int(query.get("since", 0))
        if place < 0:
            place = len(entries())
        told = not sentinel
        while True:
            with self.changed:
                new, ended = list(entries()[place:]), over() or self.closing
            place += len(new)
            yield from new
            if not told:
                told = True
                yield {"seq": place, "sentinel": True}
            if not new:
                if ended or query.get("follow") != "true":
                    return
                with self.changed:
                    while not (len(entries()) > place or over() or self.closing):
                        self.changed.wait()

    def post(self, path, body):
        words = path.split("/")
        if path == "/v1/jobs":
            if "jobs" in body:
                return {"jobs": [self.submit(one, whole=False) for one in body["jobs"]]}
            return self.submit(body, whole=True)
        if path == "/v1/jobs/list":
            ids = body.get("ids")
            wanted = self.jobs if ids is None else [JobID(one) for one in ids]
            return {"jobs": [self.jobs[one] for one in wanted if one in self.jobs]}
        if path == "/v1/wait":
            raise Refusal(400, 10, "there are no more waitable jobs")
        self.job(words[3])
        return {"urgency": 16} if words[4] == "urgency" else {}

    def submit(self, one, *, whole):
        if one["urgency"] > 31:
            if whole:
                raise Refusal(400, 22, "urgency range is [0:31]")
            return {"error": {"errno": 22, "message": "urgency range is [0:31]"}}
        return {"id": self.add(one["jobspec"]).f58}


class Server(ThreadingMixIn, UnixStreamServer):
    daemon_threads = True
    request_queue_size = 256


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def handle(self):
        with suppress(OSError):
            super().handle()

    def do_GET(self):
        target = urlsplit(self.path)
        query = {key: values[-1] for key, values in parse_qs(target.query).items()}
        self.answer(None, lambda path: self.server.instance.get(path, query), unquote(target.path))

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.answer(body, lambda path: self.server.instance.post(path, body), unquote(self.path))

    def answer(self, body, ask, path):
        self.server.instance.asked.append((self.command, path, body))
        try:
            found = ask(path)
        except Refusal as refusal:
            self.whole(refusal.status, {"error": {"errno": refusal.code, "message": str(refusal)}})
            return
        if isinstance(found, dict):
            self.whole(200, found)
            return
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for line in found:
            data = json.dumps(line).encode() + b"\n"
            self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
        self.wfile.write(b"0\r\n\r\n")

    def whole(self, status, document):
        data = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


@pytest.fixture
def instance(tmp_path, monkeypatch):
    monkeypatch.delenv("FLUX_JOB_ID", raising=False)
    one = FakeInstance(Path(tmp_path) / "local-0")
    monkeypatch.setenv("FLUXPLUG_URI", one.uri)
    yield one
    one.close()


@pytest.fixture
def h(instance):
    return Flux()
