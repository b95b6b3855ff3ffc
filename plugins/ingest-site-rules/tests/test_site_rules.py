"""Each rule by itself, and all of them in a simulation with the plugin as it is installed."""

from __future__ import annotations

import csv
import json

import pytest
from fluxplug_ingest_site_rules import SiteRules

from fluxplug.cli.main import main
from fluxplug.config import load_config
from fluxplug.errors import ConfigError, RefusedError
from fluxplug.ingest import Site
from fluxplug.testing import jobspec

CONF = """
[queues.debug]
[queues.batch]
[policy.jobspec.defaults.system]
queue = "batch"
[resource]
nodes = 8
cores = 16
"""


@pytest.fixture
def refusal(tmp_path):
    """Why a job is refused under some rules, or None."""

    def ask(rules, spec, **system):
        path = tmp_path / "sched.toml"
        path.write_text(f"{CONF}{rules}\n", encoding="utf-8")
        config = load_config(path)
        spec["attributes"]["system"].update(system)
        try:
            ask.made, _ = Site(config, config.plugins).finish(spec)
        except RefusedError as error:
            return str(error)
        return None

    return ask


RULES = "[ingest.site-rules]\n"


def test_installed_and_without_its_table_it_does_nothing(refusal):
    assert refusal("", jobspec()) is None


class TestAccounts:
    @pytest.mark.parametrize(
        ("rules", "system", "told"),
        [
            ("", {}, "no account given: say --bank=NAME"),
            ("", {"bank": ""}, "no account given: say --bank=NAME"),
            ("", {"bank": "astro"}, None),
            ("", {"project": "astro"}, "no account given: say --bank=NAME"),
            ('account = "project"', {"project": "astro"}, None),
            ('account = "project"', {}, "no account given: say --project=NAME"),
            ("account-required = false", {}, None),
            ('accounts = ["astro", "climate"]', {"bank": "astor"}, "there is no account 'astor'; there are: astro, climate"),
            ('accounts = ["astro"]\naccount-required = false', {"bank": "x"}, "there is no account 'x'; there are: astro"),
            ('accounts = ["astro"]\naccount-required = false', {}, None),
        ],
    )  # fmt: skip
    def test_required(self, refusal, rules, system, told):
        assert refusal(RULES + rules, jobspec(limit=60), **system) == told

    def test_default(self, refusal):
        assert refusal(RULES + 'default-account = "guest"', jobspec(limit=60)) is None
        assert refusal.made["attributes"]["system"]["bank"] == "guest"
        assert refusal(RULES + 'default-account = "guest"', jobspec(limit=60), bank="astro") is None
        assert refusal.made["attributes"]["system"]["bank"] == "astro"
        assert (
            refusal(RULES + 'default-account = "guest"', {**jobspec(), "version": 2, "attributes": {"system": {}}})
            is None
        )

    def test_a_default_that_there_is_not(self, refusal):
        with pytest.raises(ConfigError, match="default-account 'x' is none of accounts"):
            refusal(RULES + 'default-account = "x"\naccounts = ["astro"]', jobspec())


class TestDebugQueue:
    @pytest.mark.parametrize(
        ("rules", "spec", "told"),
        [
            ("", jobspec(limit=1800), None),
            ("", jobspec(limit=1860), "queue debug is for jobs of up to 30 minutes, not of 31"),
            ("", jobspec(), "queue debug is for jobs of up to 30 minutes, not without a limit"),
            ('debug-duration = "10m"', jobspec(limit=900), "queue debug is for jobs of up to 10 minutes, not of 15"),
            ("debug-nodes = 2", jobspec(nodes=3, limit=60), "queue debug is for jobs of up to 2 nodes, not 3"),
            ("debug-nodes = 2", jobspec(nodes=2, limit=60), None),
            ("debug-core-hours = 8", jobspec(16, limit=1800), None),
            (
                "debug-core-hours = 8",
                jobspec(nodes=2, slots=16, limit=1200),
                "queue debug is for jobs of up to 8 core hours, not 10.6667 (32 cores for 20 minutes)",
            ),
            (
                "debug-core-hours = 8",
                {**jobspec("1+", limit=60), "version": 2},
                "queue debug is for jobs of up to 8 core hours, not inf (inf cores for 1 minutes)",
            ),
            (
                "debug-nodes = 2",
                {**jobspec(nodes="1-3", limit=60), "version": 2},
                "queue debug is for jobs of up to 2 nodes, not 3",
            ),
            ('debug-queues = ["test"]', jobspec(limit=9999), None),
            ("debug-queues = []", jobspec(limit=9999), None),
        ],
    )
    def test_limits(self, refusal, rules, spec, told):
        assert refusal(RULES + rules, spec, bank="a", queue="debug") == told

    def test_other_queues_are_free(self, refusal):
        assert refusal(RULES + "debug-core-hours = 0", jobspec(nodes=8, limit=9999), bank="a") is None


def test_in_a_simulation(tmp_path, capsys):
    (tmp_path / "sched.toml").write_text(f"{CONF}{RULES}debug-core-hours = 8\n", encoding="utf-8")
    specs = [jobspec(limit=60), jobspec(limit=60, queue="debug"), jobspec(64, limit=1200, queue="debug"), jobspec(4)]
    for spec in specs[1:]:
        spec["attributes"]["system"]["bank"] = "astro"
    lines = [json.dumps({"t_submit": 0, "run_time": 9, "jobspec": spec}) for spec in specs]
    (tmp_path / "jobs.jsonl").write_text("\n".join(lines), encoding="utf-8")
    table = tmp_path / "jobs.csv"
    options = ["--config", str(tmp_path / "sched.toml"), "--columns", "outcome,queue,reason", "--schedule", str(table)]
    assert main(["simulate", str(tmp_path / "jobs.jsonl"), *options]) == 0
    rows = list(csv.reader(table.read_text(encoding="utf-8").splitlines()))[1:]
    assert [row[5:] for row in rows] == [
        ["refused", "", "no account given: say --bank=NAME"],
        ["completed", "debug", ""],
        ["refused", "", "queue debug is for jobs of up to 8 core hours, not 21.3333 (64 cores for 20 minutes)"],
        ["completed", "batch", ""],
    ]
    assert "refused: 1 job (1): no account given: say --bank=NAME\n" in capsys.readouterr().out


def test_what_users_read():
    assert SiteRules.__doc__
    assert SiteRules.name == "site-rules"
