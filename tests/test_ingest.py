"""From a job of a trace to a request in a queue: which queue, which limit, which constraint, and who may refuse."""

from __future__ import annotations

import copy
import json
import math
from argparse import Namespace

import attrs
import pytest

from fluxplug.cli.plugin import CLIPluginRegistry
from fluxplug.clock import ManualClock
from fluxplug.config import load_config
from fluxplug.config.model import Config, JobPolicy, JobSize, Limits, QueueConfig
from fluxplug.errors import ConfigError, PluginError, RefusedError
from fluxplug.ingest import Ingest, Site, count, with_properties, without_properties
from fluxplug.jobspec.v1 import validate_jobspec
from fluxplug.plugins import Plugins
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

    def test_a_queue_that_the_configuration_has_not(self):
        config = Config(queues=TWO, policy=JobPolicy(default_queue="debug"))
        told = r"^queue 'debgu' is not configured; did you mean 'debug'\? queues: batch, debug$"
        for _ in range(2):
            with pytest.raises(RefusedError, match=told):
                ingest(config).admit(job(queue="debgu"))
        with pytest.raises(RefusedError, match=r"^queue 'q7' is not configured; queues: none$"):
            ingest().admit(job(queue="q7"))

    def test_a_queue_of_a_log_that_the_configuration_has_not(self):
        """Which is another machine's: the default serves its jobs."""
        config = Config(queues=TWO, policy=JobPolicy(default_queue="debug"))
        assert ingest(config).admit(job(jobspec, queue="q7"))[0] == "debug"
        assert ingest(config).admit(job(jobspec, queue="batch"))[0] == "batch"
        assert ingest().admit(job(jobspec, queue="q7"))[0] == ""

    def test_no_queue_at_all(self):
        told = r"^no queue specified and there is no default queue .*; queues: batch, debug$"
        for made in (jobspec(), jobspec):
            with pytest.raises(RefusedError, match=told):
                ingest(Config(queues=TWO)).admit(job(made))


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


def limited(*, name="", duration=math.inf, largest=None, smallest=None):
    limits = Limits(duration, JobSize(**largest or {}), JobSize(**smallest or {}))
    policy = JobPolicy(limits=limits)
    return Config(queues=(QueueConfig(name, policy=policy),)) if name else Config(policy=policy)


class TestPolicyLimits:
    """The texts are those of Flux (reference/cli.md section 11); it has none for what is below a limit."""

    @pytest.mark.parametrize(
        ("asked", "told"), [(7200, "2h"), (3600.5, "1.00014h"), (0, "unlimited")], ids=["longer", "a little", "none"]
    )
    @pytest.mark.parametrize("name", ["", "batch"])
    def test_duration(self, name, asked, told):
        admission = ingest(limited(name=name, duration=3600.0))
        assert admission.admit(job(limit=3600))[1].duration == 3600
        where = f" for queue {name}" if name else ""
        with pytest.raises(RefusedError) as refusal:
            admission.admit(job(limit=asked))
        assert str(refusal.value) == f"requested duration ({told}) exceeds policy limit of 1h{where}"

    def test_the_default_counts_as_asked_for(self):
        policy = JobPolicy(default_duration=60.0, limits=Limits(3600.0))
        assert ingest(Config(policy=policy)).admit(job())[1].duration == 60

    @pytest.mark.parametrize(
        ("limits", "spec", "told"),
        [
            ({"nnodes": 1}, jobspec(nodes=2), "requested nnodes (2) exceeds policy limit of 1"),
            ({"nnodes": 1}, jobspec(4), None),  # cores alone do not ask for nodes
            ({"nnodes": 2}, jobspec(nodes=2), None),
            ({"nnodes": 0}, jobspec(nodes=1), "requested nnodes (1) exceeds policy limit of 0"),
            ({"ncores": 5}, jobspec(nodes=2, slots=3), "requested ncores (6) exceeds policy limit of 5"),
            ({"ncores": 6}, jobspec(nodes=2, slots=3), None),
            ({"ngpus": 0}, jobspec(gpus=1), "requested ngpus (1) exceeds policy limit of 0"),
            ({"ngpus": 0}, jobspec(), None),
        ],
    )
    def test_the_most(self, limits, spec, told):
        assert refusal_of(limited(largest=limits), spec) == told

    @pytest.mark.parametrize(
        ("limits", "spec", "told"),
        [
            ({"nnodes": 3}, jobspec(nodes=2), "requested nnodes (2) is below policy limit of 3"),
            ({"nnodes": 1}, jobspec(4), "requested nnodes (0) is below policy limit of 1"),
            ({"ncores": 4}, jobspec(2, cores=2), None),
            ({"ngpus": 1}, jobspec(), "requested ngpus (0) is below policy limit of 1"),
        ],
    )
    def test_the_least(self, limits, spec, told):
        assert refusal_of(limited(smallest=limits), spec) == told

    @pytest.mark.parametrize(
        ("nodes", "shown"), [("2-8", "2-8"), ("2+", "2+"), ({"min": 2, "max": 8}, "2-8"), ("2,8", "2-8")]
    )
    def test_a_range_is_held_to_both_ends(self, nodes, shown):
        spec = {**jobspec(nodes=nodes), "version": 9}
        assert (
            refusal_of(limited(largest={"nnodes": 7}), spec) == f"requested nnodes ({shown}) exceeds policy limit of 7"
        )
        assert (
            refusal_of(limited(smallest={"nnodes": 3}), spec)
            == f"requested nnodes ({shown}) is below policy limit of 3"
        )
        if shown == "2-8":
            assert refusal_of(limited(largest={"nnodes": 8}, smallest={"nnodes": 2}), spec) is None

    def test_of_a_log_only_cores_are_known(self):
        config = limited(largest={"ncores": 3}, smallest={"nnodes": 1, "ngpus": 1, "ncores": 2})
        assert refusal_of(config, lambda: jobspec(3)) is None
        assert refusal_of(config, lambda: jobspec(4)) == "requested ncores (4) exceeds policy limit of 3"
        assert refusal_of(config, lambda: jobspec(1)) == "requested ncores (1) is below policy limit of 2"

    def test_a_refused_shape_is_refused_again_without_being_counted(self):
        admission = ingest(limited(largest={"ncores": 3}))
        for spec in (jobspec(4), jobspec(1)):  # the second is not looked at
            with pytest.raises(RefusedError, match=r"ncores \(4\)"):
                admission.admit(job(spec, shape="x"))

    def test_of_the_queue_over_the_general_ones(self, tmp_path):
        path = tmp_path / "sched.toml"
        path.write_text(
            """
            [policy.jobspec.defaults.system]
            queue = "batch"
            [policy.limits]
            duration = "1h"
            job-size.max = {nnodes = 2, ncores = 8}
            [queues.batch]
            [queues.debug.policy.limits]
            duration = "10m"
            job-size.max.nnodes = 1
            [queues.free.policy.limits]
            duration = "0"
            job-size.max = {nnodes = -1, ncores = -1}
            """,
            encoding="utf-8",
        )
        config = load_config(path)
        two, short, long = jobspec(nodes=2, slots=4), 600, 7200
        assert refusal_of(config, two, limit=3600) is None
        assert refusal_of(config, two, limit=short, queue="debug") == (
            "requested nnodes (2) exceeds policy limit of 1 for queue debug"
        )
        assert refusal_of(config, jobspec(9), limit=short, queue="debug") == (
            "requested ncores (9) exceeds policy limit of 8 for queue debug"
        )
        assert "1h for queue batch" in refusal_of(config, two, limit=long)
        assert "10m for queue debug" in refusal_of(config, two, limit=601, queue="debug")
        assert refusal_of(config, jobspec(nodes=4, slots=4), queue="free") is None


def refusal_of(config, spec, limit=30.0, **more):
    """The text with which a job is refused, or None: the quick way and, with a plugin that looks on, the long one agree."""
    texts = set()
    for plugins in (None, WATCHING):
        made = spec
        if isinstance(spec, dict):
            made = copy.deepcopy(spec)
            made["attributes"]["system"].update({"duration": limit, **more})
        else:

            def made():
                full = spec()
                full["attributes"]["system"]["duration"] = limit
                return full

        try:
            ingest(config, plugins).admit(job(made, limit=limit, **more))
        except RefusedError as refusal:
            texts.add(str(refusal))
        else:
            texts.add(None)
    assert len(texts) == 1
    return texts.pop()


class Watching(Plugins):
    """Plugins of which one validates each job, and finds nothing wrong."""

    def wants(self, hook):
        return hook == "validate_jobspec"


WATCHING = Watching()


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
        asked = [name for name in (own or {}).get("properties", ()) if name not in {"big", "gpu"}]
        wanted = ({"properties": asked} if asked else {}) if "properties" in (own or {}) else own or {}
        assert without_properties(joined, ("big", "gpu")) == wanted

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
    system = jobspec["attributes"]["system"]
    system["seen"] = prog
    if args.wide > 2:
        system.update(queue="debug", duration=7)

@hookimpl
def fluxplug_validate_jobspec(jobspec):
    assert jobspec["attributes"]["system"]["seen"] == "simulate"
    assert jobspec["attributes"]["system"]["queue"] in ("batch", "debug")
    if jobspec["resources"][0]["count"] > 30:
        raise ValueError("the site allows\\nthirty")
"""
SITE = """
[plugins]
path = ["plugins"]
[queues.batch]
policy.jobspec.defaults.system.duration = 60
[queues.debug]
policy.limits.duration = 10
[policy.jobspec.defaults.system]
queue = "batch"
[resource]
nodes = 4
"""


class TestHooks:
    @pytest.fixture
    def admission(self, tmp_path):
        (tmp_path / "plugins").mkdir()
        (tmp_path / "plugins" / "site_rules.py").write_text(HOOKS, encoding="utf-8")
        path = tmp_path / "sched.toml"
        path.write_text(SITE, encoding="utf-8")
        config = load_config(path)

        def make(wide):
            return ingest(config, config.plugins, args=Namespace(wide=wide))

        return make

    def test_each_job_is_seen(self, admission):
        admit = admission(1).admit
        spec = jobspec(2)
        admitted = [admit(job(spec, shape="x")) for _ in range(2)]
        assert [(queue, request.ncores, width) for queue, request, width in admitted] == [("batch", 3, 3)] * 2
        assert spec == jobspec(2), "the trace's own jobspec is left as it is"

    def test_refused_by_the_site(self, admission):
        with pytest.raises(RefusedError, match=r"^the site allows thirty$"):
            admission(2).admit(job(jobspec(29)))

    def test_the_limit_is_the_jobs_own_or_the_default(self, admission):
        assert admission(0).admit(job(limit=30))[1].duration == 30
        assert admission(0).admit(job())[1].duration == 60

    def test_queue_and_limit_may_be_changed(self, admission):
        queue, request, _ = admission(3).admit(job(limit=30))
        assert (queue, request.duration) == ("debug", 7)

    def test_limits_hold_for_what_was_made_of_a_job(self, admission):
        with pytest.raises(
            RefusedError, match=r"^requested duration \(30s\) exceeds policy limit of 10s for queue debug"
        ):
            admission(0).admit(job(jobspec(limit=30, queue="debug"), limit=30, queue="debug"))

    def test_a_log_is_seen_too(self, admission):
        queue, request, width = admission(1).admit(job(lambda: jobspec(2, limit=9, queue="q7"), limit=9, queue="q7"))
        assert (queue, request.duration, request.ncores, width) == ("batch", 9, 3, 3)


RULES = """
import attrs
from fluxplug.config import option
from fluxplug.hookspecs import hookimpl
from fluxplug.ingest import IngestPlugin

class Rules(IngestPlugin):
    "Rules of a site."
    name = "rules"
    @attrs.frozen
    class Config:
        most: int = option(3, help="slots at most")
    def validate(self, jobspec):
        if jobspec["resources"][0]["count"] > self.config.most:
            raise ValueError(f"at most {self.config.most} slots")

class Twice(IngestPlugin):
    "Doubles what is asked for."
    name = "twice"
    def modify_jobspec(self, jobspec):
        jobspec["resources"][0]["count"] *= 2

class Broken(IngestPlugin):
    "Fails at both."
    name = "broken"
    def modify_jobspec(self, jobspec):
        if jobspec["resources"][0]["count"] == 1:
            jobspec["resources"] = []
    def validate(self, jobspec):
        jobspec["nothing"]

@hookimpl
def fluxplug_register_ingest():
    return [Rules, Twice, Broken]
"""


class TestIngestPlugins:
    @pytest.fixture
    def admission(self, tmp_path):
        (tmp_path / "plugins").mkdir()
        (tmp_path / "plugins" / "site.py").write_text(RULES, encoding="utf-8")
        path = tmp_path / "sched.toml"

        def make(text):
            path.write_text('[plugins]\npath = ["plugins"]\n' + text, encoding="utf-8")
            config = load_config(path)
            return ingest(config, config.plugins)

        return make

    def test_none_is_at_work_without_its_table(self, admission):
        assert admission("").admit(job(jobspec(9)))[1].ncores == 9

    def test_its_keys(self, admission):
        with pytest.raises(RefusedError, match=r"^at most 3 slots$"):
            admission("[ingest.rules]").admit(job(jobspec(4)))
        assert admission("[ingest.rules]\nmost = 4").admit(job(jobspec(4)))[1].ncores == 4

    def test_what_one_modifies_the_other_judges(self, admission):
        admit = admission("[ingest.rules]\n[ingest.twice]").admit
        assert admit(job(jobspec(1)))[1:][1] == 2
        with pytest.raises(RefusedError, match="at most 3"):
            admit(job(jobspec(2)))

    @pytest.mark.parametrize(
        ("width", "told"),
        [
            (1, "modify_jobspec leaves a jobspec that is not valid: resources: must not be empty; repair it"),
            (2, "validate failed: KeyError: 'nothing'; repair it"),
        ],
    )
    def test_one_that_fails_is_named(self, admission, tmp_path, width, told):
        with pytest.raises(PluginError) as caught:
            admission("[ingest.broken]").admit(job(jobspec(width)))
        assert str(caught.value) == f"ingest plugin 'broken' of {tmp_path}/plugins/site.py: {told}"

    @pytest.mark.parametrize(
        ("text", "told"),
        [
            ("[ingest.ruels]", r":3: \[ingest\.ruels\].*no ingest plugin is named 'ruels'; did you mean 'rules'\? installed: .*rules"),
            ("[ingest.rules]\nmots = 1", r":4: \[ingest\.rules\] mots: unknown key; did you mean 'most'"),
            ("[ingest.rules]\nmost = '1'", r":4: \[ingest\.rules\] most: expected an integer"),
            ("[ingest.twice]\nmost = 1", r":3: \[ingest\.twice\].*'twice' has no parameters"),
            ("[ingest]\ntwice = true", r":4: \[ingest\.twice\]: expected a table, got a boolean: true"),
        ],
    )  # fmt: skip
    def test_faults_of_the_table(self, admission, text, told):
        with pytest.raises(ConfigError, match=told):
            admission(text)


SUBMISSION = """
from fluxplug.cli.plugin import CLIPlugin

class Taken(CLIPlugin):
    def validate(self, jobspec):
        assert self.prog == "validate"
        if jobspec.getattr("duration") > 100:
            raise ValueError("nobody waits that long")
        if jobspec.getattr("duration") > 50:
            raise RuntimeError("odd")
"""


class TestSubmissionPlugins:
    """Their `validate` is for where jobs are taken in: Flux has it so."""

    @pytest.fixture
    def finish(self, tmp_path, monkeypatch):
        (tmp_path / "taken.py").write_text(SUBMISSION, encoding="utf-8")
        monkeypatch.setenv("FLUXPLUG_CLI_PLUGINPATH_OVERRIDE", str(tmp_path))
        return Site(ANONYMOUS, submission=CLIPluginRegistry("validate")).finish

    @pytest.mark.parametrize("version", [1, 2])
    def test_they_may_refuse(self, finish, version):
        assert finish({**jobspec(limit=50), "version": version})
        with pytest.raises(RefusedError, match=r"^nobody waits that long$"):
            finish({**jobspec(limit=101), "version": version})

    def test_one_that_fails_is_named(self, finish):
        with pytest.raises(PluginError, match=r"^plugin Taken of \S+/taken\.py: validate: RuntimeError: odd"):
            finish(jobspec(limit=51))


class TestSite:
    """A whole jobspec, finished: what `fluxplug jobspec validate --config` does."""

    def test_what_is_added(self):
        config = Config(queues=TWO, policy=JobPolicy(default_queue="batch"))
        config = attrs.evolve(config, queues=(attrs.evolve(TWO[0], policy=JobPolicy(default_duration=60.0)), TWO[1]))
        spec = jobspec()
        made, queue = Site(config).finish(spec)
        assert queue.name == "batch"
        system = {"queue": "batch", "duration": 60.0, "constraints": {"properties": ["big"]}}
        assert made["attributes"]["system"] == system
        assert spec == jobspec()

    def test_a_canonical_jobspec_without_attributes(self):
        spec = {**jobspec(), "version": 2, "attributes": {}}
        assert Site(ANONYMOUS).finish(spec)[0]["attributes"] == {"system": {}}

    @pytest.mark.parametrize(
        ("spec", "counts"),
        [
            (jobspec(nodes=2, slots=3, cores=4, gpus=1), ((2, 2), (24, 24), (6, 6))),
            (jobspec("2-4", cores=2), ((0, 0), (4, 8), (0, 0))),
            (jobspec(nodes="2+"), ((2, math.inf), (2, math.inf), (0, 0))),
        ],
    )
    def test_count(self, spec, counts):
        assert tuple(count(spec["resources"]).values()) == counts

    def test_none_of_an_unbounded_number_is_none(self):
        gpu = {"type": "gpu", "count": 0}
        assert count([{"type": "node", "count": "2+", "with": [gpu]}])["ngpus"] == (0, 0)

    @pytest.mark.parametrize(
        ("amount", "told"),
        [
            ("2+:2", "cannot be scheduled"),
            ("1-2000000000:2", "cannot be scheduled"),
            (2**30, r"cannot be scheduled: resources: asks for more than 1000000000000000 of 'slot'"),
        ],
    )
    def test_what_cannot_be_counted_is_refused(self, amount, told):
        spec = {**jobspec(nodes=2**30, slots=amount, cores=2), "version": 2}
        with pytest.raises(RefusedError, match=told):
            Site(limited(largest={"ncores": 5})).finish(spec)

    @pytest.mark.parametrize(
        "config", [ANONYMOUS, limited(name="q", duration=9.0, largest={"ncores": 5}, smallest={"nnodes": 1})]
    )
    def test_any_valid_jobspec_is_finished_or_refused(self, vectors, config):
        seen = set()
        for entry in vectors("jobspec_corpus"):
            try:
                _, spec = validate_jobspec(json.dumps(entry.get("jobspec")))
            except (ValueError, TypeError):
                continue
            try:
                made, _ = Site(config).finish(spec.jobspec)
                type(spec).from_dict(made)
                seen.add("finished")
            except RefusedError:
                seen.add("refused")
        assert "refused" in seen or config is ANONYMOUS
        assert "finished" in seen or config is not ANONYMOUS
