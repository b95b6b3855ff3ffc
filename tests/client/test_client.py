"""The client against a server that does everything wrong that one can."""

from __future__ import annotations

import errno
import json
import os
import pickle
import subprocess
import sys
import threading

import pytest

from fluxplug.client import Client, find_uri
from fluxplug.client import client as module
from fluxplug.client.uri import find_token, parse_uri
from fluxplug.errors import ApiError, ConnectionFailedError, FluxplugError, UnknownOutcomeError
from tests.client.conftest import STREAM, FakeServer, answer, chunk


@pytest.fixture
def client(server):
    one = Client(server.uri, timeout=5)
    yield one
    one.close()


# Where the instance is.


def test_uri_comes_from_the_environment(monkeypatch, tmp_path):
    monkeypatch.delenv("FLUXPLUG_URI", raising=False)
    monkeypatch.setenv("FLUX_URI", f"local://{tmp_path}/local-0")
    with pytest.raises(FileNotFoundError, match="FLUXPLUG_URI is not set") as caught:
        find_uri()  # an instance of Flux
    assert isinstance(caught.value, ConnectionFailedError)
    (tmp_path / "lock").touch()
    assert find_uri() == f"local://{tmp_path}/local-0"
    monkeypatch.setenv("FLUXPLUG_URI", "http://127.0.0.1:8080")
    assert Client().uri == "http://127.0.0.1:8080"


def test_what_a_uri_names():
    assert parse_uri("local:///run/a%20b/local-0").socket == "/run/a b/local-0"
    assert parse_uri("http://127.0.0.1:8080/") == ("", "127.0.0.1", 8080)
    assert parse_uri("http://[::1]:80") == ("", "::1", 80)


@pytest.mark.parametrize(
    "uri",
    [
        "",
        "local://",
        "local:///a%00b",
        "ssh://host/x",
        "http://host",
        "http://:1",
        "https://h:1",
        "http://h:99999",
        "http://u@h:1",
        "http://h:1/x",
        "http://[::1",
    ],
)
def test_uris_that_name_nothing(uri):
    with pytest.raises(FileNotFoundError, match="URI"):
        Client(uri)


def test_token(monkeypatch, tmp_path):
    monkeypatch.delenv("FLUXPLUG_TOKEN", raising=False)
    monkeypatch.delenv("FLUXPLUG_TOKEN_FILE", raising=False)
    assert find_token() is None
    monkeypatch.setenv("FLUXPLUG_TOKEN_FILE", str(tmp_path / "token"))
    with pytest.raises(FileNotFoundError, match="token file"):
        find_token()
    for wrong in ("", "\n", "ä"):
        (tmp_path / "token").write_text(wrong, encoding="utf-8")
        with pytest.raises(ConnectionFailedError, match="expected a token"):
            find_token()
    (tmp_path / "token").write_text("abc\n")
    assert find_token() == "abc"
    monkeypatch.setenv("FLUXPLUG_TOKEN", "def")
    assert find_token() == "def"


def test_nobody_serves(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nobody serves at local://.*fluxplug start"):
        Client(f"local://{tmp_path}/local-0").get("/v1")
    server = FakeServer(tmp_path / "local-0")
    server.close()
    with pytest.raises(ConnectionRefusedError, match="nobody serves"):
        Client(server.uri).post("/v1/jobs", {})


# What is sent, and what comes back.


def test_requests_and_answers(server, client):
    server.script = [answer('{"a": "ƒ"}'), answer('{"id": 1}'), answer("text\n", content_type="text/plain"), answer("")]
    assert client.get("/v1/jobs/ƒ2g A/eventlog", since=3, follow=True, queue=None, name="a&b") == {"a": "ƒ"}
    assert client.post("/v1/jobs", {"x": "é"}) == {"id": 1}
    assert client.get("/metrics") == "text\n"
    assert client.post("/v1/shutdown") is None
    heads = [head.splitlines()[0] for head, _ in server.requests]
    assert heads == [
        "GET /v1/jobs/%C6%922g%20A/eventlog?since=3&follow=true&name=a%26b HTTP/1.1",
        "POST /v1/jobs HTTP/1.1",
        "GET /metrics HTTP/1.1",
        "POST /v1/shutdown HTTP/1.1",
    ]
    assert [body for _, body in server.requests] == [b"", '{"x":"é"}'.encode(), b"", b"{}"]
    assert "Host: localhost" in server.requests[0][0]
    assert server.connections == 1, "one connection is kept"


def test_token_is_sent_over_tcp_alone(server, monkeypatch):
    monkeypatch.setenv("FLUXPLUG_TOKEN", "secret")
    server.script = [answer("1")]
    assert Client(server.uri).get("/v1") == 1
    assert "secret" not in server.requests[0][0]
    assert Client("http://127.0.0.1:1").headers["Authorization"] == "Bearer secret"


def test_chunked_and_closed_answers(server, client):
    server.script = [
        [STREAM, chunk("[1,"), chunk("2]"), b"0\r\n\r\n"],
        [b"HTTP/1.1 200 OK\r\n\r\n[3]", None],
        answer("4"),
    ]
    assert client.get("/a") == [1, 2]
    assert client.get("/b") == [3]
    assert client.get("/c") == 4
    assert server.connections == 2


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (404, '{"error": {"errno": 2, "message": "unknown job id"}}', (errno.ENOENT, "unknown job id")),
        (400, '{"error": {"errno": 1, "message": "nein"}}', (errno.EPERM, "nein")),
        (400, "", (errno.EINVAL, "Invalid argument (the instance answered 400 and gave no reason)")),
        (403, "<html>", (errno.EPERM, None)),
        (413, "[]", (errno.EMSGSIZE, None)),
        (429, '{"error": 3}', (errno.EAGAIN, None)),
        (408, '{"error": {"errno": "x", "message": 7}}', (errno.ETIMEDOUT, None)),
        (500, "Internal Server Error", (errno.EIO, None)),
        (302, "", (errno.EIO, None)),
        (404, "[" * 100_000, (errno.ENOENT, None)),
    ],
)
def test_what_an_instance_refuses(server, client, status, body, said):
    code, text = said
    server.script = [answer(body, status), answer("1")]
    with pytest.raises(ApiError) as caught:
        client.post("/v1/jobs", {})
    error = caught.value
    assert (error.errno, error.status) == (code, status)
    assert isinstance(error, FluxplugError)
    assert isinstance(error, type(OSError(code, "")))
    assert str(error) == f"[Errno {code}] {error.strerror}"
    assert text is None or error.strerror == text
    again = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own
    assert (type(again), again.args, again.status) == (type(error), error.args, status)
    assert client.get("/v1") == 1
    assert server.connections == 1, "an error does not end the connection"


def test_classes_of_errors():
    assert type(ApiError(errno.ENOENT, "x")) is type(ApiError(errno.ENOENT, "y"))
    assert isinstance(ApiError(errno.ECHILD, "x"), ChildProcessError)
    assert type(ApiError(errno.EPROTO, "x")) is ApiError
    lost = UnknownOutcomeError(errno.ECONNRESET, "gone")
    assert isinstance(lost, ConnectionFailedError)
    assert isinstance(lost, ConnectionResetError)
    assert str(pickle.loads(pickle.dumps(lost))) == "gone"  # noqa: S301


def test_what_cannot_be_sent(server, client):
    with pytest.raises(ApiError, match="not UTF-8"):
        client.post("/v1/jobs", {"env": "\udc80"})
    assert not server.requests


# Faults.

GARBAGE = [
    b"SSH-2.0-OpenSSH_9.2\r\n",
    b"\x00\x01\x02\xff" * 100,
    b"HTTP/1.1 2000 OK\r\n\r\n",
    b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
    b"HTTP/1.1 100 Continue\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\nhello",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    b"HTTP/1.1 200 OK\r\nX: " + b"a" * 200_000 + b"\r\n\r\n",
    b"HTTP/1.1 200 OK\r\n" + b"X: a\r\n" * 50_000 + b"\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nnot jso",
    b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n\xff\xfe\xfd",
    b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" + b"[" * 100_000,
]


@pytest.mark.parametrize("data", GARBAGE, ids=lambda data: repr(data[:40]))
def test_what_answers_is_no_instance(server, client, data):
    server.script = [[data, None]]
    with pytest.raises(ConnectionFailedError) as caught:
        client.get("/v1")
    assert len(str(caught.value)) < 400
    assert server.uri in str(caught.value)
    server.script = [answer("1")]
    assert client.get("/v1") == 1


CUT = [
    [None],
    [b"HTTP/1.1 20", None],
    [answer("[1, 2]")[:-3], None],
    [STREAM, chunk("[1"), None],
    [STREAM, b"5\r\n[1", None],
]


@pytest.mark.parametrize("steps", CUT)
def test_an_answer_is_cut_off(server, client, steps):
    server.script = [steps, steps]
    with pytest.raises(ConnectionFailedError, match="the connection was closed") as caught:
        client.get("/v1")
    assert not isinstance(caught.value, UnknownOutcomeError)
    with pytest.raises(UnknownOutcomeError, match="is not known") as caught:
        client.post("/v1/jobs", {})
    assert caught.value.errno == errno.ECONNRESET
    assert len(server.requests) == 2, "nothing is sent twice over a fresh connection"


def test_no_answer_in_time(server, client):
    done = threading.Event()
    server.script = [[done], [answer("12")[:-1], done], [done]]
    client.timeout = 0.1
    with pytest.raises(TimeoutError, match=r"no answer within 0.1 s"):
        client.get("/a")
    with pytest.raises(TimeoutError, match=r"no answer within 0.05 s"):
        client.get("/b", within=0.05)
    with pytest.raises(UnknownOutcomeError) as caught:
        client.post("/c")
    assert isinstance(caught.value, TimeoutError)
    done.set()
    assert len(server.requests) == 3


def test_a_connection_that_the_server_closed_is_not_used_again(server, client):
    server.script = [answer("1"), answer("2"), answer("3")]
    assert client.get("/a") == 1
    server.hang_up()
    assert client.post("/b") == 2, "nothing was lost, so nothing is unknown"
    assert server.connections == 2


def test_a_server_that_closes_when_it_is_asked_again(server, client):
    server.script = [answer("1"), [None], answer("3"), [None]]
    assert client.get("/a") == 1
    assert client.get("/b") == 3, "a second time, over a fresh connection"
    with pytest.raises(UnknownOutcomeError):
        client.post("/c")
    server.script = [answer("1"), [None], answer("5")]
    assert client.get("/d") == 1
    assert client.post("/jobs/list", {}, again=True) == 5
    paths = [head.split()[1] for head, _ in server.requests]
    assert paths == ["/a", "/b", "/b", "/c", "/d", "/jobs/list", "/jobs/list"]


def test_more_than_was_asked_for_is_not_the_next_answer(server, client):
    server.script = [answer("1") + answer("7"), answer("2")]
    assert client.get("/a") == 1
    assert client.get("/b") == 2
    assert server.connections == 2
    server.script = [answer("3", extra="Connection: close\r\n"), answer("4")]
    assert [client.get("/c"), client.get("/d")] == [3, 4]
    assert server.connections == 3


def test_threads_share_a_client(server, client):
    server.script = [answer(str(i)) for i in range(80)]
    got = []
    threads = [threading.Thread(target=lambda: got.extend(client.get("/") for _ in range(10))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(got) == list(range(80))
    assert server.connections <= 8


# Streams.


def test_stream(server, client):
    more = threading.Event()
    server.script = [[STREAM, chunk('{"n": 1}\n\n{"n"'), more, chunk(": 2}\n"), b"0\r\n\r\n"]]
    stream = client.stream("/v1/jobs/1/eventlog", follow=True)
    assert not server.requests
    assert next(stream) == {"n": 1}
    more.set()
    assert list(stream) == [{"n": 2}]


def test_a_stream_closes_with_its_generator(server, client):
    more = threading.Event()
    server.script = [[STREAM, chunk('{"n": 1}\n'), more], answer("1")]
    stream = client.stream("/x")
    next(stream)
    assert client.get("/") == 1, "other requests go on meanwhile"
    stream.close()
    assert list(stream) == []
    more.set()
    assert server.connections == 2


def test_another_thread_closes_a_stream(server, client):
    more = threading.Event()
    server.script = [[STREAM, chunk('{"n": 1}\n'), more]]
    stream = client.stream("/x", resume=True)
    next(stream)
    timer = threading.Timer(0.05, stream.close)
    timer.start()
    assert list(stream) == []
    timer.join()
    more.set()


def test_a_request_that_waits_resumes(server, client):
    server.script = [[None], [b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n1", None], answer("3")]
    assert client.get("/v1/jobs/1/result", within=None, resume=True) == 3


def test_long_lines(server, client, monkeypatch):
    line = json.dumps({"data": "x" * 3_000_000})
    server.script = [[STREAM, chunk(line + "\n" + line + "\n"), b"0\r\n\r\n"], [STREAM, chunk(line), None]]
    assert [len(entry["data"]) for entry in client.stream("/x")] == [3_000_000] * 2
    monkeypatch.setattr(module, "_MAX_LINE", 1_000_000)
    with pytest.raises(ConnectionFailedError, match="a line of over"):
        list(client.stream("/x"))


@pytest.mark.parametrize(
    ("steps", "kind"),
    [
        ([answer('{"error": {"errno": 2, "message": "unknown job id"}}', 404)], FileNotFoundError),
        ([STREAM, chunk('{"n": 1}\n{"error": {"errno": 5, "message": "disk"}}\n')], ApiError),
        ([STREAM, chunk('{"n": 1}\n{"n'), None], ConnectionResetError),
        ([STREAM, chunk('{"n": 1}\n{"n'), b"0\r\n\r\n"], ConnectionResetError),
        ([STREAM, chunk('{"n": 1}\nnope\n')], ConnectionFailedError),
        ([None], ConnectionResetError),
        ([b"garbage"], ConnectionFailedError),
    ],
)
def test_faults_of_streams(server, client, steps, kind):
    server.script = [steps]
    with pytest.raises(kind):
        list(client.stream("/x"))


def test_a_stream_resumes(server, client):
    server.script = [
        [STREAM, chunk('{"n": 1}\n{"n": 2}\n{"n'), None],
        [None],
        [STREAM, chunk('{"n": 3}\n'), None],
        [STREAM, chunk('{"n": 4}\n'), b"0\r\n\r\n"],
    ]
    assert [entry["n"] for entry in client.stream("/x", resume=True, follow=True)] == [1, 2, 3, 4]
    assert [head.split()[1] for head, _ in server.requests] == [
        "/x?follow=true",
        "/x?follow=true&since=2",
        "/x?follow=true&since=2",
        "/x?follow=true&since=3",
    ]


CLOSING = '{"error": {"errno": 108, "message": "the server is being shut down"}}'


def test_a_server_that_is_shut_down_says_so(server, client):
    server.script = [[STREAM, chunk('{"n": 1}\n' + CLOSING + "\n"), b"0\r\n\r\n"]]
    with pytest.raises(ConnectionFailedError, match="shut down"):
        list(client.stream("/x"))
    server.script = [
        [STREAM, chunk('{"n": 1}\n' + CLOSING + "\n"), b"0\r\n\r\n"],
        answer(CLOSING, 503),
        [STREAM, chunk('{"n": 2}\n'), b"0\r\n\r\n"],
    ]
    assert list(client.stream("/x", resume=True)) == [{"n": 1}, {"n": 2}]
    assert server.requests[-1][0].startswith("GET /x?since=1 ")
    server.script = [answer(CLOSING, 503), answer("3"), answer(CLOSING, 503), [None]]
    assert client.post("/x", resume=True) == 3
    with pytest.raises(UnknownOutcomeError):
        client.post("/x", resume=True)
    server.script = [answer(CLOSING, 503)]
    with pytest.raises(ConnectionRefusedError) as caught:
        client.post("/x")
    assert not isinstance(caught.value, UnknownOutcomeError)


def test_a_stream_with_numbers_resumes_from_the_last(server, client):
    server.script = [
        [STREAM, chunk('{"seq": 7}\n{"seq": 9}\n'), None],
        [STREAM, chunk('{"seq": 12}\n'), b"0\r\n\r\n"],
    ]
    assert [entry["seq"] for entry in client.stream("/v1/events", resume=True, since=-1)] == [7, 9, 12]
    assert server.requests[1][0].split()[1] == "/v1/events?since=9"


def test_a_stream_resumes_with_a_server_of_its_own(tmp_path):
    first = FakeServer(tmp_path / "local-0")
    first.script = [[STREAM, chunk('{"n": 1}\n'), hang := threading.Event()]]
    stream = Client(first.uri).stream("/x", resume=True)
    assert next(stream) == {"n": 1}
    hang.set()
    first.close()
    second = []

    def restart():
        server = FakeServer(tmp_path / "local-0")
        server.script = [[STREAM, chunk('{"n": 2}\n'), b"0\r\n\r\n"]]
        second.append(server)

    timer = threading.Timer(0.2, restart)
    timer.start()
    try:
        assert list(stream) == [{"n": 2}]
    finally:
        timer.join()
        second[0].close()
    assert second[0].requests[0][0].startswith("GET /x?since=1 ")


def test_a_stream_gives_up(server, client, monkeypatch):
    monkeypatch.setattr(module, "PATIENCE", 0.1)
    server.script = [[STREAM, chunk('{"n": 1}\n'), None]]
    stream = client.stream("/x", resume=True)
    assert next(stream) == {"n": 1}
    with pytest.raises(ConnectionFailedError):
        next(stream)
    server.script = [answer('{"error": {"errno": 2, "message": "x"}}', 404)]
    with pytest.raises(FileNotFoundError):
        list(client.stream("/x", resume=True))


def test_import_is_light():
    code = """if True:
        import sys
        import fluxplug.client
        heavy = {"http.client", "email", "ssl", "msgspec", "attr", "starlette", "uvicorn", "asyncio", "logging", "fluxplug.job"}
        print(sorted(heavy & set(sys.modules)))
    """
    done = subprocess.run(
        [sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True, env=dict(os.environ)
    )
    assert done.stdout == "[]\n"
