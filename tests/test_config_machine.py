"""The machine that [resource] describes."""

from __future__ import annotations

import pytest

from fluxplug.config import Config, QueueConfig, ResourceConfig, load_config
from fluxplug.errors import ConfigError


@pytest.fixture
def load(tmp_path):
    """Load TOML text as a file."""

    def load(text):
        path = tmp_path / "sched.toml"
        path.write_text(text, encoding="utf-8")
        return load_config(path)

    return load


class TestMachine:
    def test_equal_nodes(self, load):
        document = load("[resource]\nnodes = 10\ncores = 4\ngpus = 1\nproperties = {b = '3', a = '0-1'}").machine()
        execution = document["execution"]
        assert document["version"] == 1
        assert execution["R_lite"] == [{"rank": "0-9", "children": {"core": "0-3", "gpu": "0"}}]
        assert execution["nodelist"] == ["node[0-9]"]
        assert list(execution["properties"].items()) == [("a", "0-1"), ("b", "3")]

    def test_named_nodes(self, load):
        execution = load("[resource]\nhosts = 'a[07-09],login'").machine()["execution"]
        assert execution["R_lite"] == [{"rank": "0-3", "children": {"core": "0"}}]
        assert execution["nodelist"] == ["a[07-09],login"]
        assert "properties" not in execution

    def test_one_node(self):
        machine = ResourceConfig.uniform(1)
        assert machine.document()["execution"]["R_lite"] == [{"rank": "0", "children": {"core": "0"}}]

    def test_a_list_adds_up(self, load):
        execution = load("""
            [[resource.config]]
            hosts = "b[1-2],a"
            cores = "0-3"
            [[resource.config]]
            hosts = "b2,c"
            cores = "2-5"
            gpus = "0"
            properties = ["big", "gpu"]
            [[resource.config]]
            hosts = "a,c"
            properties = ["big"]
        """).machine()["execution"]
        assert execution["nodelist"] == ["b[1-2],a,c"]
        assert execution["R_lite"] == [
            {"rank": "0,2", "children": {"core": "0-3"}},
            {"rank": "1", "children": {"core": "0-5", "gpu": "0"}},
            {"rank": "3", "children": {"core": "2-5", "gpu": "0"}},
        ]
        assert execution["properties"] == {"big": "1-3", "gpu": "1,3"}

    R = '{"version": 1, "execution": {"R_lite": [{"rank": "3-4", "children": {"core": "0"}}], "nodelist": ["x[8-9]"], "properties": {"p": "3"}}}'

    def test_a_file_beside_the_configuration(self, load, tmp_path):
        (tmp_path / "R.json").write_text(self.R, encoding="utf-8")
        config = load(
            "[resource]\npath = 'R.json'\n[queues.a]\nrequires = ['p']\n[queues.b]\nhosts = 'x9'\n[queues.c]\nhosts = 'all'"
        )
        assert config.resource == ResourceConfig(path=tmp_path / "R.json")
        assert config.machine()["execution"]["properties"] == {"p": "3", "+b": "4", "+c": "3-4"}

    @pytest.mark.parametrize(
        ("text", "problem"),
        [
            (None, r"R\.json: cannot be read: No such file"),
            ("{\n!", r"R\.json:2: not JSON: "),
            ("[]", r"R\.json: not an R document \(RFC 20\): expected an object"),
            ("{}", r"R\.json: not an R document \(RFC 20\): version: missing"),
            ("[" * 10**5, r"R\.json:1: not JSON: nested too deeply"),
            (R.replace("x[8-9]", "x[7-9]"), r"R\.json: not an R document \(RFC 20\): execution\.nodelist"),
        ],
    )
    def test_a_file_that_is_no_r(self, load, tmp_path, text, problem):
        if text is not None:
            (tmp_path / "R.json").write_text(text, encoding="utf-8")
        with pytest.raises(ConfigError, match=problem):
            load("[resource]\npath = 'R.json'")

    def test_built_by_a_program(self):
        config = Config(resource=ResourceConfig.uniform(nodes=3, cores=2), queues=(QueueConfig("a", hosts="node1"),))
        assert config.machine()["execution"]["properties"] == {"+a": "1"}
        with pytest.raises(ConfigError, match=r"^\[resource\] cores: 0 is out of range; use 1 to 65536$"):
            ResourceConfig.uniform(3, cores=0)

    def test_as_large_as_a_machine_may_be(self):
        assert ResourceConfig.uniform(2**20).hosts == f"node[0-{2**20 - 1}]"
