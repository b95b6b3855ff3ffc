"""`fluxplug config check`: what it says of a file that is right. Faults are in test_errors."""

from __future__ import annotations

import pytest

from fluxplug.cli.main import main

TEXT = """
[sched]
queue-policy = "hybrid"
queue-params = {queue-depth = 9}
[resource]
nodes = 4
cores = 2
gpus = 1
properties = {big = "0"}
[policy.jobspec.defaults.system]
queue = "b"
[queues.a]
requires = ["big"]
policy.limits.duration = "90m"
[queues.b]
queue-policy = "fcfs"
"""


def test_it_says_what_would_run(tmp_path, capsys):
    path = tmp_path / "x.toml"
    path.write_text(TEXT, encoding="utf-8")
    assert main(["config", "check", str(path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"{path}: ok"
    assert lines[1].startswith("pool     rv1, of fluxplug-pool-rv1 ")
    assert lines[2].startswith(
        "queue    a: hybrid (reservation-depth = 64, max-reservation-depth = 100000), of fluxplug-policy-backfill "
    )
    assert lines[2].endswith("; queue depth 9; time limit up to 1.5h; nodes with big")
    assert lines[3].startswith("queue    b: fcfs, of fluxplug-policy-fcfs ")
    assert lines[4:6] == ["machine  4 nodes, 8 cores, 4 GPUs", "default  queue b"]
    assert lines[6].startswith("plugins  builtin, ")


def test_an_empty_file(tmp_path, capsys):
    path = tmp_path / "x.toml"
    path.write_text("", encoding="utf-8")
    assert main(["config", "check", str(path)]) == 0
    assert "machine  not said here; name it on the command line\n" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("files", "chosen"), [(["sched.toml", "conf/sched.toml"], "sched.toml"), (["conf/sched.toml"], "conf/sched.toml")]
)
def test_which_file(tmp_path, monkeypatch, capsys, files, chosen):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "conf").mkdir()
    for name in files:
        (tmp_path / name).write_text("", encoding="utf-8")
    assert main(["config", "check"]) == 0
    assert capsys.readouterr().out.startswith(f"{chosen}: ok\n")
