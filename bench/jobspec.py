"""Making and checking jobspecs: microseconds of processor time, the best of many rounds.

The input: the command `hostname`, and an environment of 60 variables of 60 characters. `start` is a fresh interpreter that makes such
a jobspec, next to one that does nothing, in milliseconds.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import timeit
from time import process_time
from typing import Any

from fluxplug.clock import stopwatch
from fluxplug.job import JobspecV1, validate_jobspec
from fluxplug.jobspec.validate import check_v1

VARIABLES = {f"BENCH_VARIABLE_{i:02}": f"/usr/share/value/{i:02}:" * 3 for i in range(60)}
OPTIONS = {
    "time_limit": "2h",
    "signal": "USR1@30s",
    "dependency": ["afterok:f1234abcd"],
    "shell_options": {"verbose": 1},
    "attributes": {"system.queue": "gpu"},
}
# case -> the aim in microseconds, None where there is none.
AIMS = {
    "from_command, environment given": None,
    "from_command, this process's environment": None,
    "from_command and apply_options, full environment": 150,
    "... reading the environment twice, not once": 150,
    "... and limits, signal, dependency, queue": None,
    "check a jobspec": 30,
    "text of a jobspec to an object": None,
    "json.loads of that text": None,
}
START = "from fluxplug.job import JobspecV1; JobspecV1.from_command(['hostname']).apply_options(env=[], rlimit=[])"


def microseconds(call: Any, rounds: int) -> float:
    number = 200
    return 1e6 * min(timeit.repeat(call, number=number, repeat=rounds, timer=process_time)) / number


def start_ms(code: str, rounds: int) -> float:
    best = float("inf")
    for _ in range(rounds):
        begin = stopwatch()
        subprocess.run([sys.executable, "-c", code], check=True)
        best = min(best, stopwatch() - begin)
    return 1000 * best


def measure(*, quick: bool = False) -> dict[str, Any]:
    rounds = 3 if quick else 40
    before = dict(os.environ)
    os.environ.clear()
    os.environ.update(VARIABLES)
    try:
        copied = dict(os.environ)
        made = JobspecV1.from_command(["hostname"])
        doc, text = made.jobspec, made.dumps()
        calls = {
            "from_command, environment given": lambda: JobspecV1.from_command(["hostname"], environment=copied),
            "from_command, this process's environment": lambda: JobspecV1.from_command(["hostname"]),
            "from_command and apply_options, full environment": lambda: JobspecV1.from_command(
                ["hostname"], environment=copied
            ).apply_options(env=[]),
            "... reading the environment twice, not once": lambda: JobspecV1.from_command(["hostname"]).apply_options(
                env=[]
            ),
            "... and limits, signal, dependency, queue": lambda: JobspecV1.from_command(["hostname"]).apply_options(
                env=[], rlimit=[], **OPTIONS
            ),
            "check a jobspec": lambda: check_v1(doc),
            "text of a jobspec to an object": lambda: validate_jobspec(text),
            "json.loads of that text": lambda: json.loads(text),
        }
        found = {name: round(microseconds(call, rounds), 1) for name, call in calls.items()}
    finally:
        os.environ.clear()
        os.environ.update(before)
    starts = 2 if quick else 10
    return {
        "us": found,
        "start_ms": {"fluxplug": round(start_ms(START, starts), 1), "python": round(start_ms("pass", starts), 1)},
    }


def show(results: dict[str, Any]) -> None:
    print(f"{'':52}{'us':>8}{'aim':>8}")
    for name, value in results["us"].items():
        print(f"{name:52}{value:>8}{AIMS[name] or '-':>8}")
    starts = results["start_ms"]
    print(f"start: {starts['fluxplug']} ms, of which the interpreter {starts['python']} ms")
