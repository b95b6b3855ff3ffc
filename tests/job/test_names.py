"""The names and signatures of Flux's Python API (python-api.md, sections 1 and 2), under ours."""

from __future__ import annotations

import inspect
import subprocess
import sys
from importlib import import_module

import pytest

from fluxplug import constants
from fluxplug.engine.states import State

# Section 1: module -> names. Those that need a running instance come with it.
MODULES = {
    "job": "Jobspec JobspecV1 validate_jobspec BatchConfig JobID id_parse id_encode EventLogEvent JobInfo JobInfoFormat "
    "job_fields_to_attrs submit submit_async submit_get_id kill kill_async cancel cancel_async job_raise job_raise_async "
    "wait wait_async wait_get_status result result_async event_watch event_watch_async event_wait JobEventWatchFuture "
    "JobException MAIN_EVENTS job_list job_list_inactive job_list_id JobList get_job job_info_lookup job_kvs_lookup job_kvs job_kvs_guest "
    "JobKVSLookup FluxExecutor FluxExecutorFuture timeleft job_output output_event_watch output_event_watch_async output_watch output_watch_async "
    "output_watch_lines output_watch_lines_async JobWatcher JournalConsumer",
    "job.directives": "DirectiveParser",
    "job.stats": "JobStats",
    "constraint.parser": "ConstraintParser ConstraintSyntaxError",
    "shape.parser": "ShapeParser ShapeSyntaxError",
    "queue": "QueueList",
    "resource": "ResourceSet Rv1Set Rv1Pool ResourcePool ResourceCount InsufficientResources InfeasibleRequest "
    "resource_list SchedResourceList resource_status ResourceStatus ResourceJournalConsumer",
}
# What only ours has, or is needed for the types of what others return.
OURS = {
    "job": "submit_bulk set_urgency update memo JournalEvent SENTINEL_EVENT SubmitFuture JobWaitFuture JobWaitResult "
    "JobResultFuture JobOutput"
}

# Section 2: name -> signature.
EXTRAS = """duration=None, environment=None, env_expand=None, cwd=None, rlimits=None, name=None, input=None, output=None,
    error=None, label_io=False, unbuffered=False, queue=None, bank=None"""
JOB = """name=None, queue=None, bank=None, cwd=None, output=None, error=None, input=None, label_io=False, unbuffered=False,
    **kwargs"""
SIGNATURES = {
    "Jobspec": "resources, tasks, attributes, version",
    "Jobspec.from_yaml_stream": "f",
    "Jobspec.from_yaml_file": "path",
    "Jobspec.getattr": "self, key",
    "Jobspec.setattr": "self, key, val",
    "Jobspec.setattr_shell_option": "self, key, val",
    "Jobspec.add_file": "self, path, data, perms=None, encoding=None",
    "Jobspec.dumps": "self, **json_kw",
    "Jobspec.__iter__": "self",
    "Jobspec.resource_walk": "self",
    "Jobspec.resource_counts": "self",
    "validate_jobspec": "jobspec, require_version=None",
    "JobspecV1": "resources, tasks, attributes, version=1",
    "JobspecV1.from_command": f"command, num_tasks=1, cores_per_task=1, gpus_per_task=None, num_nodes=None, "
    f"exclusive=False, {EXTRAS}",
    "JobspecV1.per_resource": "command, ncores=None, nnodes=None, per_resource_type=None, per_resource_count=None, "
    "gpus_per_node=None, exclusive=False, **kwargs",
    "JobspecV1.from_nest_command": "command, num_slots=1, cores_per_slot=1, gpus_per_slot=None, num_nodes=None, "
    "broker_opts=None, exclusive=False, conf=None, **kwargs",
    "JobspecV1.from_batch_command": "script, jobname, args=None, num_slots=1, cores_per_slot=1, gpus_per_slot=None, "
    "num_nodes=None, broker_opts=None, exclusive=False, conf=None, **kwargs",
    "JobspecV1.from_submit": f"command, *, ntasks=1, nodes=None, cores_per_task=1, gpus_per_task=None, "
    f"exclusive=False, {JOB}",
    "JobspecV1.from_alloc": f"*, nslots=None, nodes=None, cores_per_slot=1, gpus_per_slot=None, exclusive=False, "
    f"broker_opts=None, conf=None, bg=False, {JOB}",
    "JobspecV1.from_batch": f"script=None, *, content=None, nslots=None, nodes=None, cores_per_slot=1, "
    f"gpus_per_slot=None, exclusive=False, broker_opts=None, conf=None, wrap=False, {JOB}",
    "JobspecV1.apply_options": "self, args=None, *, prog=None, _preinit=True, env=None, rlimit=None, signal=None, "
    "taskmap=None, dependency=None, requires=None, shell_options=None, time_limit=None, attributes=None, "
    "add_file=None, **kwargs",
    "BatchConfig": "",
    "BatchConfig.update": "self, value",
    "BatchConfig.get": "self, key, default=None",
}
CLASS_METHODS = {"from_yaml_stream", "from_yaml_file", "per_resource", "from_command", "from_nest_command"} | {
    "from_batch_command",
    "from_submit",
    "from_alloc",
    "from_batch",
}
# name -> whether it can be set.
PROPERTIES = {
    **dict.fromkeys(("resources", "tasks", "attributes", "version"), False),
    **dict.fromkeys(("duration", "queue", "cwd", "environment", "unbuffered"), True),
    **dict.fromkeys(("input", "stdin", "output", "stdout", "error", "stderr"), True),
}
VALUES = {
    "JOB_STATE": "NEW 1 DEPEND 2 PRIORITY 4 SCHED 8 RUN 16 CLEANUP 32 INACTIVE 64 PENDING 14 RUNNING 48 ACTIVE 62",
    "JOB_RESULT": "COMPLETED 1 FAILED 2 CANCELED 4 TIMEOUT 8",
    "JOB_URGENCY": "MIN 0 HOLD 0 DEFAULT 16 EXPEDITE 31 MAX 31",
    "JOB": "PRE_SIGNED 1 DEBUG 2 WAITABLE 4 NOVALIDATE 8 PRIORITY_MIN 0 PRIORITY_MAX 4294967295 "
    "LOOKUP_JSON_DECODE 1 LOOKUP_CURRENT 2",
    "JOBID": "ANY 18446744073709551615",
    "NODEID": "ANY 4294967295 UPSTREAM 4294967294",
    "USERID": "UNKNOWN 4294967295",
    "RPC": "NORESPONSE 1 STREAMING 2",
    "MSGTYPE": "REQUEST 1 RESPONSE 2 EVENT 4 CONTROL 8 ANY 15",
    "ROLE": "OWNER 1 USER 2 LOCAL 4 ADMIN 8 ALL 4294967295",
    "KVS": "READDIR 1 READLINK 2 WATCH 4 WAITCREATE 8 TREEOBJ 16 APPEND 32 WATCH_FULL 64 WATCH_UNIQ 128 "
    "WATCH_APPEND 256 STREAM 512",
}


def shape(function, *, bare=False):
    """Names, kinds and defaults; without a class's own first parameter."""
    return [(one.name, one.kind, one.default) for one in inspect.signature(function).parameters.values()][bare:]


def wanted(signature):
    namespace = {}
    exec(f"def function({signature}): pass", namespace)  # noqa: S102 - our own table
    return shape(namespace["function"])


def found(path):
    place = import_module("fluxplug.job")
    for name in path.split("."):
        place = getattr(place, name)
    return place


@pytest.mark.parametrize("module", MODULES)
def test_modules_have_their_names(module):
    there = import_module(f"fluxplug.{module}")
    assert all(hasattr(there, name) for name in MODULES[module].split())


def test_job_lists_its_names():
    job = import_module("fluxplug.job")
    assert set(job.__all__) == {*MODULES["job"].split(), *OURS["job"].split()} <= set(dir(job))
    with pytest.raises(AttributeError, match="no attribute 'nope'"):
        _ = job.nope


@pytest.mark.parametrize("path", SIGNATURES)
def test_signatures(path):
    assert shape(found(path)) == wanted(SIGNATURES[path])


def test_kinds_of_members():
    jobspec, v1 = found("Jobspec"), found("JobspecV1")
    assert issubclass(v1, jobspec)
    for name in CLASS_METHODS:
        assert inspect.ismethod(getattr(v1, name))
    for name, settable in PROPERTIES.items():
        member = inspect.getattr_static(jobspec, name)
        assert isinstance(member, property)
        assert (member.fset is not None) is settable
    batch_config = found("BatchConfig")
    assert batch_config().config is None


def test_constants():
    listed = {}
    for group, words in VALUES.items():
        pairs = words.split()
        listed.update((f"FLUX_{group}_{name}", int(value)) for name, value in zip(pairs[::2], pairs[1::2], strict=True))
    listed.update({"FLUX_POLLIN": 1, "FLUX_POLLOUT": 2, "FLUX_POLLERR": 4})
    assert {name: value for name, value in vars(constants).items() if name.isupper()} == listed
    for state in State:
        assert getattr(constants, f"FLUX_JOB_STATE_{state.name}") == state


# What every submission pays for.


def imported_by(code):
    """The modules that `code` imports on top of a bare interpreter with a site."""
    program = f"import sys; before = set(sys.modules); {code}; print('\\n'.join(set(sys.modules) - before))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return {name.split(".")[0] if not name.startswith("fluxplug") else name for name in done.stdout.split()}


def test_the_package_alone_imports_next_to_nothing():
    assert {name for name in imported_by("import fluxplug.job") if name.startswith("fluxplug")} == {
        "fluxplug",
        "fluxplug.job",
    }


OPTIONS = {
    "time_limit": "1h",
    "signal": "@1m",
    "taskmap": "cyclic",
    "dependency": "afterok:f1",
    "shell_options": {"a": 1},
    "attributes": {"b": 2},
    "add_file": ["c=d\n"],
}
HEAVY = {"attr", "attrs", "yaml", "pluggy", "tomli", "rich", "pathlib", "datetime", "urllib", "inspect", "dataclasses"}


@pytest.mark.parametrize(
    "code",
    [
        "JobspecV1.from_command(['a'])",
        "JobspecV1.from_command(['a']).apply_options(env=[], rlimit=[], **OPTIONS)",
    ],
)
def test_a_submission_imports_nothing_heavy(code):
    names = imported_by(f"from fluxplug.job import JobspecV1; OPTIONS = {OPTIONS}; {code}")
    assert not names & HEAVY
    assert {name for name in names if name.startswith("fluxplug.")} <= {
        "fluxplug.errors",
        "fluxplug.job",
        "fluxplug.jobspec",
        "fluxplug.jobspec.document",
        "fluxplug.jobspec.model",
        "fluxplug.jobspec.options",
        "fluxplug.jobspec.parts",
        "fluxplug.jobspec.rules",
        "fluxplug.jobspec.v1",
        "fluxplug.jobspec.validate",
        "fluxplug.values",
        "fluxplug.values.duration",
    }
