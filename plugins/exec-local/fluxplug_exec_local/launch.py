"""Starting the tasks of a job on this host, by what its jobspec says; and what its options mean later on."""

from __future__ import annotations

import os
import socket
import sys
from base64 import b64encode
from typing import TYPE_CHECKING, Any

from fluxplug.values.idset import IDset
from fluxplug.values.jobid import id_encode
from fluxplug_exec_local import options
from fluxplug_exec_local.binding import Binding, rlimits
from fluxplug_exec_local.environment import expand, job_environment
from fluxplug_exec_local.layout import lay_out
from fluxplug_exec_local.protocol import BEGUN
from fluxplug_exec_local.redirect import STREAMS, Redirect
from fluxplug_exec_local.spawn import adjust_oom, spawn
from fluxplug_exec_local.stdin import Stdin
from fluxplug_exec_local.streams import Stream
from fluxplug_exec_local.task import Task

if TYPE_CHECKING:
    from fluxplug_exec_local.job import Job


def start(job: Job) -> None:
    """Start every task of the job on this host, or report why one could not be."""
    job.begun = True
    try:
        command = job.jobspec["tasks"][0]["command"]
        job.name = (job.system.get("job") or {}).get("name") or os.path.basename(command[0])  # noqa: PTH119
        layout = lay_out(job.nodes, job.index, job.nslots, job.jobspec, job.options)
        job.size = layout.size
        # Of several hosts' output the server says that it is too much: it gets to see it by one byte more.
        limit = options.output_limit(job.options) + (len(job.nodes) > 1)
        options.exit_timeout(job.options)
        options.warning(job.options)
        job.pty = options.pty(job.options)
        oom = options.oom_adjust(job.options)
        idle = list(options.idle(job.options)) if job.index == 0 else []
        binding = Binding(job, len(layout.mine))
        job.limits = rlimits(options.part(job.options, "rlimit"), job.agent.nofile)
    except (ValueError, KeyError, TypeError, OSError) as error:
        _begin(job, 0)
        job.start_failed(f"host {job.nodes[job.index][1]}: {_reason(error)}", 1)
        return
    _begin(job, layout.size)
    for text in idle:
        job.log(4, text)
    agent = job.agent
    job.output_left = {"stdout": limit, "stderr": limit}
    task = None
    redirect = Redirect(job, layout.mine)
    try:
        job.tmpdir = agent.workdirs.take(job.system.get("files"))
        _enter(job)
        redirect.open()
        shared = job_environment(job)
        if options.pmi_wanted(job.options):
            from fluxplug_exec_local.pmi import Pmi  # noqa: PLC0415 - not every job needs it

            job.pmi = Pmi(job, layout.blocks, len(layout.mine))
        limits = agent.limits_of(job)
        job.cgroup = agent.cgroups.enter(f"job-{agent.rank}-{id_encode(job.jobid, 'f58plain')}", limits)
        usual = None
        try:
            if oom is not None:
                usual = adjust_oom(oom)
                if usual is None:
                    job.log(4, f"shell option oom.adjust={oom} has no effect: the kernel does not allow it")
            for localid, rank in enumerate(layout.mine):
                task = Task(job, rank, localid)
                _start_task(job, task, command, shared, redirect, binding)
        finally:
            if job.cgroup:
                agent.cgroups.leave(job.cgroup, limits)
            if usual is not None:
                adjust_oom(usual)
    except (OSError, ValueError) as error:
        if task is None or isinstance(error, ValueError):
            job.start_failed(f"host {job.nodes[job.index][1]}: {_reason(error)}", 1)
            return
        name = expand(command[0], job, task.rank, task.localid)
        code = 127 if isinstance(error, FileNotFoundError) else 126
        host = job.nodes[job.index][1]
        job.start_failed(f"task {task.rank} (host {host}): start failed: {name}: {_reason(error, bare=True)}", code)
        return
    finally:
        redirect.done()
    job.running(layout.blocks)


def _begin(job: Job, size: int) -> None:
    job.marks[0] = job.report(BEGUN, size)


def _reason(error: Exception, *, bare: bool = False) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror if bare or not error.filename else f"{error.filename}: {error.strerror}"
    if isinstance(error, KeyError):
        return f"the jobspec has no {error.args[0]}"
    return str(error)


def _enter(job: Job) -> None:
    """Go to the job's folder, where relative paths begin; it is the agent's, too, until the next job."""
    cwd = job.system.get("cwd")
    try:
        os.chdir(cwd or "/")
    except OSError as error:
        host = job.nodes[job.index][1]
        job.log(3, f"host {host}: Could not change dir to {cwd}: {error.strerror}. Going to /tmp instead")
        os.chdir("/tmp")  # noqa: S108 - as Flux does


def _start_task(  # noqa: PLR0917
    job: Job,
    task: Task,
    command: list[str],
    shared: dict[str, str],
    redirect: Redirect,
    binding: Binding,
) -> None:
    agent = job.agent
    rank, localid = task.rank, task.localid
    argv = [expand(word, job, rank, localid) for word in command]
    if argv[:2] == ["flux", "broker"]:  # what batch and alloc submit: an instance within the job
        argv[:1] = [sys.executable, "-m", "fluxplug"]
    env = dict(shared)
    env["FLUX_TASK_RANK"] = str(rank)
    env["FLUX_TASK_LOCAL_ID"] = str(localid)
    binding.set_gpus(env, localid)
    for name, template in options.part(job.options, "env-expand").items():
        env[name] = expand(str(template), job, rank, localid)
    pty = job.pty if job.pty is not None and job.pty.has(rank) else None
    theirs: list[int] = []  # the task's ends of pipes: not the agent's any more, whatever comes
    ours: list[int] = []
    piped = []
    stdin = pmi = -1
    terminal = ""
    try:
        if redirect.stdin:
            fds = [redirect.open_stdin(rank, localid)]
            theirs.append(fds[0])
        elif pty is None:
            read_end, stdin = os.pipe()
            fds = [read_end]
            theirs.append(read_end)
            ours.append(stdin)
        else:
            fds = [-1]
        if pty is not None:
            from fluxplug_exec_local import terminal as terminals  # noqa: PLC0415 - few jobs have one

            shown, behind, terminal = terminals.open_terminal(pty)
            ours += (shown, behind)
            target = redirect.target("stdout", rank, localid, piped=True)
            if not redirect.stdin:
                stdin = os.dup(shown)
                ours.append(stdin)
            if pty.interactive:
                env["FLUX_TERMINUS_SESSION"] = str(localid)
        for name in STREAMS if pty is None else ():
            target = redirect.target(name, rank, localid)
            if target.file is not None and target.direct:
                fds.append(target.file.fd)
                continue
            read_end, write_end = os.pipe()
            theirs.append(write_end)
            ours.append(read_end)
            fds.append(write_end)
            piped.append((name, read_end, target))
        passed = -1
        if job.pmi is not None:
            pair = socket.socketpair()
            pmi, passed = pair[0].detach(), pair[1].detach()
            ours.append(pmi)
            theirs.append(passed)
            env["PMI_FD"] = "3"
            env["PMI_RANK"] = str(rank)
            env["PMI_SIZE"] = str(job.size)
        cores = binding.cores(localid)
        bound = None if binding.dry_run else cores
        task.pid = spawn(
            argv,
            env,
            fds,
            passed,
            terminal=terminal,
            group=None if pty is not None or not job.options.get("nosetpgrp") else job.group,
            limits=job.limits,
            cores=bound,
            umask=job.system.get("umask"),
        )
    except BaseException:
        for fd in ours:
            os.close(fd)
        raise
    finally:
        for fd in theirs:
            os.close(fd)
    agent.tasks[task.pid] = task
    job.tasks.append(task)
    job.live += 1
    task.group = task.pid
    if pty is not None:
        task.terminal = terminals.Terminal(agent, job, str(rank), shown, behind, target)
        _follow(job, task, task.terminal, hold=target.hold)
        if stdin >= 0:
            task.stdin = terminals.Typing(agent, stdin)
    else:
        if job.options.get("nosetpgrp"):
            job.group = task.group = job.group or task.pid
        if stdin >= 0:
            task.stdin = Stdin(agent, stdin)
    if job.pmi is not None:
        task.pmi = job.pmi.join(task, pmi)
    for name, fd, target in piped:
        stream = Stream(agent, job, name, str(rank), fd, lines=target.lines, file=target.file, label=target.label)
        _follow(job, task, stream, hold=target.hold)
    if binding.verbose or job.options.get("verbose"):
        where = "any core" if cores is None else f"core(s) {IDset(cores)}" + " (not bound)" * binding.dry_run
        job.log(6, f"task {rank}: pid {task.pid}, {where}: {' '.join(argv)}")


def _follow(job: Job, task: Task, stream: Stream, *, hold: bool) -> None:
    """Read what a task writes, or wait with that for the server's word."""
    if stream.file is not None:
        stream.file.acquire()
    task.streams.append(stream)
    job.open += 1
    if hold:
        job.held.append(stream)
    else:
        job.agent.watch(stream.fd, stream.ready)


def arm(job: Job) -> None:
    """Set the timers of a job's time limit."""
    agent = job.agent
    agent.at(job.expiration, job.expire, job.expiration)
    wanted = options.warning(job.options)
    if wanted is not None:
        signum, before = wanted
        agent.at(job.expiration - before, job.warn, job.expiration, signum)


def write(job: Job, ranks: str, data: bytes, *, eof: bool, log: bool) -> None:
    """Input for the tasks of these ranks (idset text or `all`); `log` where this host is the one that writes it down."""
    wanted = None if ranks == "all" else IDset(ranks)
    # Passwords are typed at terminals.
    if log and not (job.pty is not None and job.pty.interactive):
        log_input(job, ranks, data, eof=eof)
    for task in job.tasks:
        if task.stdin is not None and (wanted is None or task.rank in wanted):
            task.stdin.write(data, eof=eof)


def resize(job: Job, ranks: str, rows: int, columns: int) -> None:
    """Change the window of these ranks' terminals."""
    wanted = None if ranks == "all" else IDset(ranks)
    for task in job.tasks:
        if task.terminal is not None and (wanted is None or task.rank in wanted):
            task.terminal.resize(rows, columns)


def log_input(job: Job, ranks: str, data: bytes, *, eof: bool) -> None:
    """Write what a user has sent into the job's input log."""
    if not job.input_begun:
        job.input_begun = True
        job.entry(1, "header", {"version": 1, "encoding": {"stdin": "UTF-8"}, "count": {"stdin": 1}, "options": {}})
    context: dict[str, Any] = {"stream": "stdin", "rank": ranks}
    if data:
        try:
            context["data"] = data.decode()
        except UnicodeDecodeError:
            context["encoding"] = "base64"
            context["data"] = b64encode(data).decode()
    if eof:
        context["eof"] = True
    job.entry(1, "data", context)
