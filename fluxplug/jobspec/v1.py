"""`JobspecV1`: jobspecs of version 1 (RFC 25), and how users make one.

Two layers. `from_command`, `per_resource`, `from_nest_command` and `from_batch_command` take values as they are; `from_submit`, `from_alloc` and
`from_batch` take what a command line takes, by calling one of the first and then `apply_options` (`options`). Nothing is submitted here.
"""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING, Any, TypeVar

from fluxplug.errors import DocumentError, DocumentTypeError
from fluxplug.jobspec.document import check_plain, load_document
from fluxplug.jobspec.model import Jobspec
from fluxplug.jobspec.parts import at_least, broker_config, mapping_of, read_script, resources_of, words_of
from fluxplug.jobspec.validate import check_keys, check_v1

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import timedelta

    from typing_extensions import Self

    from fluxplug.jobspec.batchconfig import BatchConfig
    from fluxplug.jobspec.model import Vertex

    Duration = float | str | timedelta
    PathText = str | os.PathLike[str]
    Config = dict[str, Any] | str | BatchConfig
    Made = TypeVar("Made", bound="JobspecV1")

# What the shell replaces by the job's temporary directory.
_CONF = "-c{{tmpdir}}/conf.json"
_SCRIPT = "{{tmpdir}}/script"
# What `output` and `error` call the key-value store, which is where output goes without a file.
_NO_FILE = ("none", "kvs")


class JobspecV1(Jobspec):
    """A jobspec of version 1 (RFC 25): integer counts, one task, and a duration (0 for none).

    The factories raise DocumentError for a value that is out of range, DocumentTypeError (also a TypeError) for one of a wrong type, and
    check what they made as construction does.
    """

    def __init__(
        self, resources: list[Vertex], tasks: list[dict[str, Any]], attributes: dict[str, Any], version: int = 1
    ) -> None:
        super().__init__(resources, tasks, attributes, version)

    @staticmethod
    def _check(doc: dict[str, Any]) -> None:
        check_v1(doc)

    # Values as they are

    @classmethod
    def from_command(  # noqa: PLR0917 - the signature is Flux's
        cls,
        command: Iterable[str],
        num_tasks: int = 1,
        cores_per_task: int = 1,
        gpus_per_task: int | None = None,
        num_nodes: int | None = None,
        exclusive: bool = False,
        duration: Duration | None = None,
        environment: Mapping[str, str | None] | None = None,
        env_expand: Mapping[str, str] | None = None,
        cwd: PathText | None = None,
        rlimits: Mapping[str, int] | None = None,
        name: str | None = None,
        input: PathText | None = None,  # noqa: A002 - the name is Flux's
        output: PathText | None = None,
        error: PathText | None = None,
        label_io: bool = False,
        unbuffered: bool = False,
        queue: str | None = None,
        bank: str | None = None,
    ) -> Self:
        """A job of `num_tasks` tasks that all run `command`, spread over `num_nodes` nodes if set.

        `environment` is that of this process if it is not given; `env_expand` has variables that the shell fills in (`{{task.rank}}`);
        `rlimits` are soft limits by their names in lower case, -1 for none. `output` and `error` may be "none" or "kvs": no file.
        """
        at_least(1, num_tasks, "task count must be a integer >= 1")
        at_least(1, cores_per_task, "cores per task must be an integer >= 1")
        if gpus_per_task is not None:
            at_least(0, gpus_per_task, "gpus per task must be an integer >= 0")
        slots, count = num_tasks, {"per_slot": 1}
        if num_nodes is not None:
            at_least(1, num_nodes, "node count must be an integer >= 1 (if set)")
            if num_nodes > num_tasks:
                raise DocumentError("", "node count must not be greater than task count")
            slots = -(-num_tasks // num_nodes)
            if num_tasks % num_nodes:
                count = {"total": num_tasks}
        return cls._make(
            command,
            resources_of(slots, cores_per_task, gpus_per_task, num_nodes, exclusive),
            count,
            duration=duration,
            environment=environment,
            env_expand=env_expand,
            cwd=cwd,
            rlimits=rlimits,
            name=name,
            input=input,
            output=output,
            error=error,
            label_io=label_io,
            unbuffered=unbuffered,
            queue=queue,
            bank=bank,
        )

    @classmethod
    def per_resource(  # noqa: PLR0917 - the signature is Flux's
        cls,
        command: Iterable[str],
        ncores: int | None = None,
        nnodes: int | None = None,
        per_resource_type: str | None = None,
        per_resource_count: int | None = None,
        gpus_per_node: int | None = None,
        exclusive: bool = False,
        **kwargs: Any,
    ) -> Self:
        """A job of so many cores, or nodes, or cores on so many nodes, with `per_resource_count` tasks on each "node" or "core".

        Other keywords are those of `from_command`, from `duration` on.
        """
        if ncores is not None:
            at_least(1, ncores, "ncores must be an integer >= 1")
        if nnodes is not None:
            at_least(1, nnodes, "nnodes must be an integer >= 1")
        options = {}
        if per_resource_type is not None:
            if per_resource_type not in ("node", "core"):
                raise DocumentError("", f"Invalid {per_resource_type=} specified: expected node or core")
            if per_resource_count is None:
                raise DocumentError("", "must specify a per_resource_count with per_resource_type")
            at_least(1, per_resource_count, "per_resource_count must be an integer >= 1")
            options = {"per-resource": {"type": per_resource_type, "count": per_resource_count}}
        elif per_resource_count is not None:
            raise DocumentError("", "must specify a per_resource_type with per_resource_count")
        if gpus_per_node is not None:
            at_least(0, gpus_per_node, "gpus_per_node must be an integer >= 0")
            if nnodes is None:
                raise DocumentError("", "gpus_per_node must be specified with nnodes")
        if nnodes is None:
            if ncores is None:
                raise DocumentError("", "must specify node or core count with per_resource")
            resources = resources_of(ncores, 1, None, None, exclusive)
        elif ncores is None:
            if not exclusive:
                raise DocumentError("", "Specifying nnodes also requires ncores or exclusive")
            resources = resources_of(1, 1, gpus_per_node, nnodes, exclusive)
        else:
            if ncores < nnodes:
                raise DocumentError("", "number of cores cannot be less than nnodes")
            if ncores % nnodes:
                raise DocumentError("", "number of cores must be evenly divisible by node count")
            resources = resources_of(1, ncores // nnodes, gpus_per_node, nnodes, exclusive)
        return cls._make(command, resources, {"per_slot": 1}, options, **kwargs)

    @classmethod
    def from_nest_command(  # noqa: PLR0917 - the signature is Flux's
        cls,
        command: Iterable[str],
        num_slots: int = 1,
        cores_per_slot: int = 1,
        gpus_per_slot: int | None = None,
        num_nodes: int | None = None,
        broker_opts: Iterable[str] | None = None,
        exclusive: bool = False,
        conf: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> Self:
        """A job that is an instance of its own, of which `command`, which may be empty, is the first program.

        `conf` is the configuration of its brokers, attached as `conf.json`; other keywords are those of `from_command`.
        """
        words = ["flux", "broker", *([] if broker_opts is None else words_of(broker_opts, "broker_opts"))]
        if conf is not None:
            if not isinstance(conf, dict):
                raise DocumentTypeError("", f"conf must be a mapping, not {type(conf).__name__}")
            check_plain(conf, "conf")
            words.append(_CONF)
        jobspec = cls.from_command(
            words + words_of(command, "command"),
            num_slots,
            cores_per_slot,
            gpus_per_slot,
            num_nodes,
            exclusive,
            **kwargs,
        )
        jobspec.setattr_shell_option("per-resource.type", "node")
        jobspec.setattr_shell_option("mpi", "none")
        jobspec.setattr_shell_option("exit-timeout", "none")
        if conf is not None:
            jobspec.add_file("conf.json", conf)
        return jobspec

    @classmethod
    def from_batch_command(  # noqa: PLR0917 - the signature is Flux's
        cls,
        script: str,
        jobname: str,
        args: Iterable[str] | None = None,
        num_slots: int = 1,
        cores_per_slot: int = 1,
        gpus_per_slot: int | None = None,
        num_nodes: int | None = None,
        broker_opts: Iterable[str] | None = None,
        exclusive: bool = False,
        conf: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> Self:
        """As `from_nest_command`, where the first program is `script`, a text that begins with `#!`; it is attached to the job."""
        if not isinstance(script, str):
            raise DocumentTypeError("", f"script must be a string, not {type(script).__name__}")
        if not script.startswith("#!"):
            raise DocumentError("", f"{jobname} does not appear to start with '#!'")
        check_plain(script, "script")
        jobspec = cls.from_nest_command(
            [_SCRIPT, *([] if args is None else words_of(args, "args"))],
            num_slots,
            cores_per_slot,
            gpus_per_slot,
            num_nodes,
            broker_opts,
            exclusive,
            conf,
            name=jobname,
            **kwargs,
        )
        jobspec.add_file("script", script, perms=0o700, encoding="utf-8")
        return jobspec

    # What command lines take

    @classmethod
    def from_submit(
        cls,
        command: Iterable[str],
        *,
        ntasks: int = 1,
        nodes: int | None = None,
        cores_per_task: int = 1,
        gpus_per_task: int | None = None,
        exclusive: bool = False,
        name: str | None = None,
        queue: str | None = None,
        bank: str | None = None,
        cwd: PathText | None = None,
        output: PathText | None = None,
        error: PathText | None = None,
        input: PathText | None = None,  # noqa: A002 - the name is Flux's
        label_io: bool = False,
        unbuffered: bool = False,
        **kwargs: Any,
    ) -> Self:
        """What `fluxplug submit` would make of it: `from_command`, then `apply_options` as "submit", submission plugins included.

        Other keywords are those of `apply_options`. The environment and the default resource limits go along unless rules say otherwise.
        """
        given = dict(locals())
        jobspec = cls.from_command(
            command,
            ntasks,
            cores_per_task,
            gpus_per_task,
            nodes,
            exclusive,
            environment={},  # apply_options puts it in
            cwd=cwd,
            name=name,
            input=input,
            output=output,
            error=error,
            label_io=label_io,
            unbuffered=unbuffered,
            queue=queue,
            bank=bank,
        )
        return _as_command("submit", jobspec, given, kwargs)

    @classmethod
    def from_alloc(
        cls,
        *,
        nslots: int | None = None,
        nodes: int | None = None,
        cores_per_slot: int = 1,
        gpus_per_slot: int | None = None,
        exclusive: bool = False,
        broker_opts: Iterable[str] | None = None,
        conf: Config | None = None,
        bg: bool = False,
        name: str | None = None,
        queue: str | None = None,
        bank: str | None = None,
        cwd: PathText | None = None,
        output: PathText | None = None,
        error: PathText | None = None,
        input: PathText | None = None,  # noqa: A002 - the name is Flux's
        label_io: bool = False,
        unbuffered: bool = False,
        **kwargs: Any,
    ) -> Self:
        """An instance of its own as `fluxplug alloc` would make it: `from_nest_command`, then `apply_options` as "alloc".

        `nodes` alone means that many whole nodes, a slot on each. `conf` is a mapping, a BatchConfig, or a text for one; `bg` keeps the
        instance without a first program. Other keywords as in `from_submit`.
        """
        given = dict(locals())
        if nslots is None:
            if nodes is None:
                raise DocumentError("", "from_alloc() requires nslots or nodes")
            nslots, exclusive = nodes, True
        options = [] if broker_opts is None else words_of(broker_opts, "broker_opts")
        jobspec = cls.from_nest_command(
            [],
            nslots,
            cores_per_slot,
            gpus_per_slot,
            nodes,
            [*options, "-Sbroker.rc2_none=1"] if bg else options,
            exclusive,
            broker_config(conf),
            environment={},
            cwd=os.getcwd() if cwd is None else cwd,  # noqa: PTH109 - pathlib is slow to import
            name=name,
            input=input,
            output=output,
            error=error,
            label_io=label_io,
            unbuffered=unbuffered,
            queue=queue,
            bank=bank,
        )
        if bg:
            jobspec.setattr_shell_option("pty.capture", 1)
        return _as_command("alloc", jobspec, given, kwargs)

    @classmethod
    def from_batch(
        cls,
        script: PathText | None = None,
        *,
        content: str | None = None,
        nslots: int | None = None,
        nodes: int | None = None,
        cores_per_slot: int = 1,
        gpus_per_slot: int | None = None,
        exclusive: bool = False,
        broker_opts: Iterable[str] | None = None,
        conf: Config | None = None,
        wrap: bool = False,
        name: str | None = None,
        queue: str | None = None,
        bank: str | None = None,
        cwd: PathText | None = None,
        output: PathText | None = None,
        error: PathText | None = None,
        input: PathText | None = None,  # noqa: A002 - the name is Flux's
        label_io: bool = False,
        unbuffered: bool = False,
        **kwargs: Any,
    ) -> Self:
        """A batch script as `fluxplug batch` would submit it: `from_batch_command`, then `apply_options` as "batch".

        The script is a file, or `content` itself; `wrap` puts `#!/bin/sh` before one that has no such line. Directives in it are not
        read: the command line does that. Without `nslots`, one slot, or one on each of `nodes` whole nodes. Output goes to
        `flux-{{id}}.out` unless set. Other keywords as in `from_submit`; OSError where the file cannot be read.
        """
        given = dict(locals())
        if script is None and content is None:
            raise TypeError("from_batch() requires 'script' (file path) or 'content' (inline script)")
        if script is not None and content is not None:
            raise TypeError("from_batch() accepts 'script' or 'content', not both")
        default_name = "batch"
        if script is not None:
            default_name = os.path.basename(script)  # noqa: PTH119 - pathlib is slow to import
            content = read_script(script)
        if wrap and isinstance(content, str) and not content.startswith("#!"):
            content = "#!/bin/sh\n" + content
        if nslots is None:
            nslots, exclusive = (1, exclusive) if nodes is None else (nodes, True)
        jobspec = cls.from_batch_command(
            content,  # type: ignore[arg-type]
            default_name if name is None else name,
            None,
            nslots,
            cores_per_slot,
            gpus_per_slot,
            nodes,
            broker_opts,
            exclusive,
            broker_config(conf),
            environment={},
            cwd=os.getcwd() if cwd is None else cwd,  # noqa: PTH109 - pathlib is slow to import
            input=input,
            output="flux-{{id}}.out" if output is None else output,
            error=error,
            label_io=label_io,
            unbuffered=unbuffered,
            queue=queue,
            bank=bank,
        )
        return _as_command("batch", jobspec, given, kwargs)

    def apply_options(
        self,
        args: Any = None,
        *,
        prog: str | None = None,
        _preinit: bool = True,
        env: str | Iterable[str] | None = None,
        rlimit: str | Iterable[str] | None = None,
        signal: str | None = None,
        taskmap: str | None = None,
        dependency: str | Iterable[str] | None = None,
        requires: str | Iterable[str] | None = None,
        shell_options: Mapping[str, Any] | None = None,
        time_limit: Duration | None = None,
        attributes: Mapping[str, Any] | None = None,
        add_file: Iterable[str] | None = None,
        **kwargs: Any,
    ) -> Self:
        """Apply the options that all submission commands share, and return self.

        Options are the keywords, or else attributes of that name of `args` (an argparse.Namespace, say), which may also have `setopt` and
        `setattr`, the texts of the command line. None is not given. `env` and `rlimit` are applied only if given, or if `args` is.
        With `prog` the submission plugins of that command take part, whose options are further keywords.

        Everything is read before anything is set. What the options say about resources and attributes is not validated again. Raises
        OptionError (a ValueError) for a text that does not follow its grammar, TypeError for a keyword that is no option.
        """
        from fluxplug.jobspec.options import apply_options  # noqa: PLC0415 - the grammar is not for from_command's users

        given = {
            "env": env,
            "rlimit": rlimit,
            "signal": signal,
            "taskmap": taskmap,
            "dependency": dependency,
            "requires": requires,
            "shell_options": shell_options,
            "time_limit": time_limit,
            "attributes": attributes,
            "add_file": add_file,
        }
        apply_options(self, args, prog, given, kwargs, preinit=_preinit)
        return self

    @classmethod
    def _make(
        cls,
        command: Iterable[str],
        resources: list[Vertex],
        count: dict[str, int],
        options: dict[str, Any] | None = None,
        *,
        duration: Duration | None = None,
        environment: Mapping[str, str | None] | None = None,
        env_expand: Mapping[str, str] | None = None,
        cwd: PathText | None = None,
        rlimits: Mapping[str, int] | None = None,
        name: str | None = None,
        input: PathText | None = None,  # noqa: A002 - the name is Flux's
        output: PathText | None = None,
        error: PathText | None = None,
        label_io: bool = False,
        unbuffered: bool = False,
        queue: str | None = None,
        bank: str | None = None,
    ) -> Self:
        """The jobspec of one command; `options` are shell options. Checked once, when all that is not checked by a setter is in place."""
        words = words_of(command, "command")
        if not words:
            raise DocumentTypeError("", "command array cannot have length of zero")
        system: dict[str, Any] = {"duration": 0}
        options = {} if options is None else options
        if options:
            system["shell"] = {"options": options}
        system["environment"] = dict(os.environ) if environment is None else mapping_of(environment, "environment")
        for option, key, value in (("env-expand", "env_expand", env_expand), ("rlimit", "rlimits", rlimits)):
            if value is not None:
                options[option] = mapping_of(value, key)
                system["shell"] = {"options": options}
        if cwd is not None:
            system["cwd"] = os.fspath(cwd) if isinstance(cwd, os.PathLike) else cwd
        if name is not None:
            system["job"] = {"name": name}
        if queue is not None:
            system["queue"] = queue
        if bank is not None:
            system["bank"] = bank
        jobspec = cls(resources, [{"command": words, "slot": "task", "count": count}], {"system": system})
        if duration is not None:
            jobspec.duration = duration
        if input is not None:
            jobspec.stdin = input
        if output is not None and output not in _NO_FILE:
            jobspec.stdout = output
            if label_io:
                jobspec.setattr_shell_option("output.stdout.label", True)
        if error is not None and error not in _NO_FILE:
            jobspec.stderr = error
            if label_io:
                jobspec.setattr_shell_option("output.stderr.label", True)
        if unbuffered:
            jobspec.unbuffered = True
        return jobspec


def validate_jobspec(jobspec: str | bytes | Jobspec | None, require_version: int | None = None) -> tuple[bool, Jobspec]:
    """(True, the jobspec as an object) for a valid text or object; as JobspecV1 where its version, or the one required, is 1.

    Raises DocumentError, DocumentTypeError, and OSError (EINVAL) for None.
    """
    if jobspec is None:
        raise OSError(errno.EINVAL, "no jobspec to validate")
    if isinstance(jobspec, Jobspec):
        doc = jobspec.jobspec
    elif isinstance(jobspec, (str, bytes)):
        doc = load_document(jobspec)
    else:
        raise DocumentTypeError("", f"a jobspec must be a text or a Jobspec, not {type(jobspec).__name__}")
    check_keys(doc)
    if require_version is not None and doc["version"] != require_version:
        raise DocumentError("version", f"version must be {require_version}")
    return True, (JobspecV1 if doc["version"] == 1 else Jobspec).from_dict(doc)


def _as_command(prog: str, jobspec: Made, given: dict[str, Any], options: dict[str, Any]) -> Made:
    """Apply the options of a command, for whose plugins `given` holds the arguments of the factory.

    A command line always passes on the environment and the resource limits.
    """
    from argparse import Namespace  # noqa: PLC0415 - what plugins are made for

    for name in ("cls", "kwargs"):
        del given[name]
    given["job_name"] = given.pop("name")
    return jobspec.apply_options(Namespace(**given), prog=prog, **options)
