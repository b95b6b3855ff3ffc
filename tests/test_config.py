"""sched.toml to values: each key, and each kind of fault with its place."""

from __future__ import annotations

import math
import re

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fluxplug.config import (
    JobSize,
    Limits,
    QueueConfig,
    QueueParams,
    SchedConfig,
    default_config,
    load_config,
    load_plugins,
)
from fluxplug.config.source import lines_of, parse
from fluxplug.errors import ConfigError, PluginError
from fluxplug.plugins import Plugins

SITE = """
class Pool:
    name = "rv1"
    @attrs.frozen
    class Config:
        match: str = option("low", help="which node first", choices=("low", "high"))
    def alloc(self): pass
    def free(self): pass

class Other(Pool):
    name = "tree"
    Config = None

class Fcfs:
    name = "fcfs"
    def schedule(self, pass_): yield

class Easy(Fcfs):
    name = "easy"

class Hybrid(Fcfs):
    name = "hybrid"
    @attrs.frozen
    class Config:
        reservation_depth: int = option(64, min=1, max=1000)
        window: float = option(3600.0, unit="seconds", min=0)
        fraction: float = option(0.5, min=0, max=1)
        strict: bool = option(False)
        users: list[str] = option([])
        sizes: tuple[int, ...] = option((1, 2), min=1)
        account: str | None = option(None)
        def __attrs_post_init__(self):
            if self.strict and self.account is None:
                raise ValueError("strict needs an account")

class Needy(Fcfs):
    name = "needy"
    @attrs.frozen
    class Config:
        server: str = option(help="where to ask")

class Odd(Fcfs):
    name = "odd"
    @attrs.frozen
    class Config:
        thing: complex = option(1j)

@hookimpl
def fluxplug_register_pools(): return [Pool, Other]

@hookimpl
def fluxplug_register_policies(): return [Fcfs, Easy, Hybrid, Needy, Odd]
"""


@pytest.fixture
def site(plugin_folder):
    return Plugins.load(path=[plugin_folder(site=SITE)], entry_points=False)


@pytest.fixture
def load(tmp_path, site):
    """Load TOML text as a file, with the plugins above."""

    def load(text, plugins=site):
        path = tmp_path / "sched.toml"
        path.write_text(text, encoding="utf-8")
        return load_config(path, plugins)

    return load


class TestValues:
    def test_an_empty_file_is_the_default(self, load, site):
        config = load("")
        assert config.sched == SchedConfig() == SchedConfig("rv1", "easy", QueueParams(), None)
        assert config.queues == ()
        assert config.all_queues == (QueueConfig(),)
        assert config.resource is None
        assert config.machine() is None
        assert config.plugins is site
        assert attrs.evolve(config, source=None, pools={}) == default_config(site)

    def test_everything_at_once(self, load, tmp_path):
        config = load("""
            [sched]
            pool = "rv1"
            queue-policy = "hybrid"
            queue-params = {queue-depth = 100, max-queue-depth = 50}
            [sched.policy-params]
            reservation-depth = 7
            window = "2h"
            fraction = 1
            users = ["a", "b"]
            sizes = [3]
            [pool.rv1]
            match = "high"
            [pool.tree]
            [resource]
            nodes = 4
            cores = 2
        """)
        params = config.sched.policy_params
        assert (params.reservation_depth, params.window, params.fraction) == (7, 7200.0, 1.0)
        assert type(params.fraction) is float
        assert (params.users, params.sizes, params.account, params.strict) == (["a", "b"], (3,), None, False)
        assert config.sched.queue_params.depth == 50
        assert config.pool_params.match == "high"
        assert set(config.pools) == {"rv1"}
        assert config.source == tmp_path / "sched.toml"

    def test_values_are_frozen_and_defaults_not_shared(self, load):
        text = '[sched]\nqueue-policy = "hybrid"'
        one, two = load(text), load(text)
        with pytest.raises(attrs.exceptions.FrozenInstanceError):
            one.sched.pool = "x"
        one.sched.policy_params.users.append("me")
        assert two.sched.policy_params.users == []

    def test_the_selected_pool_has_its_defaults(self, load):
        assert load("").pool_params.match == "low"
        assert load('[sched]\npool = "tree"').pool_params is None

    @pytest.mark.parametrize(
        ("params", "depth"),
        [
            ({}, None),
            ({"queue_depth": 5}, 5),
            ({"max_queue_depth": 6}, 6),
            ({"queue_depth": 5, "max_queue_depth": 3}, 3),
        ],
    )
    def test_depth_is_the_smaller(self, params, depth):
        assert QueueParams(**params).depth == depth

    def test_another_policy_for_all_queues(self, load):
        config = load("""
            [sched]
            queue-policy = "hybrid"
            policy-params = {reservation-depth = 7}
            [queues.a]
            [queues.b]
            queue-policy = "fcfs"
        """)
        changed = config.with_policy("hybrid")
        assert [queue.queue_policy for queue in changed.all_queues] == ["hybrid", "hybrid"]
        assert changed.queues[0].policy_params.reservation_depth == 7
        assert changed.queues[1].policy_params is None
        assert config.with_policy("easy").sched == SchedConfig(queue_policy="easy")
        assert config.queues[1].queue_policy == "fcfs"


class TestQueues:
    TEXT = """
        [sched]
        queue-policy = "hybrid"
        queue-params = {queue-depth = 9}
        policy-params = {reservation-depth = 7}
        [queues.zeta]
        [queues.alpha]
        queue-policy = "fcfs"
        queue-params = {max-queue-depth = 3}
        requires = ["big"]
        [queues.mid]
        policy-params = {reservation-depth = 1}
        hosts = "node[2-3]"
        [queues.all]
        queue-policy = "hybrid"
        hosts = "all"
        [resource]
        nodes = 4
        properties = {big = "0-1"}
    """

    def test_in_order_of_the_file(self, load):
        assert [queue.name for queue in load(self.TEXT).queues] == ["zeta", "alpha", "mid", "all"]

    def test_what_they_inherit(self, load):
        zeta, alpha, mid, every = load(self.TEXT).queues
        assert (zeta.queue_policy, zeta.queue_params.depth, zeta.policy_params.reservation_depth) == ("hybrid", 9, 7)
        assert (alpha.queue_policy, alpha.queue_params.depth, alpha.policy_params) == ("fcfs", 3, None)
        assert (mid.queue_policy, mid.policy_params.reservation_depth) == ("hybrid", 1)
        assert every.policy_params.reservation_depth == 7

    def test_what_binds_them(self, load):
        config = load(self.TEXT)
        assert [queue.properties for queue in config.queues] == [(), ("big",), ("+mid",), ("+all",)]
        assert config.machine()["execution"]["properties"] == {"big": "0-1", "+mid": "2-3", "+all": "0-3"}

    def test_policy_is_laid_over_the_global_one(self, load):
        config = load("""
            [policy.jobspec.defaults.system]
            queue = "a"
            duration = "1h"
            [policy.limits]
            duration = "2h"
            job-size.max = {nnodes = 8, ncores = -1}
            job-size.min.ngpus = 1
            [queues.a]
            [queues.b.policy.limits]
            duration = 0
            job-size.max.ncores = 64
            job-size.min.ngpus = -1
            [queues.c.policy]
            jobspec.defaults.system.duration = 0
        """)
        whole, (a, b, c) = config.policy, (queue.policy for queue in config.queues)
        assert whole == a
        assert whole.default_queue == "a"
        assert (whole.default_duration, whole.limits.duration) == (3600.0, 7200.0)
        assert whole.limits == Limits(7200.0, JobSize(nnodes=8), JobSize(ngpus=1))
        assert (b.limits.duration, b.limits.largest, b.limits.smallest) == (
            math.inf,
            JobSize(nnodes=8, ncores=64),
            JobSize(),
        )
        assert (c.default_duration, c.limits.duration) == (None, 7200.0)


# TOML, beginning at line 1 -> line, and what follows it.
FAULTS = {
    "unknown table": (
        "\n[shed]",
        2,
        r"\[shed\]: no such table; did you mean 'sched'\? tables: executor, ingest, instance, plugins, policy",
    ),
    "key at the top": ('pool = "rv1"', 1, r'\[pool\]: expected a table, got a string: "rv1"'),
    "unknown key": (
        "[sched]\n\nqueue_polcy = 1",
        3,
        r"\[sched\] queue_polcy: unknown key; did you mean 'queue-policy'\? keys: executor, policy-par",
    ),
    "underscore": (
        "[sched]\nqueue_policy = 1",
        2,
        r"\[sched\] queue_policy: unknown key; did you mean 'queue-policy'\?",
    ),
    "nothing near": (
        "[sched]\nzzz = 1",
        2,
        r"\[sched\] zzz: unknown key; keys: executor, policy-params, pool, priority, queue-params, queue-policy$",
    ),
    "wrong type": ("[sched]\npool = 3", 2, r"\[sched\] pool: expected a string, got an integer: 3"),
    "bool for int": (
        "[sched.queue-params]\nqueue-depth = true",
        2,
        r"\[sched\] queue-params\.queue-depth: expected an integer, got a boolean",
    ),
    "float for int": (
        "[sched]\nqueue-params = {queue-depth = 1.5}",
        2,
        r"queue-params\.queue-depth: expected an integer, got a number: 1\.5",
    ),
    "date": ("[sched]\npool = 2020-01-01", 2, r"pool: expected a string, got a date or time"),
    "table for string": ("[sched]\npool = {}", 2, r"pool: expected a string, got a table"),
    "string for table": ("[sched]\nqueue-params = 'x'", 2, r"queue-params: expected a table, got a string"),
    "too small": ("[sched.queue-params]\nqueue-depth = 0", 2, r"queue-depth: 0 is out of range; use 1 or more"),
    "too large": (
        '[sched]\nqueue-policy = "hybrid"\npolicy-params = {reservation-depth = 2000}',
        3,
        r"\[sched\] policy-params\.reservation-depth: 2000 is out of range; use 1 to 1000",
    ),
    "not a number": (
        '[sched]\nqueue-policy = "hybrid"\npolicy-params.fraction = nan',
        3,
        r"fraction: nan is not a number",
    ),
    "infinite": (
        '[sched]\nqueue-policy = "hybrid"\npolicy-params.fraction = inf',
        3,
        r"fraction: inf is out of range; use 0 to 1",
    ),
    "no choice": (
        '[pool.rv1]\nmatch = "best"',
        2,
        r'\[pool\.rv1\] match: "best" is not accepted; use one of "low", "high"',
    ),
    "no duration": (
        '[sched]\nqueue-policy = "hybrid"\npolicy-params.window = "1 day"',
        3,
        r"window: '1 day' is no duration: .*ms, s, m, h or d",
    ),
    "bool for duration": (
        '[sched]\nqueue-policy = "hybrid"\npolicy-params.window = true',
        3,
        r"window: expected a duration \(a number of sec",
    ),
    "element": (
        '[sched]\nqueue-policy = "hybrid"\npolicy-params.users = ["a", 3]',
        3,
        r"users: expected a string of each element, got an int",
    ),
    "no list": (
        '[sched]\nqueue-policy = "hybrid"\npolicy-params.users = "a"',
        3,
        r"users: expected a list of strings, got a string",
    ),
    "element out of range": (
        '[sched]\nqueue-policy = "hybrid"\npolicy-params.sizes = [1, 0]',
        3,
        r"sizes: 0 is out of range; use 1 or more",
    ),
    "the plugin's own rule": (
        '[sched]\nqueue-policy = "hybrid"\npolicy-params.strict = true',
        3,
        r"\[sched\] policy-params: strict needs an account$",
    ),
    "required key": ('[sched]\nqueue-policy = "needy"', 1, r"\[sched\] policy-params: has to say server; add the key"),
    "params of a policy without": (
        "[sched]\npolicy-params = {depth = 1}",
        2,
        r"policy-params: 'easy' has no parameters; take them out",
    ),
    "unknown pool": (
        '[sched]\npool = "rv2"',
        2,
        r"\[sched\] pool: no pool is named 'rv2'; did you mean 'rv1'\? installed: rv1, tree",
    ),
    "unknown policy": (
        '[sched]\nqueue-policy = "eazy"',
        2,
        r"queue-policy: no queue policy is named 'eazy'; did you mean 'easy'\? ins",
    ),
    "table of an unknown pool": ("[sched]\n[pool.rv9]", 2, r"\[pool\.rv9\]: no pool is named 'rv9'"),
    "pool that is not selected": ("[pool.tree]\nx = 1", 1, r"\[pool\.tree\]: 'tree' has no parameters"),
    "unknown policy of a queue": (
        '[queues.a]\nqueue-policy = "x"',
        2,
        r"\[queues\.a\] queue-policy: no queue policy is named 'x'",
    ),
    "queue that is no table": ("[queues]\na = 1", 2, r"\[queues\.a\]: expected a table, got an integer"),
    "unknown key of a queue": (
        "[queues.a]\nrequire = []",
        2,
        r"\[queues\.a\] require: unknown key; did you mean 'requires'\?",
    ),
    "hosts and requires": (
        '[queues.a]\nrequires = ["x"]\nhosts = "all"',
        3,
        r"hosts: a queue has either hosts or requires",
    ),
    "bad property": (
        '[queues.a]\nrequires = ["ok",\n  "a|b"]',
        3,
        r"requires\[1\]: 'a\|b' cannot be the name of a property: .*'\|'",
    ),
    "bad queue": ('[queues."a b"]', 1, r'\[queues\."a b"\]: \'a b\' cannot be the name of a queue: it contains blanks'),
    "default queue": (
        "[policy.jobspec.defaults]\nsystem.queue = 'bacth'\n[queues.batch]",
        2,
        r"\[policy\] jobspec\.defaults\.system\.queue: no queue is named 'bacth'; did you mean 'batch'\? queues: batch",
    ),
    "default queue of a queue": (
        "[queues.a.policy.jobspec.defaults.system]\nqueue = 'a'",
        2,
        r"\[queues\.a\] policy\.jobspec\.defaults\.system\.queue: the default queue is global",
    ),
    "min above max": (
        "[policy.limits.job-size]\nmax.nnodes = 2\n[queues.a.policy]\nlimits.job-size.min.nnodes = 3",
        4,
        r"\[queues\.a\] policy\.limits\.job-size\.min\.nnodes: min is 3 and max is 2: no job fits",
    ),
    "default above limit": (
        "[policy]\nlimits.duration = '1h'\njobspec.defaults.system.duration = '2h'",
        3,
        r"\[policy\] jobspec\.defaults\.system\.duration: the default duration, 7200 s, is over the limit, 3600 s",
    ),
    "access of a wrong type": (
        "[policy.access]\nallow-user = 'x'",
        2,
        r"\[policy\] access\.allow-user: expected a list of strings, got a string",
    ),
    "unknown key of access": (
        "[queues.a]\n[queues.a.policy.access]\nallow-users = ['x']",
        3,
        r"\[queues\.a\] policy\.access\.allow-users: unknown key; did you mean 'allow-user'\?",
    ),
    "empty resource": ("[resource]", 1, r"\[resource\]: says neither nodes nor hosts, path nor config"),
    "path and nodes": ("[resource]\npath = 'R.json'\nnodes = 3", 3, r"\[resource\] nodes: does not go with path"),
    "nodes and hosts disagree": (
        "[resource]\nnodes = 3\nhosts = 'a[1-2]'",
        2,
        r"nodes: there are 3, but hosts has 2 names",
    ),
    "no nodes": ("[resource]\nnodes = 0", 2, r"nodes: 0 is out of range; use 1 to 1048576"),
    "bad hosts": ("[resource]\nhosts = 'a[1-'", 2, r"hosts: .*position.*; write a hostlist"),
    "no hosts": ("[resource]\nhosts = ''", 2, r"hosts: names no host"),
    "a host twice": ("[resource]\nhosts = 'a,b,a'", 2, r"hosts: host a is named twice"),
    "property of nobody": (
        "[resource]\nnodes = 3\nproperties.big = '2-3'",
        3,
        r"\[resource\] properties\.big: there is no node 3; use .* 0 to 2",
    ),
    "property that is no idset": (
        "[resource]\nnodes = 3\n[resource.properties]\nbig = '3-2'",
        4,
        r"properties\.big: .*; write node numbers",
    ),
    "property of a wrong type": (
        "[resource]\nnodes = 3\nproperties = {big = 3}",
        3,
        r"properties\.big: expected a string of node numbers",
    ),
    "property with a plus": (
        "[resource]\nnodes = 3\nproperties.'+x' = '0'",
        3,
        r"properties\.\"\+x\": '\+x' begins with '\+'",
    ),
    "config that is no list": ("[resource]\nconfig = 3", 2, r"config: expected a list of tables, got an integer"),
    "config with more": ("[resource]\nconfig = []\ncores = 3", 3, r"cores: does not go with config"),
    "empty config": ("[resource]\nconfig = []", 2, r"config: has no hosts"),
    "unknown key in config": (
        "[[resource.config]]\nhosts = 'a'\ncores = '0'\n[[resource.config]]\nhosts = 'b'\ncore = '0'",
        6,
        r"\[resource\] config\[1\]\.core: unknown key; did you mean 'cores'\?",
    ),
    "bad ids in config": (
        "[resource]\nconfig = [\n{hosts = 'a', cores = '0'},\n{hosts = 'b', cores = 'x'}]",
        4,
        r"config\[1\]\.cores: .*write ids",
    ),
    "a host without cores": (
        "[[resource.config]]\nhosts = 'a'\ngpus = '0'",
        1,
        r"config: no element gives host a any cores",
    ),
    "no hosts in config": ("[[resource.config]]\ncores = '0'", 1, r"config\[0\]: has to say hosts"),
    "too many cores": ("[[resource.config]]\nhosts = 'a'\ncores = '0-99999'", 3, r"cores: id 99999 is too large"),
    "queue on hosts that are not there": (
        "[resource]\nnodes = 2\n[queues.a]\nhosts = 'node[1-3]'",
        4,
        r"\[queues\.a\] hosts: the machine has no host node\[2-3\]; its hosts are node\[0-1\]",
    ),
    "queue without nodes": (
        "[resource]\nnodes = 2\nproperties = {batch = '0', none = ''}\n[queues.a]\nrequires = ['batch',\n'bacth']",
        6,
        r"\[queues\.a\] requires\[1\]: no node has the property 'bacth'; did you mean 'batch'\? properties: batch$",
    ),
    "block of a wrong type": ("[plugins]\nblock = 'x'", 2, r"\[plugins\] block: expected a list of strings"),
    "broken": ("[sched]\npool = \n", 2, r"broken TOML: Invalid value at column 8; mend the syntax"),
    "broken at the end": ("[sched]\npool = '''x\n\n", 4, r"broken TOML: .* at the end of the file; mend"),
    "twice": ("[sched]\npool = 'rv1'\npool = 'rv1'", 3, r"broken TOML: Cannot overwrite a value"),
    "digits": ("x = " + "9" * 5000, 1, r"broken TOML: "),
}


class TestFaults:
    @pytest.mark.parametrize("fault", FAULTS)
    def test_each_has_its_place(self, load, tmp_path, fault):
        text, line, problem = FAULTS[fault]
        with pytest.raises(ConfigError) as caught:
            load(text)
        shown = str(caught.value)
        assert shown.startswith(f"{tmp_path / 'sched.toml'}:{line}: "), shown
        assert re.search(problem, shown), shown
        assert "\n" not in shown

    @pytest.mark.parametrize("text", ["x = " + "[" * 100_000, "a." * 5000 + "b = 1", "x = " + "{a = " * 2000])
    def test_nesting(self, load, text):
        with pytest.raises(ConfigError, match=r"nested too deeply|broken TOML|no such table"):
            load(text)

    def test_a_config_class_that_toml_cannot_fill(self, load):
        with pytest.raises(
            PluginError,
            match=r"plugin 'site' of \S+site\.py: policy 'odd': Odd\.Config\.thing: .* is no type of a config",
        ):
            load('[sched]\nqueue-policy = "odd"')

    @pytest.mark.parametrize(
        ("content", "problem"),
        [
            (None, r"cannot be read: No such file"),
            (b"x = '\xff'", r":1: not UTF-8 \(invalid start byte\)"),
            ("folder", "cannot be read"),
        ],
    )
    def test_a_file_that_cannot_be_read(self, tmp_path, site, content, problem):
        path = tmp_path / "sched.toml"
        if content == "folder":
            path.mkdir()
        elif content is not None:
            path.write_bytes(content)
        with pytest.raises(ConfigError, match=rf"^{re.escape(str(path))}.*{problem}"):
            load_config(path, site)

    @settings(max_examples=200, deadline=None)
    @given(st.text(alphabet="[]{}=,.\"'\\#\n ax1é\t\r-", max_size=60))
    def test_any_text_is_a_config_or_a_config_error(self, text):
        try:
            source = parse(text, "x.toml")
        except ConfigError as error:
            assert re.match(r"x\.toml:\d+: ", str(error))  # noqa: PT017 - both outcomes are right
        else:
            lines_of(source.text)


class TestPluginsTable:
    def test_paths_are_relative_to_the_file(self, tmp_path, plugin_folder):
        plugin_folder(
            "near", extra=SITE.replace('"hybrid"', '"mine"').replace("[Pool, Other]", "[]").replace("Fcfs, Easy, ", "")
        )
        path = tmp_path / "sched.toml"
        path.write_text('[plugins]\npath = ["near"]\nblock = ["policy-fcfs"]\n', encoding="utf-8")
        plugins = load_plugins(path)
        assert "mine" in plugins.policies
        assert "policy-fcfs" not in plugins.loaded

    @pytest.mark.parametrize(
        ("text", "line", "problem"),
        [
            (
                '[plugins]\nblock = ["polcy-fcfs"]',
                2,
                r"\[plugins\] block: no plugin .*'polcy-fcfs' to block; did you mean 'policy-fcfs'\?",
            ),
            ('[plugins]\n\npath = ["none"]', 3, r"\[plugins\] path: plugin folder \S+none does not exist; create it"),
            ("[plugins]\nblok = []", 2, r"\[plugins\] blok: unknown key; did you mean 'block'\?"),
            ("plugins = 3", 1, r"\[plugins\]: expected a table"),
        ],
    )
    def test_faults(self, tmp_path, text, line, problem):
        path = tmp_path / "sched.toml"
        path.write_text(text, encoding="utf-8")
        for load in (load_plugins, load_config):
            with pytest.raises(ConfigError, match=rf"^{re.escape(str(path))}:{line}: {problem}"):
                load(path)
