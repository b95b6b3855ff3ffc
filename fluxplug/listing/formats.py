"""The formats that have names, tool by tool, and those that sites and users add in files.

    formats = Formats("jobs")
    table = JobInfoFormat(formats.find(args.format))

A tool's file is `flux-jobs.json`, `.toml` or `.yaml` in the folders `flux` of $XDG_CONFIG_DIRS and $XDG_CONFIG_HOME, the user's last, and has
a table `[formats.NAME]` with `format` and perhaps `description`. Files are read when a name is asked for that is not built in. Whether a format
fits a tool's fields is found out by the table that is made of it.
"""

from __future__ import annotations

import json
import os
import re
from typing import TYPE_CHECKING, Any, NamedTuple

from fluxplug.errors import ConfigError, DocumentError, FormatError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_MAX_BYTES = 1 << 20  # a file of more is not one of formats
_WORD = re.compile(r"[A-Za-z_][\w.]*")


class NamedFormat(NamedTuple):
    """A format with a name."""

    name: str
    description: str
    format: str


class Tool(NamedTuple):
    """A listing command: the stem of its files, the table in them, the variable that names a default, and its formats."""

    stem: str
    table: tuple[str, ...]
    variable: str
    formats: tuple[NamedFormat, ...]


_JOB = "{id.f58:>12} ?:{queue:<8.8} "
_HEAD = _JOB + "+:{username:<8} {name:<10.10+} "
_TAIL = " {ntasks:>6} {nnodes:>6h} {contextual_time!F:>8h} {contextual_info}"
_DEFAULT = NamedFormat("default", "what a job is, how it is and where", f"{_HEAD}{{status_abbrev:>2.2}}{_TAIL}")
_LONG = NamedFormat(
    "long",
    "the default with the whole status, the time of submission and the time that is left",
    _HEAD + "{status:>9.9} {ntasks:>6} {nnodes:>6h} {t_submit!d:%b%d %R::>12} {t_remaining!F:>12h} "
    "{contextual_time!F:>8h} {contextual_info}",
)
_DEPS = NamedFormat(
    "deps",
    "urgency, priority, state and dependencies",
    _JOB + "{name:<10.10+} {urgency:<3} {priority:<12} {state:<8.8} {dependencies}",
)
_LIST = "{state:>10} ?+:{queue:<5} ?:{propertiesx:<10.10+} {nnodes:>6} +:{ncores:>6} ?+:{ngpus:>5} {nodelist}"
_STATUS = "{state:>12} {color_up}{up:>2}{color_off} {nnodes:>6} "
_DRAIN = "{timestamp!d:%b%d %R::<12} {state:<8.8} "
_QUEUE = "?:{queuem:<8.8} ?:{parent:<8.8} "
_SWITCHES = "{color_enabled}{enabled:>2}{color_off} {color_started}{started:>2}{color_off} "
_TIMES = "{defaults.timelimit!F:>8} {limits.timelimit!F:>8} "


def _counts(prefix: str, width: int = 10) -> str:
    return " ".join(f"{{{prefix}.{unit}:>{width}}}" for unit in ("nnodes", "ncores", "ngpus"))


TOOLS: dict[str, Tool] = {
    "jobs": Tool(
        "flux-jobs",
        ("formats",),
        "FLUX_JOBS_FORMAT_DEFAULT",
        (
            _DEFAULT,
            NamedFormat("cute", "the default with an emoji for the status", f"{_HEAD}{{status_emoji:>5.5}}{_TAIL}"),
            _LONG,
            _DEPS,
            NamedFormat(
                "endreason",
                "when and why jobs ended",
                _HEAD + "{status_abbrev:>2.2} {t_inactive!d:%b%d %R::>12h} {inactive_reason}",
            ),
        ),
    ),
    "pgrep": Tool(
        "flux-pgrep",
        ("formats",),
        "FLUX_PGREP_FORMAT_DEFAULT",
        (
            NamedFormat("default", "job ids alone", "{id.f58}"),
            NamedFormat("full", "the default of flux jobs", _DEFAULT.format),
            _LONG,
            _DEPS,
        ),
    ),
    "resource-list": Tool(
        "flux-resource",
        ("list", "formats"),
        "FLUX_RESOURCE_LIST_FORMAT_DEFAULT",
        (
            NamedFormat("default", "what is free, allocated and down, by queue and properties", _LIST),
            NamedFormat("rlist", "the default with the cores and GPUs of each rank", _LIST + " {rlist}"),
        ),
    ),
    "resource-status": Tool(
        "flux-resource",
        ("status", "formats"),
        "FLUX_RESOURCE_STATUS_FORMAT_DEFAULT",
        (
            NamedFormat("default", "how the nodes are", _STATUS + "{nodelist}"),
            NamedFormat(
                "long", "the default with the reasons of drained nodes", _STATUS + "+:{reason:<30.30} {nodelist}"
            ),
        ),
    ),
    "resource-drain": Tool(
        "flux-resource",
        ("drain", "formats"),
        "FLUX_RESOURCE_DRAIN_FORMAT_DEFAULT",
        (
            NamedFormat("default", "when and why nodes were drained", _DRAIN + "{reason:<30.30+} {nodelist}"),
            NamedFormat(
                "long",
                "the default with ranks and whole reasons",
                _DRAIN + "{ranks:<8.8+} +:{reason:<30.30} {nodelist}",
            ),
        ),
    ),
    "queue-list": Tool(
        "flux-queue",
        ("list", "formats"),
        "FLUX_QUEUE_LIST_FORMAT_DEFAULT",
        (
            NamedFormat(
                "default",
                "what is open, and how much a job may ask for",
                _QUEUE + _SWITCHES + _TIMES + _counts("limits.range.effective"),
            ),
            NamedFormat("policy", "the limits as they are configured", _QUEUE + _TIMES + _counts("limits.range")),
            NamedFormat(
                "nodes",
                "the nodes of each queue",
                _QUEUE
                + _SWITCHES
                + " ".join(f"{{resources.{state}.nnodes:>6}}" for state in ("all", "up", "down", "allocated", "free")),
            ),
        ),
    ),
}


class Formats:
    """The formats of one tool of TOOLS. `environ` stands in for the environment, from which variables and folders are taken."""

    def __init__(self, tool: str, environ: Mapping[str, str] | None = None) -> None:
        self.tool = TOOLS[tool]
        self.environ = os.environ if environ is None else environ
        self._builtin = {one.name: one for one in self.tool.formats}
        self._settings: dict[str, Any] | None = None
        self._custom: dict[str, NamedFormat] = {}

    def find(self, text: str | None = None) -> str:
        """The format that `text` names, or `text` itself where it has a field; unset, the tool's variable or else `default`.

        Raises FormatError for a name that there is not, ConfigError for a file that cannot be used.
        """
        text = text or self.environ.get(self.tool.variable) or "default"
        if text in self._builtin:
            return self._builtin[text].format
        if "{" in text:
            return text
        self._load()
        if text in self._custom:
            return self._custom[text].format
        hint = f" (Did you mean '{{{text}}}'?)" if _WORD.fullmatch(text) else ""
        raise FormatError(f"No such format {text}{hint}")

    def all(self) -> list[NamedFormat]:
        """All formats: `default`, then the rest by name. Raises ConfigError as `find` does."""
        self._load()
        known = self._builtin | self._custom
        return [known.pop("default"), *(known[name] for name in sorted(known))]

    def help(self) -> str:
        """What `--format=help` prints, without the last newline."""
        formats = self.all()
        width = max(len(one.name) for one in formats)
        lines = [f"  {one.name:<{width}}  {one.description}".rstrip() for one in formats]
        return "\n".join([f"Configured {self.tool.stem} output formats:", "", *lines])

    def get_config(self, name: str) -> str:
        """What `--format=get-config=NAME` prints, without the last newline: a table for a file. Raises FormatError, ConfigError."""
        for one in self.all():
            if one.name == name:
                table = ".".join((*self.tool.table, name if re.fullmatch(r"[\w-]+", name, re.ASCII) else _quoted(name)))
                description = [f"description = {_quoted(one.description)}"] if one.description else []
                return "\n".join([f"[{table}]", *description, f"format = {_quoted(one.format)}"])
        raise FormatError(f"No such format {name}")

    def setting(self, key: str) -> Any:
        """What the files say beside the formats: `hidden-queues` of the table `[list]`. None where they do not; the last file counts."""
        self._load()
        return (self._settings or {}).get(key)

    def paths(self) -> Iterator[str]:
        """Where the tool's files may be, the ones that count more later."""
        home = self.environ.get("XDG_CONFIG_HOME") or os.path.join(self.environ.get("HOME", "~"), ".config")  # noqa: PTH118
        sites = (self.environ.get("XDG_CONFIG_DIRS") or "/etc/xdg").split(":")
        for folder in [*reversed(sites), home]:
            for suffix in ("json", "toml", "yaml"):
                if folder:
                    yield f"{folder}/flux/{self.tool.stem}.{suffix}"

    def _load(self) -> None:
        if self._settings is not None:
            return
        settings: dict[str, Any] = {}
        custom: dict[str, NamedFormat] = {}
        for path in self.paths():
            table = _read(path)
            for place, name in enumerate(self.tool.table[:-1]):
                table = _table(table.get(name, {}), path, self.tool.table[: place + 1])
            settings |= table
            for name, one in _table(table.get("formats", {}), path, self.tool.table).items():
                if name in self._builtin:
                    raise ConfigError(
                        f"{path}: {'.'.join(self.tool.table)}.{name}: a built-in format; choose another name"
                    )
                custom[name] = _named(one, path, (*self.tool.table, name))
        self._settings, self._custom = settings, custom


def _named(value: Any, path: str, keys: tuple[str, ...]) -> NamedFormat:
    table = _table(value, path, keys)
    found = [table.get("description", ""), table.get("format")]
    for key, text in zip(("description", "format"), found, strict=True):
        if not isinstance(text, str):
            raise ConfigError(f"{path}: {'.'.join(keys)}.{key}: expected a text")
    return NamedFormat(keys[-1], *found)


def _table(value: Any, path: str, keys: tuple[str, ...]) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ConfigError(f"{path}: {'.'.join(keys)}: expected a table")
    return value


def _read(path: str) -> dict[str, Any]:
    """The document in a file; empty where there is no file. Raises ConfigError that names the file."""
    try:
        with open(path, "rb") as file:  # noqa: PTH123 - pathlib is slow to import
            raw = file.read(_MAX_BYTES + 1)
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror or error}") from error
    if len(raw) > _MAX_BYTES:
        raise ConfigError(f"{path}: has more than {_MAX_BYTES} bytes; that is no configuration")
    try:
        text = raw.decode("utf-8")
        return _table(_toml(text) if path.endswith(".toml") else _document(text), path, ("the file",))
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{path}: {error}") from error


def _toml(text: str) -> Any:
    import tomli  # noqa: PLC0415 - most users have no such file

    return tomli.loads(text)


def _document(text: str) -> Any:
    from fluxplug.jobspec.document import load_document  # noqa: PLC0415 - most users have no such file

    try:
        return load_document(text) if text.strip() else {}
    except DocumentError as error:
        raise ValueError(str(error)) from error


def _quoted(text: str) -> str:
    """A TOML string; JSON's escapes are TOML's."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
