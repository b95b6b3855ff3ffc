"""schemathesis against the document that the server gives of itself: no crash, no hang, and answers as the document says."""

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from fluxplug.errors import ApiError
from fluxplug.testing.executors import task_jobspec

schemathesis = pytest.importorskip("schemathesis", reason="schemathesis is not installed")

EXAMPLES = 12
LEFT_OUT = {"/v1/shutdown"}
CHECKS = ("not_a_server_error", "status_code_conformance", "content_type_conformance", "response_headers_conformance", "response_schema_conformance")  # fmt: skip


@pytest.fixture(scope="module")
def instance(tmp_path_factory):
    import os
    import socket
    import subprocess
    import sys

    folder = tmp_path_factory.mktemp("openapi")
    config = folder / "sched.toml"
    config.write_text('[sched]\nexecutor = "pretend"\n[resource]\nnodes = 4\ncores = 4\n')
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    statedir = folder / "state"
    words = [sys.executable, "-m", "fluxplug", "start", "--config", str(config), "--statedir", str(statedir)]
    words += ["--listen", f"127.0.0.1:{port}"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("FLUX")}
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
    try:
        uri = process.stdout.readline().strip()
        from fluxplug.client import Client

        client = Client(uri)
        spec = task_jobspec("true")
        known = [client.post("/v1/jobs", {"jobspec": spec, "urgency": urgency})["id"] for urgency in (0, 0, 0, 16)]
        token = (statedir / "token").read_text().strip()
        yield client, f"http://127.0.0.1:{port}", {"Authorization": f"Bearer {token}"}, known
        assert process.poll() is None
        assert client.get("/v1", within=5)["api"] == 1
        log = statedir / "log"
        assert not log.exists() or "Traceback" not in log.read_text()
    finally:
        process.terminate()
        _, errors = process.communicate(timeout=60)
    assert not errors
    assert process.returncode == 0


@pytest.fixture(scope="module")
def operations(instance):
    _, url, headers, _ = instance
    schema = schemathesis.openapi.from_url(f"{url}/openapi.json", headers=headers)
    found = {f"{one.ok().method.upper()} {one.ok().path}": one.ok() for one in schema.get_all_operations()}
    assert len(found) > 25  # all but the document itself
    return found


PATHS = [
    "GET /v1", "POST /v1/jobs", "POST /v1/jobs/list", "POST /v1/jobs/raise", "POST /v1/jobs/kill", "POST /v1/wait", "GET /v1/jobs/{id}",
    "POST /v1/jobs/{id}/raise", "POST /v1/jobs/{id}/kill", "POST /v1/jobs/{id}/urgency", "POST /v1/jobs/{id}/update", "POST /v1/jobs/{id}/memo",
    "POST /v1/jobs/{id}/input", "GET /v1/jobs/{id}/result", "GET /v1/jobs/{id}/explain", "GET /v1/jobs/{id}/{key}", "GET /v1/events",
    "GET /v1/jobs/{id}/hostpids", "GET /v1/resources", "GET /v1/resources/status", "GET /v1/resources/eventlog", "POST /v1/resources/{what}", "GET /v1/queues",
    "POST /v1/queues/{what}", "GET /v1/stats", "GET /v1/config", "GET /v1/plugins", "POST /v1/purge", "GET /metrics",
]  # fmt: skip


def test_every_request_is_tried(operations):
    assert {*PATHS, "POST /v1/shutdown"} == set(operations)


@pytest.mark.parametrize("name", PATHS)
def test_request(instance, operations, name):
    _, _, headers, known = instance
    operation = operations[name]
    checks = schemathesis.checks.CHECKS.get_by_names(CHECKS)

    @settings(
        max_examples=EXAMPLES, derandomize=True, database=None, deadline=None, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(case=operation.as_strategy(), job=st.sampled_from([None, *known]))
    def run(case, job):
        if job is not None and "id" in (case.path_parameters or {}):
            case.path_parameters["id"] = job
        if "follow" in (case.query or {}) or name == "GET /v1/events":
            case.query = {**(case.query or {}), "follow": "false"}
        if name.endswith("/result"):
            case.query = {**(case.query or {}), "timeout": "0.01"}
        case.call_and_validate(headers=headers, timeout=20, checks=checks)

    run()


def submit(client, jobspec):
    """Taken or refused, but never a mistake of ours."""
    status = 200
    try:
        client.post("/v1/jobs", {"jobspec": jobspec, "urgency": 0}, within=20)
    except ApiError as error:
        status = error.status
    assert status < 500, jobspec


def test_jobspecs_of_the_corpus(instance, vectors):
    for one in vectors("jobspec_corpus"):
        if isinstance(one.get("jobspec"), dict):
            submit(instance[0], one["jobspec"])


WORDS = st.sampled_from(["", "task", "slot", "core", "node", "gpu", "\0", "a\nb", "ƒ1", "\u202e", "x" * 5000, "afterok", "1", "-1", "4-2", "None"])  # fmt: skip
NUMBERS = st.sampled_from([0, -1, 1, 2**31, 2**63 - 1, 2**63, 2**64, 10**400, 0.5, 1e308, -0.0])
JSON = st.recursive(
    st.none() | st.booleans() | NUMBERS | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=6,
)


def places(document, path=()):
    """The paths to all that is in a document."""
    found = [path]
    items = (
        document.items() if isinstance(document, dict) else enumerate(document) if isinstance(document, list) else ()
    )
    for key, value in items:
        found += places(value, (*path, key))
    return found


def changed(document, path, value):
    if not path:
        return value
    copied = document.copy()
    copied[path[0]] = changed(document[path[0]], path[1:], value)
    return copied


FULL = task_jobspec(
    "true", "x", cwd="/", queue="q", dependencies=[{"scheme": "afterok", "value": "f1"}], constraints={"and": [{"hostlist": ["node0"]}]},
    options={"mpi": "none", "rlimit": {"core": 1}}, job={"name": "n"}, bank="b", project="p", files={"a": {"data": "x"}}, alloc={"x": 1},
)  # fmt: skip
FULL["attributes"]["user"] = {"a": [1]}


@settings(max_examples=250, derandomize=True, database=None, deadline=None, phases=[Phase.generate])
@given(data=st.data())
def test_hostile_jobspecs(instance, data):
    spec = FULL
    for _ in range(data.draw(st.integers(1, 3))):
        where = data.draw(st.sampled_from(places(spec)))
        if where:
            spec = changed(spec, where, data.draw(JSON))
    submit(instance[0], spec)
