"""From a job of a trace to a request in a queue: which queue, which limit, which constraint, and who may refuse."""

from __future__ import annotations

from argparse import Namespace

import pytest

from fluxplug.clock import ManualClock
from fluxplug.config import load_config
from fluxplug.config.model import Config, JobPolicy, QueueConfig
from fluxplug.ingest import Ingest, RefusedError, with_properties
from fluxplug.resource.factory import ResourcePool
from fluxplug.sim.trace import TraceJob
from fluxplug.testing import R, jobspec

ANONYMOUS = Config()
TWO = (QueueConfig("batch", requires=("big",)), QueueConfig("debug"))


def job(spec=None, *, limit=0.0, queue=None, shape=None):
    spec = jobspec(limit=limit) if spec is None else spec
    return TraceJob(7, 0, 1, limit, 1, shape if shape is not None else repr(spec), spec, False, queue)


def ingest(config=ANONYMOUS, plugins=None, **more):
    pool = ResourcePool(R(4, cores=4, properties={"big": "0-1"}), clock=ManualClock())
    return Ingest(config, pool, plugins, **more)


class TestQueues:
    def test_the_only_queue(self):
        assert ingest().admit(job())[0] == ""
        assert ingest(Config(queues=(QueueConfig("only"),))).admit(job())[0] == "only"

    def test_the_queue_that_the_job_names(self):
        assert ingest(Config(queues=TWO)).admit(job(queue="debug"))[0] == "debug"

    def test_the_default_queue(self):
        config = Config(queues=TWO, policy=JobPolicy(default_queue="debug"))
        assert ingest(config).admit(job())[0] == "debug"

    def test_a_queue_of_the_log_that_the_configuration_has_not(self):
        config = Config(queues=TWO, policy=JobPolicy(default_queue="debug"))
        assert ingest(config).admit(job(queue="q7"))[0] == "debug"
        assert ingest().admit(job(queue="q7"))[0] == ""

    @pytest.mark.parametrize(("queue", "told"), [(None, "no queue specified"), ("q7", "queue 'q7' is not configured")])
    def test_no_queue_at_all(self, queue, told):
        with pytest.raises(RefusedError, match=rf"{told} and there is no default queue .*: batch, debug"):
            ingest(Config(queues=TWO)).admit(job(queue=queue))


class TestLimits:
    def test_the_jobs_own(self):
        assert ingest().admit(job(limit=30))[1].duration == 30

    def test_the_default_of_the_queue(self):
        config = Config(queues=(QueueConfig("a", policy=JobPolicy(default_duration=60.0)), QueueConfig("b")))
        assert ingest(config).admit(job(queue="a"))[1].duration == 60
        assert ingest(config).admit(job(queue="a", limit=30))[1].duration == 30
        assert ingest(config).admit(job(queue="b"))[1].duration == 0

    def test_jobs_of_one_shape_are_parsed_once_and_keep_their_limits(self):
        calls = []

        def spec():
            calls.append(1)
            return jobspec(limit=5)

        admission = ingest()
        found = [admission.admit(job(spec, limit=limit, shape="x"))[1] for limit in (10, 20)]
        assert [request.duration for request in found] == [10, 20]
        assert found[0].shape is found[1].shape
        assert len(calls) == 1


class TestConstraints:
    def test_of_the_queue(self):
        found = {
            queue: ingest(Config(queues=TWO)).admit(job(queue=queue))[1].constraint for queue in ("batch", "debug")
        }
        assert found == {"batch": {"properties": ["big"]}, "debug": None}

    @pytest.mark.parametrize(
        ("own", "joined"),
        [
            (None, {"properties": ["big", "gpu"]}),
            ({}, {"properties": ["big", "gpu"]}),
            ({"properties": ["gpu", "fast"]}, {"properties": ["gpu", "fast", "big"]}),
            ({"properties": []}, {"properties": ["big", "gpu"]}),
            ({"ranks": ["0-3"]}, {"and": [{"ranks": ["0-3"]}, {"properties": ["big", "gpu"]}]}),
            ({"not": [{"properties": ["big"]}]}, {"and": [{"not": [{"properties": ["big"]}]}, {"properties": ["big", "gpu"]}]}),
        ],
    )  # fmt: skip
    def test_joined_with_the_jobs_own(self, own, joined):
        spec = jobspec(constraint=own)
        before = repr(spec)
        made = with_properties(spec, ("big", "gpu"))
        assert made["attributes"]["system"]["constraints"] == joined
        assert repr(spec) == before, "the argument is left as it is"

    @pytest.mark.parametrize("attributes", [None, {}, {"system": None}, {"system": {}}])
    def test_where_there_are_no_attributes(self, attributes):
        made = with_properties({"attributes": attributes}, ("big",))
        assert made == {"attributes": {"system": {"constraints": {"properties": ["big"]}}}}

    def test_queues_with_the_same_shape_of_job_are_kept_apart(self):
        admission = ingest(Config(queues=TWO))
        found = [admission.admit(job(queue=queue, shape="x"))[1] for queue in ("batch", "debug", "batch")]
        assert [request.constraint for request in found] == [{"properties": ["big"]}, None, {"properties": ["big"]}]


class TestRefusal:
    @pytest.mark.parametrize(
        "spec",
        [
            jobspec(constraint={"properties": ["a|b"]}),
            jobspec(constraint={"nonsense": []}),
            {"version": 1, "resources": [{"type": "core", "count": 1}], "tasks": [], "attributes": {}},
        ],
    )
    def test_what_the_pool_cannot_read(self, spec):
        with pytest.raises(RefusedError, match=r"^cannot be scheduled: "):
            ingest().admit(job(spec))

    def test_a_refused_shape_is_refused_again(self):
        admission = ingest()
        for _ in range(2):
            with pytest.raises(RefusedError):
                admission.admit(job(jobspec(constraint={"nonsense": []}), shape="x"))

    def test_dependencies_are_noted(self):
        spec = jobspec()
        spec["attributes"]["system"]["dependencies"] = [{"scheme": "afterok", "value": "f1"}]
        notes = {}
        admission = ingest(notes=notes)
        admission.admit(job(spec))
        admission.admit(job())
        assert notes == {"dependencies ignored": 1}


HOOKS = """
from fluxplug.hookspecs import hookimpl

@hookimpl
def fluxplug_add_options(command, parser):
    parser.add_argument("--wide", type=int, default=0)

@hookimpl
def fluxplug_modify_jobspec(prog, args, jobspec):
    slot = jobspec["resources"][0]
    slot["count"] += args.wide
    jobspec["attributes"]["system"]["seen"] = prog

@hookimpl
def fluxplug_validate_jobspec(jobspec):
    assert jobspec["attributes"]["system"]["seen"] == "simulate"
    if jobspec["resources"][0]["count"] > 3:
        raise ValueError("the site allows three")
"""


class TestHooks:
    @pytest.fixture
    def admission(self, tmp_path):
        (tmp_path / "plugins").mkdir()
        (tmp_path / "plugins" / "site_rules.py").write_text(HOOKS, encoding="utf-8")
        path = tmp_path / "sched.toml"
        path.write_text('[plugins]\npath = ["plugins"]\n', encoding="utf-8")
        config = load_config(path)

        def make(wide):
            return ingest(config, config.plugins, args=Namespace(wide=wide))

        return make

    def test_each_job_is_seen(self, admission):
        admit = admission(1).admit
        spec = jobspec(2)
        assert [admit(job(spec, shape="x"))[1].ncores for _ in range(2)] == [3, 3]
        assert spec == jobspec(2), "the trace's own jobspec is left as it is"

    def test_refused_by_the_site(self, admission):
        with pytest.raises(RefusedError, match=r"^cannot be scheduled: the site allows three$"):
            admission(2).admit(job(jobspec(2)))

    def test_the_limit_stays_the_jobs_own(self, admission):
        assert admission(0).admit(job(limit=30))[1].duration == 30
