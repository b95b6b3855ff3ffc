"""A jobspec of the arguments of one job: resources by the rules of each command, then the options that all commands share, then plugins.

Arguments are converted already (`Parser.convert`), templates filled. Nothing is submitted here.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any, NamedTuple

from fluxplug.cli.submission.values import JobError

if TYPE_CHECKING:
    from argparse import Namespace

    from fluxplug.cli.plugin import CLIPluginRegistry
    from fluxplug.jobspec.v1 import JobspecV1

_DIVIDED = ("cores", "tasks_per_node", "tasks_per_core", "gpus_per_node")
_BY_TASK = ("ntasks", "cores_per_task", "gpus_per_task")


class Script(NamedTuple):
    """A batch script: its text, and the name of the job where no option gives one."""

    text: str
    name: str


def build(
    prog: str, args: Namespace, registry: CLIPluginRegistry, script: Script | None = None, cc: int | None = None
) -> JobspecV1:
    """The finished jobspec. `args.command` is the command with its arguments; `cc` goes into FLUX_JOB_CC.

    Raises JobError, OptionError, CLIPluginError, or another FluxplugError for values that the jobspec cannot hold.
    """
    registry.preinit(args)
    if prog == "batch":
        jobspec = _batch(args, script or Script("", ""))
    elif prog == "alloc":
        jobspec = _alloc(args)
    else:
        jobspec = _submit(prog, args)
    if args.begin_time is not None:
        args.dependency = [*(args.dependency or []), f"begin-time:{args.begin_time}"]
    jobspec.apply_options(args)
    if cc is not None:
        jobspec.setattr("environment.FLUX_JOB_CC", str(cc))
    registry.modify_jobspec(args, jobspec)
    return jobspec


def _common(prog: str, args: Namespace) -> dict[str, Any]:
    source = args.input
    if source and is_idset(source):
        if prog != "run":
            raise JobError(f"--input={source}: per-task input not supported for {prog}")
        source = None  # which tasks get the input is a matter of attaching to the job
    return {
        "environment": {},  # apply_options puts it in
        "cwd": args.cwd or os.getcwd(),  # noqa: PTH109 - no pathlib at start-up
        "input": source,
        "output": args.output,
        "error": args.error,
        "label_io": args.label_io,
        "unbuffered": args.unbuffered,
        "queue": args.queue,
        "bank": args.bank,
    }


def is_idset(text: str) -> bool:
    """Whether the value of --input is a set of tasks, and no file."""
    if not text[0].isdigit() and text[0] != "[":
        return False
    from fluxplug.values.idset import decode  # noqa: PLC0415 - few jobs have input from a file

    try:
        decode(text)
    except ValueError:
        return False
    return True


def _submit(prog: str, args: Namespace) -> JobspecV1:
    from fluxplug.jobspec.v1 import JobspecV1  # noqa: PLC0415 - not for --help

    if not args.command:
        raise JobError("job command and arguments are missing")
    common = {**_common(prog, args), "name": args.job_name}
    ntasks = args.ntasks or None  # 0 counts as not given
    if any(getattr(args, dest) is not None for dest in _DIVIDED):
        if ntasks is not None or any(getattr(args, dest) is not None for dest in _BY_TASK[1:]):
            raise JobError("Per-resource options can't be used with per-task options. (See --help for details)")
        if args.tasks_per_node is not None and args.tasks_per_core is not None:
            raise JobError("Do not specify both the number of tasks per node and per core")
        if args.gpus_per_node is not None and args.nodes is None:
            raise JobError("--gpus-per-node requires --nodes")
        kind = "node" if args.tasks_per_node is not None else "core" if args.tasks_per_core is not None else None
        return JobspecV1.per_resource(
            args.command,
            ncores=args.cores,
            nnodes=args.nodes,
            per_resource_type=kind,
            per_resource_count=args.tasks_per_node if kind == "node" else args.tasks_per_core,
            gpus_per_node=args.gpus_per_node,
            exclusive=args.exclusive or (args.nodes is not None and args.cores is None),
            **common,
        )
    exclusive = args.exclusive
    if ntasks is None:
        ntasks = args.nodes or 1
        exclusive = exclusive or args.nodes is not None
    return JobspecV1.from_command(
        args.command,
        num_tasks=ntasks,
        cores_per_task=1 if args.cores_per_task is None else args.cores_per_task,
        gpus_per_task=args.gpus_per_task,
        num_nodes=args.nodes,
        exclusive=exclusive,
        **common,
    )


def _nested(args: Namespace, *, brokers: tuple[str, ...] = ()) -> dict[str, Any]:
    """What batch and alloc ask for alike."""
    nslots, exclusive = args.nslots or None, args.exclusive
    if nslots is None:
        if args.nodes is None:
            raise JobError("Number of slots to allocate must be specified")
        nslots, exclusive = args.nodes, True
    options = list(args.broker_opts or [])
    if args.dump is not None:
        options.append(f"-Scontent.dump={args.dump}")
    return {
        "num_slots": nslots,
        "cores_per_slot": 1 if args.cores_per_slot is None else args.cores_per_slot,
        "gpus_per_slot": args.gpus_per_slot,
        "num_nodes": args.nodes,
        "broker_opts": [*options, *brokers],
        "exclusive": exclusive,
        "conf": _conf(args),
    }


def _conf(args: Namespace) -> dict[str, Any] | None:
    more = max(args.add_brokers or 0, 0)
    if more and args.nodes is None:
        raise JobError("--add-brokers may only be specified with -N, --nnodes")
    if not args.conf and not more:
        return None
    from fluxplug.jobspec.batchconfig import BatchConfig  # noqa: PLC0415 - few instances have a configuration

    conf = BatchConfig()
    for text in args.conf or ():
        conf.update(text)
    if more:
        ranks = "1" if more == 1 else f"1-{more}"
        before = conf.get("resource.exclude")
        conf.update({"resource": {"exclude": f"{before},{ranks}" if before else ranks}})
    return conf.config


def _add_brokers(args: Namespace, jobspec: JobspecV1) -> None:
    """More brokers on the first node: that many tasks more than nodes, of which the first node has all the others."""
    more = max(args.add_brokers or 0, 0)
    if more:
        jobspec.jobspec["tasks"][0]["count"] = {"total": args.nodes + more}
        options = jobspec.jobspec["attributes"]["system"]["shell"]["options"]
        options.pop("per-resource", None)
        options["taskmap"] = {"scheme": "manual", "value": f"[[0,1,{1 + more},1],[1,{args.nodes - 1},1,1]]"}


def _alloc(args: Namespace) -> JobspecV1:
    from fluxplug.jobspec.v1 import JobspecV1  # noqa: PLC0415

    nested = _nested(args, brokers=("-Sbroker.rc2_none=1",) if args.bg else ())
    jobspec = JobspecV1.from_nest_command(args.command, **nested, name=args.job_name, **_common("alloc", args))
    _add_brokers(args, jobspec)
    if args.bg:
        jobspec.setattr_shell_option("pty.capture", 1)
    elif sys.stdin is not None and sys.stdin.isatty():
        jobspec.setattr_shell_option("pty.interactive", 1)
    return jobspec


def _batch(args: Namespace, script: Script) -> JobspecV1:
    from fluxplug.jobspec.v1 import JobspecV1  # noqa: PLC0415

    common = _common("batch", args)
    if common["output"] is None:
        common["output"] = "flux-{{id}}.out"
    nested = _nested(args)
    if not script.text.startswith("#!"):
        raise JobError(f"{script.name} does not appear to start with '#!'")
    jobspec = JobspecV1.from_batch_command(
        script.text, args.job_name or script.name, args.command[1:], **nested, **common
    )
    _add_brokers(args, jobspec)
    return jobspec


def read_script(args_wrap: bool, command: list[str]) -> Script:
    """The script of `fluxplug batch`: the file that the command names, its words with --wrap, or standard input. Raises JobError."""
    if args_wrap and command:
        return Script(f"#!/bin/sh\n{' '.join(command)}\n", command[0])
    name = command[0] if command else "standard input"
    try:
        if command:
            with open(name, "rb") as file:  # noqa: PTH123
                text = file.read().decode()
        else:
            text = sys.stdin.read()
    except OSError as error:
        raise JobError(f"{error.strerror}: {name!r}") from None
    except ValueError:
        raise JobError(f"{name}: the script is not UTF-8") from None
    return Script(f"#!/bin/sh\n{text}" if args_wrap else text, name if command else "batch")
