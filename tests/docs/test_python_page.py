"""docs/python.md: its examples run in a real instance, one after the other, and names that it says are missing are missing."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

from fluxplug import Flux, job

PAGE = Path(__file__).parents[2] / "docs" / "python.md"
TEXT = PAGE.read_text(encoding="utf-8")


def test_examples_run(tmp_path):
    blocks = re.findall(r"```python\n(.*?)```", TEXT, flags=re.DOTALL)
    assert len(blocks) == 6
    program = tmp_path / "example.py"
    program.write_text("\n".join(blocks), encoding="utf-8")
    command = [sys.executable, "-m", "fluxplug", "start", "--test-size", "2", sys.executable, str(program)]
    done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert re.fullmatch(r"[ƒf]\w+ FAILED 3", lines[0])
    assert lines[1] == "hello"
    assert {line.partition(": ")[2] for line in lines if ": 0: " in line} == {f"0: {number}" for number in range(20)}
    assert "{'status': 15}" in lines
    assert "seen enough" in lines
    assert {"0 tasks failed", "cancel too slow", "2 canceled"} < set(lines)
    assert "['R', 'eventlog', 'guest', 'jobspec'] 4" in lines


def test_what_is_not_there():
    assert find_spec("fluxplug.kvs") is None
    assert not hasattr(Flux, "rpc")
    assert all(hasattr(job, name) for name in re.findall(r"from fluxplug\.job import (\w+)", TEXT))
