"""Each factor by itself, the fair share against the published example, and the plugin in simulations."""

from __future__ import annotations

import csv
import json
import math
import re

import pytest
from fluxplug_priority_multifactor import HIGHEST, LOWEST, Multifactor
from fluxplug_priority_multifactor.usage import Ledger
from hypothesis import given, settings
from hypothesis import strategies as st

from fluxplug.cli.main import main
from fluxplug.config import load_config
from fluxplug.engine.job import Job
from fluxplug.errors import ConfigError, DocumentError
from fluxplug.priority import PrioritySite
from fluxplug.testing import FlatPool, jobspec

SITE = PrioritySite(cores=64, nodes=4, queues=("debug", "batch"))
WEEK = 604_800.0


class Held:
    """What a running job holds."""

    def __init__(self, cores):
        self.cores = cores

    def count(self, name):
        return self.cores if name == "core" else 0


def job(jobid=1, cores=1, *, submitted=0.0, queue="batch", urgency=16, userid=7, **system):
    spec = jobspec(cores, queue=queue)
    spec["attributes"]["system"].update(system)
    made = Job(jobid, FlatPool(64).parse_resource_request(spec), queue, submitted, jobid, urgency, userid)
    made.jobspec = spec
    made.R = Held(cores)
    return made


def plugin(**keys):
    return Multifactor(Multifactor.Config(**keys), SITE)


class TestFactors:
    def test_their_weighted_sum_is_the_priority(self):
        made = plugin(weight_size=640, queue_factors={"batch": 0.5})
        asked = job(cores=32, urgency=15)
        assert made.factors(asked, WEEK / 2) == {
            "age": 0.5,
            "size": 0.5,
            "queue": 0.5,
            "urgency": 0.5,
            "fairshare": 1.0,
        }
        assert made.priority(asked, WEEK / 2) == 500 + 320 + 5000 + 15000 + 10000

    @pytest.mark.parametrize(("now", "age"), [(-5.0, 0.0), (0.0, 0.0), (WEEK / 4, 0.25), (WEEK, 1.0), (9 * WEEK, 1.0)])
    def test_age(self, now, age):
        assert plugin().factors(job(), now)["age"] == age

    def test_small_jobs_may_be_favored(self):
        assert plugin(favor="small").factors(job(cores=16), 0)["size"] == 0.75
        assert Multifactor().factors(job(cores=16), 0)["size"] == 0.0, "a machine of unknown size"

    def test_queues_that_are_not_named_have_none(self):
        made = plugin(queue_factors={"debug": 1})
        assert [made.factors(job(queue=queue), 0)["queue"] for queue in ("debug", "batch")] == [1.0, 0.0]

    def test_a_virtual_queue_counts_by_itself(self):
        asked = job(queue="debug")
        asked.queue = "batch"
        assert plugin(queue_factors={"debug": 1}).factors(asked, 0)["queue"] == 1.0

    def test_priorities_keep_off_those_of_held_and_expedited_jobs(self):
        nothing = dict.fromkeys(("weight_age", "weight_queue", "weight_urgency", "weight_fairshare"), 0)
        assert plugin(**nothing).priority(job(), WEEK) == LOWEST
        much = dict.fromkeys(("weight_age", "weight_size", "weight_urgency", "weight_fairshare", "weight_queue"), 10**9)
        assert plugin(**much, queue_factors={"batch": 1}).priority(job(cores=64, urgency=30), WEEK) == HIGHEST

    def test_a_job_of_which_nothing_is_known(self):
        asked = job()
        asked.jobspec = None
        assert plugin(queue_factors={"batch": 1}).factors(asked, 0)["queue"] == 1.0
        asked.jobspec = {"attributes": {"system": {"bank": 3, "queue": ["x"]}}}
        assert plugin().factors(asked, 0)["queue"] == 0.0


class TestFairShare:
    def test_the_published_example(self):
        """Two tiers of the example in Slurm's documentation of the classic fair share: accounts E and F, a user each."""
        ledger = Ledger(math.inf, {"B": 30.0, "C": 10.0, "E": 25.0, "F": 35.0, "rest": 0.0})
        for jobid, (bank, user, cores) in enumerate([("B", 1, 20), ("C", 2, 25), ("E", 4, 25), ("C", 3, 0)]):
            ledger.start(jobid, bank, user, cores, 0.0)
        ledger.start(9, "rest", 9, 30, 0.0)
        assert ledger.share("C", 2) == (pytest.approx(0.05), 0.5)
        assert ledger.fairshare("E", 4, 10.0) == pytest.approx(0.5)
        assert ledger.fairshare("F", 5, 10.0) == 1.0
        assert ledger.fairshare("C", 2, 10.0) == pytest.approx(2 ** -(0.25 / 0.05))
        assert ledger.fairshare("C", 3, 10.0) == pytest.approx(2 ** -(0.125 / 0.05)), (
            "who pays for the rest of the bank"
        )

    def test_usage_halves(self):
        ledger = Ledger(100.0)
        ledger.start(1, "a", 1, 4, 0.0)
        ledger.end(1, 10.0)
        used = ledger.total.at(10.0, 100.0)
        assert used == pytest.approx(40.0, rel=0.05)
        assert ledger.total.at(110.0, 100.0) == pytest.approx(used / 2)
        assert ledger.total.at(310.0, 100.0) == pytest.approx(used / 8)

    def test_a_running_job_counts_as_it_runs(self):
        made = plugin(half_life=3600.0)
        made.started(job(1, 8, userid=1), 0.0)
        made.started(job(2, 1, userid=2), 0.0)
        before, after = (made.factors(job(3, userid=1), now)["fairshare"] for now in (0.0, 60.0))
        assert (before, after) == (1.0, pytest.approx(2 ** -((8 / 9 + 1 / 9 / 2) * 2)))

    def test_shares(self):
        made = plugin(bank_shares={"astro": 3}, user_shares={"1": 2})
        made.started(job(1, 4, bank="astro", userid=1), 0.0)
        made.started(job(2, 4, bank="climate", userid=2), 0.0)
        astro, climate = (
            made.factors(job(3, bank=bank, userid=user), 60.0)["fairshare"]
            for bank, user in (("astro", 1), ("climate", 2))
        )
        assert astro == pytest.approx(2 ** -(0.5 / 0.75))
        assert climate == pytest.approx(2 ** -(0.5 / 0.25))

    def test_starts_and_ends_that_are_told_again(self):
        made = plugin()
        asked = job(1, 4)
        made.started(asked, 0.0)
        made.started(asked, 5.0)
        made.ended(asked, 10.0)
        once = made.state()
        made.ended(asked, 12.0)
        assert made.state() == once
        assert made.ledger.total.cores == 0

    @pytest.mark.parametrize(
        "document",
        [
            {},
            {"version": 2},
            {"version": 1},
            {"version": 1, "total": [0, 0], "banks": [], "users": [], "running": []},
            {"version": 1, "total": [0, 0, 0], "banks": [["a", "x", 0, 0]], "users": [], "running": []},
            {"version": 1, "total": [0, math.nan, 0], "banks": [], "users": [], "running": []},
            {"version": 1, "total": [0, 0, 0], "banks": [], "users": [], "running": [[1, "a", 2]]},
            {"version": 1, "total": [0, 0, 0], "banks": 3, "users": [], "running": []},
        ],
    )
    def test_a_state_that_is_none_changes_nothing(self, document):
        made = plugin()
        made.started(job(1, 4), 0.0)
        before = made.state()
        with pytest.raises(DocumentError, match="state of priorities"):
            made.restore(document)
        assert made.state() == before


BANKS = st.sampled_from(["", "astro", "climate"])
STEPS = st.lists(
    st.tuples(st.integers(0, 5), st.integers(1, 3), BANKS, st.integers(1, 16), st.floats(0, 1e6)), max_size=12
)


def told(made, steps, now=0.0):
    """Starts and ends: a job that runs ends, another one starts; the instant of the last."""
    for jobid, userid, bank, cores, wait in steps:
        now += wait
        asked = job(jobid, cores, userid=userid, bank=bank)
        (made.ended if jobid in made.ledger.running else made.started)(asked, now)
    return now


class TestProperties:
    @settings(max_examples=60, deadline=None)
    @given(STEPS, STEPS, st.sampled_from([60.0, WEEK, math.inf]))
    def test_a_restored_state_gives_the_same_priorities(self, before, after, half_life):
        one, two = (plugin(half_life=half_life, bank_shares={"astro": 2.5}) for _ in range(2))
        now = told(one, before)
        two.restore(json.loads(json.dumps(one.state())))
        assert told(one, after, now) == told(two, after, now)
        now += sum(step[-1] for step in after) + 17.0
        for bank in ("", "astro", "new"):
            for userid in range(4):
                asked = job(9, userid=userid, bank=bank)
                assert one.priority(asked, now) == two.priority(asked, now)
                assert one.factors(asked, now) == two.factors(asked, now)
        assert one.state() == two.state()

    @settings(max_examples=60, deadline=None)
    @given(STEPS, st.floats(0, 1e7), st.floats(0, 1e7))
    def test_factors_are_parts_of_one_and_older_jobs_have_no_less(self, steps, first, second):
        made = plugin(weight_size=1000)
        now = told(made, steps) + 1.0
        older, newer = (made.factors(job(submitted=now - age), now) for age in (max(first, second), min(first, second)))
        assert older["age"] >= newer["age"]
        assert all(0 <= factor <= 1 for factor in (*older.values(), *newer.values()))
        assert LOWEST <= made.priority(job(), now) <= HIGHEST

    @settings(max_examples=60, deadline=None)
    @given(STEPS, BANKS, st.integers(1, 3), st.integers(1, 64), st.floats(1, 1e6))
    def test_who_uses_more_has_no_more(self, steps, bank, userid, cores, seconds):
        one, two = plugin(), plugin()
        now = told(one, steps)
        told(two, steps)
        two.started(job(99, cores, userid=userid, bank=bank), now)
        two.ended(job(99, cores, userid=userid, bank=bank), now + seconds)
        one.ledger.enrol(bank, userid)  # so that the shares are the same
        asked = job(98, userid=userid, bank=bank)
        fair, less = (made.factors(asked, now + seconds)["fairshare"] for made in (one, two))
        assert less <= fair + 1e-9

    @settings(max_examples=60, deadline=None)
    @given(STEPS)
    def test_accounts_add_up(self, steps):
        made = plugin()
        now, ledger = told(made, steps), made.ledger
        users = [account for users in ledger.users.values() for account in users.values()]
        for accounts in (list(ledger.banks.values()), users):
            assert sum(account.cores for account in accounts) == ledger.total.cores
            total = sum(account.at(now, WEEK) for account in accounts)
            assert total == pytest.approx(ledger.total.at(now, WEEK))


class TestKeys:
    @pytest.mark.parametrize(
        ("text", "told"),
        [
            ("half-life = 0", "half-life: 0.0 is out of range"),
            ("weight-age = -1", "weight-age: -1 is out of range"),
            ("queue-factors = {a = 2}", "queue-factors.a: expected a number from 0 to 1, got 2"),
            ("bank-shares = {a = 0}", "bank-shares.a: expected a number from 0.001 to 1e"),
            ("user-shares = {a = true}", "user-shares.a: expected a number"),
            ("favour = 1", "favour: unknown key; did you mean 'favor'"),
        ],
    )
    def test_faults(self, tmp_path, text, told):
        path = tmp_path / "sched.toml"
        path.write_text(f"[sched]\npriority = 'multifactor'\n[priority.multifactor]\n{text}\n", encoding="utf-8")
        with pytest.raises(ConfigError) as caught:
            load_config(path)
        assert str(caught.value).startswith(f"{path}:")
        assert re.search(rf"\[priority\.multifactor\]:? {re.escape(told)}", str(caught.value))

    def test_queues_and_users_that_there_are_not(self):
        with pytest.raises(ConfigError, match="queue-factors: no queue is named 'debgu'; queues: debug, batch"):
            plugin(queue_factors={"debgu": 1})
        with pytest.raises(ConfigError, match="this machine knows no user 'no such user'; write the user's number"):
            plugin(user_shares={"no such user": 1})
        assert plugin(user_shares={"root": 3}).ledger.user_shares == {0: 3.0}

    def test_no_interval(self):
        assert plugin(interval=math.inf).interval is None
        assert plugin(interval=60.0).interval == 60.0


CONF = """
[sched]
priority = "multifactor"
[resource]
nodes = 1
cores = 4
[priority.multifactor]
interval = "1m"
"""


@pytest.fixture
def simulated(tmp_path, capsys):
    """The start of each job of a trace of jobspecs, under some keys; rows are (submit, run, user, cores, more)."""

    def simulate(keys, rows, text=CONF):
        (tmp_path / "sched.toml").write_text(text + keys, encoding="utf-8")
        lines = []
        for submit, run, user, cores, more in rows:
            spec = jobspec(cores, limit=run)
            spec["attributes"]["system"].update(more)
            lines.append(json.dumps({"t_submit": submit, "run_time": run, "userid": user, "jobspec": spec}))
        (tmp_path / "jobs.jsonl").write_text("\n".join(lines), encoding="utf-8")
        table = tmp_path / "jobs.csv"
        options = ["--config", str(tmp_path / "sched.toml"), "--schedule", str(table), "--policy", "fcfs"]
        assert main(["simulate", str(tmp_path / "jobs.jsonl"), *options]) == 0
        capsys.readouterr()
        return [float(row["start"]) for row in csv.DictReader(table.read_text(encoding="utf-8").splitlines())]

    return simulate


class TestInSimulations:
    def test_who_has_used_less_goes_first(self, simulated):
        rows = [(0, 100, 1, 4, {}), (1, 100, 1, 4, {}), (2, 100, 2, 4, {}), (3, 100, 1, 4, {})]
        assert simulated("", rows) == [0, 200, 100, 300], "user 2 before the older job of user 1"
        assert simulated("weight-fairshare = 0", rows) == [0, 100, 200, 300]

    def test_priorities_change_while_jobs_wait(self, simulated):
        """User 2 came first and uses the machine while the jobs of both wait; only a second look sees that."""
        rows = [(0, 1000, 2, 4, {}), (0, 100, 2, 4, {}), (0, 100, 1, 4, {})]
        assert simulated("", rows) == [0, 1100, 1000]
        assert simulated("", rows, CONF.replace('"1m"', '"inf"')) == [0, 1000, 1100]

    def test_banks(self, simulated):
        rows = [(0, 100, 1, 4, {"bank": "a"}), (1, 100, 2, 4, {"bank": "a"}), (2, 100, 3, 4, {"bank": "b"})]
        assert simulated("", rows) == [0, 200, 100]

    def test_virtual_queues(self, simulated):
        queues = "queue-factors = {fast = 1}\n[queues.batch]\n[queues.fast]\nparent = 'batch'\n"
        rows = [(0, 100, 1, 4, {"queue": "batch"}), (1, 9, 1, 4, {"queue": "batch"}), (2, 9, 1, 4, {"queue": "fast"})]
        assert simulated(queues, rows) == [0, 109, 100]

    def test_jobs_that_never_start_do_not_keep_it_going(self, simulated, tmp_path, capsys):
        (tmp_path / "events.jsonl").write_text('{"time": 1, "event": "down", "ranks": "0"}\n', encoding="utf-8")
        (tmp_path / "sched.toml").write_text(CONF, encoding="utf-8")
        lines = [json.dumps({"t_submit": t, "run_time": 9, "jobspec": jobspec(limit=9)}) for t in (2, 1000)]
        (tmp_path / "jobs.jsonl").write_text("\n".join(lines), encoding="utf-8")
        names = [str(tmp_path / name) for name in ("jobs.jsonl", "sched.toml", "events.jsonl")]
        assert main(["simulate", names[0], "--config", names[1], "--events", names[2]]) == 0

    def test_a_priority_that_an_event_gave_stays(self, tmp_path, capsys):
        event = {"time": 10, "event": "priority", "job": 2, "priority": 1}
        (tmp_path / "events.jsonl").write_text(json.dumps(event), encoding="utf-8")
        (tmp_path / "sched.toml").write_text(CONF, encoding="utf-8")
        lines = [{"t_submit": t, "run_time": 100, "jobspec": jobspec(4, limit=100)} for t in (0, 1, 2)]
        (tmp_path / "jobs.jsonl").write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
        names = [str(tmp_path / name) for name in ("jobs.jsonl", "sched.toml", "events.jsonl", "jobs.csv")]
        command = ["simulate", names[0], "--config", names[1], "--events", names[2], "--schedule", names[3]]
        assert main(command) == 0
        rows = csv.DictReader((tmp_path / "jobs.csv").read_text(encoding="utf-8").splitlines())
        assert [float(row["start"]) for row in rows] == [0, 200, 100]

    def test_explain_sees_the_same(self, tmp_path, capsys):
        (tmp_path / "sched.toml").write_text(CONF, encoding="utf-8")
        rows = [(0, 1000, 2), (0, 100, 2), (0, 100, 1)]
        lines = [{"t_submit": t, "run_time": r, "userid": u, "jobspec": jobspec(4, limit=r)} for t, r, u in rows]
        (tmp_path / "jobs.jsonl").write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
        assert (
            main(
                [
                    "explain",
                    str(tmp_path / "jobs.jsonl"),
                    "--config",
                    str(tmp_path / "sched.toml"),
                    "--at",
                    "500",
                    "--job",
                    "2",
                ]
            )
            == 0
        )
        shown = capsys.readouterr().out
        assert "in the simulation it starts at: 1100" in shown

    def test_users_of_a_log(self, tmp_path, capsys):
        (tmp_path / "sched.toml").write_text(CONF, encoding="utf-8")
        lines = [
            f"{number} {submit} -1 100 4 -1 -1 4 100 -1 1 {user} 1 1 1 -1 -1 -1"
            for number, submit, user in ((1, 0, 1), (2, 1, 1), (3, 2, 2))
        ]
        (tmp_path / "log.swf").write_text("\n".join(lines) + "\n", encoding="utf-8")
        table = tmp_path / "jobs.csv"
        names = [str(tmp_path / name) for name in ("log.swf", "sched.toml")]
        assert main(["simulate", names[0], "--config", names[1], "--schedule", str(table)]) == 0
        starts = [float(row["start"]) for row in csv.DictReader(table.read_text(encoding="utf-8").splitlines())]
        assert starts == [0, 200, 100]
