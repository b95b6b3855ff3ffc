"""Recorded command lines, made with the Python API: what `submit`, `run`, `alloc` and `batch` come to once their options are read.

The reading here is as plain as can be; that of the commands themselves is tested with them.
"""

from __future__ import annotations

import argparse
import contextlib

import pytest

from fluxplug.errors import FluxplugError
from fluxplug.job import JobspecV1

# What a command line says that no factory hears of: the first word of the arguments that shows it -> why.
COMMAND_LINE_ONLY = {
    "--cc=0-1": "several jobs",
    "--input=0-1": "input by tasks",
    "--bogus": "usage",
    "-nx": "usage",
    "--dump=d.tgz": "an option of the broker",
    "--add-brokers=1": "an option of the broker",
    "/nonexistent": "a file that is not there",
    "b2.sh": "directives",
    "--tasks-per-node=0": "a range of alloc, batch and submit's own",
}
GROUPS = {"ntasks", "cores_per_task", "gpus_per_task"}
EXTRAS = ("cwd", "name", "queue", "bank", "input", "output", "error", "label_io", "unbuffered")


def parser():
    made = argparse.ArgumentParser(allow_abbrev=False, exit_on_error=False)
    add = made.add_argument
    for flags in ("-n --ntasks --nslots", "-c --cores-per-task", "-g --gpus-per-task", "-N --nodes", "--cores"):
        add(*flags.split(), type=int)
    for flag in ("--tasks-per-node", "--tasks-per-core", "--gpus-per-node"):
        add(flag, type=int)
    for flags in (
        "-q --queue",
        "-B --bank",
        "--job-name",
        "--cwd",
        "--input",
        "--output",
        "--error",
        "-t --time-limit",
    ):
        add(*flags.split())
    for flags in ("-o --setopt", "-S --setattr", "--dependency", "--requires", "--env", "--rlimit", "--add-file"):
        add(*flags.split(), action="append")
    for flag in ("--signal", "--taskmap", "--urgency", "--flags", "--resources-shape", "--conf", "--broker-opts"):
        add(flag)
    for flags in ("-x --exclusive", "-l --label-io", "-u --unbuffered", "--bg", "--wrap"):
        add(*flags.split(), action="store_true")
    add("words", nargs=argparse.REMAINDER)
    return made


def made_by_api(cmd, arguments, scripts):
    args = parser().parse_args(["--env=-*", "--rlimit=-*", "--cwd=/w", *arguments])
    args.name = args.job_name
    extras = {name: getattr(args, name) for name in EXTRAS}
    words = args.words[1:] if args.words[:1] == ["--"] else args.words
    if args.time_limit is not None:
        with contextlib.suppress(ValueError):  # it has a unit
            args.time_limit = 60 * float(args.time_limit)
    per_task = {"cores_per_task": args.cores_per_task or 1, "gpus_per_task": args.gpus_per_task}
    count, exclusive = args.ntasks or None, args.exclusive
    if cmd in ("submit", "run"):
        kind = next(((t, n) for t in ("node", "core") if (n := getattr(args, f"tasks_per_{t}"))), (None, None))
        if kind[0] or args.cores or args.gpus_per_node:
            if args.tasks_per_node and args.tasks_per_core:
                raise ValueError("not both")
            if any(getattr(args, name) for name in GROUPS):
                raise ValueError("one or the other")
            whole = exclusive or not args.cores
            sizes = (args.cores, args.nodes, *kind, args.gpus_per_node, whole and args.nodes is not None)
            jobspec = JobspecV1.per_resource(words, *sizes, environment={}, **extras)
        else:
            if args.nodes and count is None:
                count, exclusive = args.nodes, True
            jobspec = JobspecV1.from_command(
                words, count or 1, num_nodes=args.nodes, exclusive=exclusive, **per_task, environment={}, **extras
            )
        return jobspec.apply_options(args, prog=cmd)
    options = {"env": args.env, "rlimit": args.rlimit, "time_limit": args.time_limit}
    options |= {"cores_per_slot": per_task["cores_per_task"], "gpus_per_slot": per_task["gpus_per_task"]}
    options |= {"nslots": count, "nodes": args.nodes, "exclusive": exclusive, "conf": args.conf, **extras}
    if cmd == "alloc":
        opts = args.broker_opts.split(",") if args.broker_opts else []
        jobspec = JobspecV1.from_alloc(broker_opts=opts, bg=args.bg, **options)
    else:
        if count is None and args.nodes is None:
            raise ValueError("slots are wanted")
        content = " ".join(words) + "\n" if args.wrap else scripts[words[0]]
        options["name"] = args.name or words[0]
        jobspec = JobspecV1.from_batch(content=content, wrap=args.wrap, **options)
    jobspec.tasks[0]["command"] += words if cmd == "alloc" else words[1:]
    return jobspec


def test_recorded_commands(vectors):
    recorded = vectors("cli_jobspec")
    passed, unheard = 0, set()
    for row in recorded["rows"]:
        only = [word for word in row["args"] if word in COMMAND_LINE_ONLY]
        if only:
            unheard.update(only)
        elif row["exit"]:
            with pytest.raises((FluxplugError, ValueError)):
                made_by_api(row["cmd"], row["args"], recorded["scripts"])
        else:
            assert made_by_api(row["cmd"], row["args"], recorded["scripts"]).jobspec == row["jobspec"], row["args"]
            passed += 1
    assert unheard == set(COMMAND_LINE_ONLY)
    assert passed > 40
