"""The benchmarks run; what they measure is for people to read."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def test_the_quick_ones_run_and_write_their_figures(tmp_path):
    figures = tmp_path / "figures.json"
    run = [
        sys.executable,
        str(ROOT / "bench" / "run.py"),
        "--quick",
        "--json",
        str(figures),
        "pool",
        "passes",
        "jobspec",
    ]
    done = subprocess.run(run, capture_output=True, text=True, check=False, timeout=200)
    assert done.returncode == 0, done.stderr
    results = json.loads(figures.read_text(encoding="utf-8"))
    assert set(results) == {"pool", "passes", "jobspec"}
    assert {row["policy"] for row in results["passes"]} == {"fcfs", "easy", "hybrid", "conservative"}


def test_those_of_the_graph_run_and_find_what_they_ask_for(tmp_path):
    figures = tmp_path / "figures.json"
    names = ["graph_match", "graph_query"]
    run = [sys.executable, str(ROOT / "bench" / "run.py"), "--quick", "--json", str(figures), *names]
    done = subprocess.run(run, capture_output=True, text=True, check=False, timeout=200)
    assert done.returncode == 0, done.stderr
    results = json.loads(figures.read_text(encoding="utf-8"))
    assert all(row["a_second"] > 0 and row["peak_mb"] > 0 for name in names for row in results[name]["rows"])
    assert {row["name"] for row in results["graph_match"]["rows"]} >= {"first, 1 core", "reserve 1,000 of 64"}
    assert all(len(one["times"]) == len(one["nodes"]) for one in results["graph_match"]["sameness"])


def test_that_of_the_instance_runs(tmp_path):
    figures = tmp_path / "figures.json"
    run = [sys.executable, str(ROOT / "bench" / "run.py"), "--quick", "--json", str(figures), "instance"]
    done = subprocess.run(run, capture_output=True, text=True, check=False, timeout=200)
    assert done.returncode == 0, done.stderr
    rows = json.loads(figures.read_text(encoding="utf-8"))["instance"]["rows"]
    assert len(rows) == (8 if shutil.which("cc") else 7)
    assert all(row["value"] > 0 for row in rows)
