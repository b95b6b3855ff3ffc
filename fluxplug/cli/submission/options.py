"""The one table of options of the submission commands: parser, `--help`, docs/submit.md and shell completion are made of it.

Not here: options of submission plugins (`fluxplug.cli.plugin`), and what a value means (`values`, `build`).
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

SUBMIT = ("submit", "run", "bulksubmit")
NESTED = ("batch", "alloc")
MANY = ("submit", "bulksubmit")
#: The commands and, for their usage line, what follows the options.
COMMANDS = {
    "submit": "COMMAND [ARGUMENT...]",
    "run": "COMMAND [ARGUMENT...]",
    "batch": "[SCRIPT [ARGUMENT...]] | --wrap COMMAND [ARGUMENT...]",
    "alloc": "[COMMAND [ARGUMENT...]]",
    "bulksubmit": "[COMMAND [ARGUMENT...]] [::: INPUT... | :::: FILE...]...",
}
DESCRIPTIONS = {
    "submit": "Submit a job, and print its id. With --cc or --bcc, one job for each of a set of ids.",
    "run": "Submit a job, wait for it, and show its output. The exit code is the job's.",
    "batch": "Submit a script that runs in an instance of its own, on the resources that it asks for. "
    "Lines of the script like `#FLUX: -N4` are options; those of the command line override them. "
    "Without SCRIPT, the script is standard input.",
    "alloc": "Start an instance on resources of its own, with a command or an interactive shell in it, and attach to it.",
    "bulksubmit": "Submit one job for each input, or for each combination of inputs. `{}` in the command and in option values stands for the "
    "input; without inputs, they are the lines of standard input.",
}

PER_TASK = "Resources by task"
PER_RESOURCE = "Resources by node or core (not together with those by task)"
SLOTS = "Resources"
JOB = "Job"
CONSTRAINTS = "When and where"
STREAMS = "Input and output"
PROCESS = "Environment of the job"
INSTANCE = "Instance"
REPLICATION = "More than one job"
WAITING = "Waiting"
INPUTS = "Inputs"
OTHER = "Other"
GROUPS = (
    PER_TASK,
    PER_RESOURCE,
    SLOTS,
    INSTANCE,
    JOB,
    CONSTRAINTS,
    STREAMS,
    PROCESS,
    INPUTS,
    REPLICATION,
    WAITING,
    OTHER,
)
PLUGINS = "Options provided by plugins"


class Option(NamedTuple):
    """A row: its `flags`, long one first; `metavar` empty for a flag; `kind` a reader of `values`, or empty for any text.

    `unit` and `default` are for people. `rewrite` makes a value of another option: `--env-remove=X` is `--env=-X`. `bare` is the value of the option
    without `=VALUE`, where that may be left out. `complete` says how shells complete values: file, folder, or words separated by blanks.
    """

    flags: tuple[str, ...]
    dest: str
    group: str
    metavar: str
    help: str
    progs: tuple[str, ...] = (*SUBMIT, *NESTED)
    kind: str = ""
    unit: str = ""
    default: str = ""
    repeat: bool = False
    rewrite: str = ""
    bare: str | None = None
    counted: bool = False
    complete: str = ""
    hidden: bool = False

    @property
    def name(self) -> str:
        """The long flag."""
        return self.flags[0]

    @property
    def text(self) -> str:
        """The help with unit and default, as `--help` and the page have it."""
        notes = [
            note
            for note in (f"in {self.unit}" if self.unit else "", f"default: {self.default}" if self.default else "")
            if note
        ]
        return self.help + (f" ({'; '.join(notes)})" if notes else "")


def _flag(
    names: str, dest: str, group: str, text: str, progs: tuple[str, ...] = (*SUBMIT, *NESTED), **more: object
) -> Option:
    return Option(tuple(names.split()), dest, group, "", text, progs, **more)  # type: ignore[arg-type]


def _value(  # noqa: PLR0917 - rows of a table
    names: str,
    dest: str,
    group: str,
    metavar: str,
    text: str,
    progs: tuple[str, ...] = (*SUBMIT, *NESTED),
    **more: object,
) -> Option:
    return Option(tuple(names.split()), dest, group, metavar, text, progs, **more)  # type: ignore[arg-type]


TABLE = (
    _value("--ntasks -n", "ntasks", PER_TASK, "N", "number of tasks", SUBMIT, kind="count", default="1, or one a node with -N"),
    _value("--cores-per-task -c", "cores_per_task", PER_TASK, "N", "cores of each task", SUBMIT, kind="positive", default="1"),
    _value("--gpus-per-task -g", "gpus_per_task", PER_TASK, "N", "GPUs of each task", SUBMIT, kind="count", default="none"),
    _value("--nodes -N", "nodes", PER_TASK, "N", "number of nodes; alone, whole nodes with a task each", SUBMIT, kind="positive"),
    _flag("--exclusive -x", "exclusive", PER_TASK, "whole nodes (with -N)", SUBMIT),
    _value("--cores", "cores", PER_RESOURCE, "N", "cores in all", SUBMIT, kind="positive"),
    _value("--tasks-per-node", "tasks_per_node", PER_RESOURCE, "N", "tasks on each node", SUBMIT, kind="positive"),
    _value("--tasks-per-core", "tasks_per_core", PER_RESOURCE, "N", "tasks on each core", SUBMIT, kind="positive"),
    _value("--gpus-per-node", "gpus_per_node", PER_RESOURCE, "N", "GPUs of each node (with -N)", SUBMIT, kind="count"),
    _value("--nslots -n", "nslots", SLOTS, "N", "number of slots; this or -N has to be given", NESTED, kind="count"),
    _value("--cores-per-slot -c", "cores_per_slot", SLOTS, "N", "cores of each slot", NESTED, kind="positive", default="1"),
    _value("--gpus-per-slot -g", "gpus_per_slot", SLOTS, "N", "GPUs of each slot", NESTED, kind="count", default="none"),
    _value("--nodes -N", "nodes", SLOTS, "N", "number of nodes; alone, whole nodes with a slot each", NESTED, kind="positive"),
    _flag("--exclusive -x", "exclusive", SLOTS, "whole nodes (with -N)", NESTED),
    _value("--add-brokers", "add_brokers", SLOTS, "N", "more brokers on the first node (with -N)", NESTED, kind="integer", hidden=True),
    _flag("--wrap", "wrap", INSTANCE, "make a script of the command, or of standard input", ("batch",)),
    _value(
        "--conf", "conf", INSTANCE, "CONF", "configuration of the instance: KEY=VALUE, a file, a name, or several lines of TOML or JSON",
        NESTED, repeat=True, complete="file",
    ),
    _value("--broker-opts --broker-opt", "broker_opts", INSTANCE, "OPT,...", "options of its brokers", NESTED, kind="words", repeat=True),
    _value(
        "--dump", "dump", INSTANCE, "FILE", "save the content of the instance at its end; without FILE, in flux-{{jobid}}-dump.tgz", NESTED,
        bare="flux-{{jobid}}-dump.tgz", complete="file",
    ),
    _flag("--bg", "bg", INSTANCE, "print the job id when the instance is up, and leave it running", ("alloc",)),
    _value("--queue -q", "queue", JOB, "NAME", "queue of the job", kind="name", default="the default queue"),
    _value("--bank -B", "bank", JOB, "NAME", "bank that the job is charged to", kind="name"),
    _value(
        "--time-limit -t", "time_limit", JOB, "TIME", "longest run time; 0 is no limit",
        unit="minutes, or with a suffix ms, s, m, h, d",
        kind="time_limit", default="that of the queue",
    ),
    _value(
        "--urgency", "urgency", JOB, "N", "0 to 31, hold (0), default (16) or expedite (31)", kind="urgency", default="16",
        complete="hold default expedite",
    ),
    _value("--job-name", "job_name", JOB, "NAME", "name of the job", kind="name", default="the name of its command"),
    _value(
        "--setopt -o", "setopt", JOB, "KEY[=VALUE]", "option of the job shell; ^KEY=FILE reads JSON from a file; without VALUE, 1", kind="key",
        repeat=True,
    ),
    _value(
        "--setattr -S", "setattr", JOB, "KEY[=VALUE]",
        "jobspec attribute, in `system` unless KEY begins with user., system. or a dot; ^KEY=FILE reads JSON; without VALUE, 1", kind="key",
        repeat=True,
    ),
    _value(
        "--add-file", "add_file", JOB, "[NAME[:PERMS]=]FILE", "carry a file with the job; text with newlines is its content", repeat=True,
        complete="file",
    ),
    _value(
        "--flags", "flags", JOB, "FLAG,...", "debug, waitable, novalidate", kind="flags", repeat=True,
        complete="debug waitable novalidate",
    ),
    _value(
        "--dependency", "dependency", CONSTRAINTS, "SCHEME:VALUE", "what the job waits for, such as afterok:JOBID", repeat=True,
        complete="after: afterany: afterok: afternotok: afterexcept: begin-time: singleton",
    ),
    _value(
        "--requires --require", "requires", CONSTRAINTS, "CONSTRAINT", "which nodes will do, such as 'gpu&-host:n1'; all of them hold",
        repeat=True,
    ),
    _value(
        "--begin-time", "begin_time", CONSTRAINTS, "+TIME|DATETIME",
        "not before: TIME from now, or at [YYYY-MM-DD ]HH:MM[:SS]",
        unit="seconds, or with a suffix ms, s, m, h, d", kind="begin_time",
    ),
    _value(
        "--taskmap", "taskmap", CONSTRAINTS, "SCHEME[:VALUE]", "which task is where: block, cyclic[:N], manual:MAP, hostfile:FILE", SUBMIT,
        default="block", complete="block cyclic manual: hostfile:",
    ),
    _value(
        "--input", "input", STREAMS, "FILE", "standard input of the job; with run also the task ids that get the input of the command", kind="path",
        complete="file",
    ),
    _value(
        "--output", "output", STREAMS, "FILE", "standard output; may have {{id}}, {{name}}, {{taskid}}; none or kvs: no file",
        kind="path",
        default="none; flux-{{id}}.out with batch", complete="file",
    ),
    _value("--error", "error", STREAMS, "FILE", "standard error, as --output", kind="path", default="with the output", complete="file"),
    _flag("--unbuffered -u", "unbuffered", STREAMS, "pass output on at once, not line by line"),
    _flag("--label-io -l", "label_io", STREAMS, "begin each line of output with its task id"),
    _value(
        "--env", "env", PROCESS, "RULE", "VAR=VALUE sets, PATTERN takes over, -PATTERN drops, ^FILE reads rules; in order", repeat=True,
        default="the whole environment",
    ),
    _value("--env-remove", "env", PROCESS, "PATTERN", "the same as --env=-PATTERN", rewrite="-"),
    _value("--env-file", "env", PROCESS, "FILE", "the same as --env=^FILE", rewrite="^", complete="file"),
    _value(
        "--rlimit", "rlimit", PROCESS, "RULE,...", "resource limits: NAME=VALUE sets, PATTERN takes over, -PATTERN drops", repeat=True,
        default="all but memlock, ofile, msgqueue, nice, rtprio, rttime, sigpending",
    ),
    _value("--cwd", "cwd", PROCESS, "FOLDER", "working directory of the job", kind="path", default="the present one", complete="folder"),
    _value(
        "--signal", "signal", PROCESS, "[SIGNAL][@TIME]", "signal to send TIME before the end",
        unit="seconds, or with a suffix ms, s, m, h, d",
        default="none; SIGUSR1 and 60s where left out", complete="SIGUSR1@60s SIGTERM@60s",
    ),
    _value(
        "--define", "define", INPUTS, "NAME=CODE", "let {.NAME} be a Python expression of the input x", ("bulksubmit",), kind="definition",
        repeat=True,
    ),
    _flag("--shuffle", "shuffle", INPUTS, "take the inputs in random order", ("bulksubmit",)),
    _value(
        "--sep", "sep", INPUTS, "TEXT", "what separates the inputs in a file; none is blanks", ("bulksubmit",), default="newline",
    ),
    _value("--cc", "cc", REPLICATION, "IDSET", "a job for each id, which {cc} and FLUX_JOB_CC stand for", MANY, kind="idset"),
    _value("--bcc", "bcc", REPLICATION, "IDSET", "the same without FLUX_JOB_CC", MANY, kind="idset"),
    _flag("--wait", "wait", WAITING, "wait for all jobs to end; the exit code is the largest", MANY),
    _value("--wait-event", "wait_event", WAITING, "NAME", "wait for an event of each job; exec.NAME is one of its tasks", SUBMIT),
    _flag("--watch", "watch", WAITING, "wait, and show the output of the jobs", MANY),
    _value("--log", "log", WAITING, "FILE", "write what the command prints to a file; may have {cc}", MANY, complete="file"),
    _value("--log-stderr", "log_stderr", WAITING, "FILE", "the same for its standard error", MANY, complete="file"),
    _flag("--progress", "progress", WAITING, "show how many jobs are done", MANY),
    _flag("--jps", "jps", WAITING, "with --progress, show jobs per second", MANY),
    _flag("--dry-run", "dry_run", OTHER, "print the jobspec as JSON, one line a job, and submit nothing"),
    _flag("--quiet", "quiet", OTHER, "do not print the job id"),
    _flag("--verbose -v", "verbose", OTHER, "say more; repeat for still more", (*SUBMIT, "alloc"), counted=True),
    _value("--uri", "uri", OTHER, "URI", "where the instance is", default="FLUXPLUG_URI"),
    _flag("--list-plugins", "list_plugins", OTHER, "print the submission plugins, where they come from, and their options"),
    _value("--help -h", "help", OTHER, "OPTION", "show this text, or what there is to say about one option", bare=""),
)  # fmt: skip


def of_prog(prog: str) -> list[Option]:
    """The rows of a command, in the order of the table."""
    return [one for one in TABLE if prog in one.progs]


@cache
def flags_of(prog: str) -> frozenset[str]:
    """All flags of a command; none for a word that is no command."""
    return frozenset(flag for one in TABLE if prog in one.progs for flag in one.flags)
