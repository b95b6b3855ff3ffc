"""Scenarios that can be checked by hand: each .toml beside this file is a configuration, jobs, events, and the expected starts.

    why      what the scenario shows, and how the starts come about
    config   a sched.toml
    job      in the order of submission: `name`, `at`, `limit` (0: none) and `run` in seconds, the rest as in fluxplug.testing.jobspec
    event    as in a file of events (docs/traces.md), but that a job is called by its name
    starts   when each job starts; who never does is not there

They run as a user would run them, with `fluxplug simulate`.
"""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
import tomli

from fluxplug.cli.main import main
from fluxplug.testing import jobspec

FILES = sorted(Path(__file__).parent.glob("*.toml"))


def submission(number, job):
    """A line of the trace: the name has become the number."""
    job = {key: value for key, value in job.items() if key != "name"}
    at, run = job.pop("at", 0), job.pop("run", job.get("limit", 0))
    return json.dumps({"id": number, "t_submit": at, "run_time": run, "jobspec": jobspec(**job)})


def starts(scenario, folder):
    """The starts by name, as the command tells."""
    numbers = {job["name"]: number for number, job in enumerate(scenario["job"], 1)}
    assert len(numbers) == len(scenario["job"]), "two jobs of one name"
    files = {name: folder / name for name in ("sched.toml", "jobs.jsonl", "events.jsonl", "out.csv")}
    files["sched.toml"].write_text(scenario["config"], encoding="utf-8")
    lines = [submission(number, job) for number, job in enumerate(scenario["job"], 1)]
    files["jobs.jsonl"].write_text("\n".join(lines), encoding="utf-8")
    events = [
        {**event, "job": numbers[event["job"]]} if "job" in event else event for event in scenario.get("event", [])
    ]
    files["events.jsonl"].write_text("\n".join(map(json.dumps, events)), encoding="utf-8")
    options = ["--config", files["sched.toml"], "--events", files["events.jsonl"], "--schedule", files["out.csv"]]
    assert main(["simulate", str(files["jobs.jsonl"]), *map(str, options)]) == 0
    with files["out.csv"].open(encoding="utf-8", newline="") as file:
        rows = {int(row["job"]): row["start"] for row in csv.DictReader(file)}
    found = {name: float(rows[number]) for name, number in numbers.items() if rows[number]}
    return {name: int(start) if start.is_integer() else start for name, start in found.items()}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_scenario(path, tmp_path, request):
    text = path.read_text(encoding="utf-8")
    scenario = tomli.loads(text)
    found = starts(scenario, tmp_path)
    if request.config.getoption("--update-golden", default=False) and found != scenario.get("starts"):
        head = text.partition("\n[starts]\n")[0].rstrip("\n")
        rows = "\n".join(f"{name} = {start}" for name, start in found.items())
        path.write_text(f"{head}\n\n[starts]\n{rows}\n", encoding="utf-8")
        return
    assert found == scenario["starts"]


def test_there_are_scenarios():
    assert len(FILES) >= 12
