"""`Jobspec`: a job's request as a document with named parts. Version 1, which users make, is in `v1`.

The document stays a plain dict in `.jobspec`; the class checks it once, on construction, and gives its parts names. What a scheduler reads
from it is the business of the resource request; the rules are `validate`'s. Importing this costs every submission: what few need is
imported where it is needed.
"""

from __future__ import annotations

import json
import math
import os
from collections import defaultdict
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from fluxplug.errors import DocumentError, DocumentTypeError
from fluxplug.jobspec.document import check_plain, load_document
from fluxplug.jobspec.validate import check_canonical, check_keys
from fluxplug.values.duration import parse_fsd

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import timedelta

    from typing_extensions import Self

    from fluxplug.jobspec.document import Readable

# The file type "regular" of st_mode, as RFC 37 stores it next to the permissions.
_REGULAR = 0o100000
_OPTIONS = "attributes.system.shell.options"
_DURATION = "attributes.system.duration"
# What `unbuffered` sets besides the buffer types; taken back only while nobody has changed them.
_UNBUFFERED_TIMES = {"output.batch-timeout": 0.05, "input.batch-timeout": 0.0}

Vertex = dict[str, Any]


class Jobspec:
    """A canonical jobspec (RFC 14).

    The four parts are kept by reference in `.jobspec`, without a copy, and checked once: DocumentError (a ValueError), or DocumentTypeError
    (also a TypeError) where a type is wrong, with the path of the offending value. Changes made later are not checked.
    """

    jobspec: dict[str, Any]

    def __init__(
        self, resources: list[Vertex], tasks: list[dict[str, Any]], attributes: dict[str, Any], version: int
    ) -> None:
        doc = {"resources": resources, "tasks": tasks, "attributes": attributes, "version": version}
        self._check(doc)
        self.jobspec = doc

    @staticmethod
    def _check(doc: dict[str, Any]) -> None:
        check_canonical(doc)

    @classmethod
    def from_dict(cls, doc: Any) -> Self:
        """The jobspec in a decoded document. Raises as construction does, and DocumentError for a missing or an extraneous key."""
        check_keys(doc)
        return cls(doc["resources"], doc["tasks"], doc["attributes"], version=doc["version"])

    @classmethod
    def from_yaml_stream(cls, f: str | bytes | Readable) -> Self:
        """The jobspec in an open YAML or JSON file, or in such a text. Raises as `from_dict` does; limits as in `load_document`."""
        return cls.from_dict(load_document(f))

    @classmethod
    def from_yaml_file(cls, path: str | os.PathLike[str]) -> Self:
        """As `from_yaml_stream`; OSError where the file cannot be read."""
        with open(path, "rb") as file:  # noqa: PTH123 - pathlib is slow to import
            return cls.from_yaml_stream(file)

    def dumps(self, **json_kw: Any) -> str:
        """The document as JSON; keyword arguments go to `json.dumps`."""
        return json.dumps(self.jobspec, **{"ensure_ascii": False, **json_kw})

    @property
    def resources(self) -> list[Vertex]:
        """The resource vertices at the top."""
        found: list[Vertex] = self.jobspec["resources"]
        return found

    @property
    def tasks(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.jobspec["tasks"]
        return found

    @property
    def attributes(self) -> dict[str, Any]:
        found: dict[str, Any] = self.jobspec["attributes"]
        return found

    @property
    def version(self) -> int:
        found: int = self.jobspec["version"]
        return found

    # Resources as a tree

    def __iter__(self) -> Iterator[Vertex]:
        """Every resource vertex, parents first."""
        return (vertex for _, vertex, _ in self.resource_walk())

    def resource_walk(self) -> Iterator[tuple[Vertex | None, Vertex, int]]:
        """(parent, vertex, count in all) of every vertex, parents first; a count that is a range or a set counts as its least."""
        todo: list[tuple[Vertex | None, Vertex, int]] = [(None, vertex, 1) for vertex in reversed(self.resources)]
        while todo:
            parent, vertex, above = todo.pop()
            count = vertex["count"]
            total = above * (count if isinstance(count, int) else _least(count))
            yield parent, vertex, total
            todo += [(vertex, child, total) for child in reversed(vertex.get("with", ()))]

    def resource_counts(self) -> defaultdict[str, int]:
        """Type to how many of it there are in all; units are ignored."""
        totals: defaultdict[str, int] = defaultdict(int)
        for _, vertex, total in self.resource_walk():
            totals[vertex["type"]] += total
        return totals

    # Attributes by dotted name

    def getattr(self, key: str) -> Any:
        """An attribute: `queue` is `attributes.system.queue`, `user.x` is `attributes.user.x`. KeyError if unset or null."""
        value: Any = self.jobspec
        for name in _attribute_path(key):
            value = value.get(name) if isinstance(value, dict) else None
        if value is None:
            raise KeyError(key)
        return value

    def setattr(self, key: str, val: Any) -> None:
        """Set an attribute, named as in `getattr`; makes what is missing on the way, DocumentTypeError where that is no mapping."""
        *way, last = _attribute_path(key)
        place: Any = self.jobspec
        for depth, name in enumerate(way):
            place = place.setdefault(name, {})
            if not isinstance(place, dict):
                raise DocumentTypeError(".".join(way[: depth + 1]), f"is not a mapping: cannot set {key!r}")
        place[last] = val

    def setattr_shell_option(self, key: str, val: Any) -> None:
        """Set `attributes.system.shell.options.<key>`; dots nest."""
        self.setattr(f"{_OPTIONS}.{key}", val)

    @property
    def duration(self) -> float | None:
        """The time limit in seconds, None if absent; set from a number, a text with a unit (RFC 23) or a timedelta."""
        found: float | None = self._get("duration")
        return found

    @duration.setter
    def duration(self, value: float | str | timedelta) -> None:
        self.setattr(_DURATION, seconds_of(value))

    @property
    def queue(self) -> str | None:
        found: str | None = self._get("queue")
        return found

    @queue.setter
    def queue(self, value: str) -> None:
        if not isinstance(value, str):
            raise DocumentTypeError("attributes.system.queue", "queue must be a string")
        self.setattr("system.queue", value)

    @property
    def cwd(self) -> str | None:
        """The working directory."""
        found: str | None = self._get("cwd")
        return found

    @cwd.setter
    def cwd(self, value: str | os.PathLike[str]) -> None:
        path = os.fspath(value) if isinstance(value, (str, os.PathLike)) else None
        if not isinstance(path, str):
            raise DocumentError("attributes.system.cwd", "cwd must be a string or a path")
        self.setattr("system.cwd", path)

    @property
    def environment(self) -> Mapping[str, str | None] | None:
        """Variables of the tasks, a dict kept by reference; null unsets one."""
        found: Mapping[str, str | None] | None = self._get("environment")
        return found

    @environment.setter
    def environment(self, value: Mapping[str, str | None]) -> None:
        if not isinstance(value, Mapping):
            raise DocumentError("attributes.system.environment", "environment must be a mapping")
        self.setattr("system.environment", value if isinstance(value, dict) else dict(value))

    @property
    def stdin(self) -> str | None:
        """The file that standard input comes from."""
        return self._stream("input.stdin")

    @stdin.setter
    def stdin(self, value: str | os.PathLike[str]) -> None:
        self._redirect("input.stdin", value)

    @property
    def stdout(self) -> str | None:
        """The file that standard output goes to."""
        return self._stream("output.stdout")

    @stdout.setter
    def stdout(self, value: str | os.PathLike[str]) -> None:
        self._redirect("output.stdout", value)

    @property
    def stderr(self) -> str | None:
        """The file that standard error goes to; it follows stdout where unset."""
        return self._stream("output.stderr")

    @stderr.setter
    def stderr(self, value: str | os.PathLike[str]) -> None:
        self._redirect("output.stderr", value)

    input, output, error = stdin, stdout, stderr

    @property
    def unbuffered(self) -> bool:
        """Whether output is passed on byte by byte and at once."""
        kinds = [self._get(f"shell.options.output.{stream}.buffer.type") for stream in ("stdout", "stderr")]
        return kinds == ["none", "none"]

    @unbuffered.setter
    def unbuffered(self, value: bool) -> None:
        if not isinstance(value, bool):
            raise DocumentTypeError(_OPTIONS, "unbuffered must be a boolean")
        for stream in ("stdout", "stderr"):
            key = f"output.{stream}.buffer.type"
            if value:
                self.setattr_shell_option(key, "none")
            else:
                self._unset_shell_option(key)
        for key, seconds in _UNBUFFERED_TIMES.items():
            if value:
                self.setattr_shell_option(key, seconds)
            elif self._get(f"shell.options.{key}") == seconds:
                self._unset_shell_option(key)

    def add_file(
        self, path: str, data: dict[str, Any] | str, perms: int | None = None, encoding: str | None = None
    ) -> None:
        """Attach a file that appears in the job's temporary directory under the name `path` (RFC 37).

        A mapping is stored as JSON. A text with a newline, or one whose encoding is given ("utf-8", or "base64" for bytes that are encoded
        already), is the content. Any other text names a local file, which is read now. `perms` are the permission bits, by default 0o600,
        or the file's own mode. Raises DocumentTypeError, DocumentError for an unknown encoding, OSError for an unreadable file.
        """
        self.set_file(path, file_entry(path, data, perms, encoding))

    def set_file(self, path: str, entry: dict[str, Any]) -> None:
        """Attach a file that `file_entry` made."""
        files = self.attributes.setdefault("system", {}).setdefault("files", {})
        if not isinstance(files, dict):
            raise DocumentTypeError("attributes.system.files", "is not a mapping: cannot add a file")
        files[path] = entry

    def _get(self, key: str) -> Any:
        try:
            return self.getattr(f"system.{key}")
        except KeyError:
            return None

    def _stream(self, name: str) -> str | None:
        found: str | None = self._get(f"shell.options.{name}.path")
        return found

    def _redirect(self, name: str, value: str | os.PathLike[str]) -> None:
        path = os.fspath(value) if isinstance(value, (str, os.PathLike)) else None
        if not isinstance(path, str):
            raise DocumentTypeError(f"{_OPTIONS}.{name}", "must be a string or a path")
        check_plain(path, f"{_OPTIONS}.{name}.path")
        self.setattr_shell_option(f"{name}.type", "file")
        self.setattr_shell_option(f"{name}.path", path)

    def _unset_shell_option(self, key: str) -> None:
        """Remove an option, and the mappings around it that this leaves empty."""
        place: Any = self._get("shell.options")
        way = []
        for name in key.split("."):
            if not isinstance(place, dict) or name not in place:
                return
            way.append((place, name))
            place = place[name]
        for parent, name in reversed(way):
            del parent[name]
            if parent:
                break


def seconds_of(value: float | str | timedelta) -> float:
    """A duration in seconds, as the setter `duration` takes it: 0 or more, finite. Raises DocumentError, DocumentTypeError, ParseError."""
    if isinstance(value, str):
        seconds = parse_fsd(value)
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        seconds = float(value)
    else:
        from datetime import timedelta  # noqa: PLC0415 - slow to import, and few need it

        if not isinstance(value, timedelta):
            raise DocumentTypeError(_DURATION, "duration must be an int, float, string, or timedelta")
        seconds = value.total_seconds()
    if seconds < 0:
        raise DocumentError(_DURATION, "duration must not be negative")
    if not math.isfinite(seconds):
        raise DocumentError(_DURATION, "duration must be a normal, finite value")
    return seconds


def file_entry(
    path: str, data: dict[str, Any] | str, perms: int | None = None, encoding: str | None = None
) -> dict[str, Any]:
    """What `Jobspec.add_file` puts into `attributes.system.files` under the name `path`, and its errors."""
    where = f"attributes.system.files.{path}"
    if encoding is not None and encoding not in ("utf-8", "base64"):
        raise DocumentError(where, f"unknown encoding {encoding!r}: expected utf-8 or base64")
    mode = _REGULAR | (0o600 if perms is None else perms)
    if isinstance(data, dict):
        return {"mode": mode, "data": data}
    if not isinstance(data, str):
        raise DocumentTypeError(where, f"file data must be a mapping or a string, not {type(data).__name__}")
    if "\n" in data or encoding is not None:
        return {"mode": mode, "data": data, "encoding": encoding or "utf-8"}
    return _local_file(data, perms)


def _least(count: Any) -> int:
    from fluxplug.values.count import ResourceCount  # noqa: PLC0415 - version 1 has plain integers

    return ResourceCount.from_count_spec(count).min


def _attribute_path(key: str) -> list[str]:
    names = key.split(".")
    if names[0] == "attributes":
        return names
    return ["attributes", *names] if names[0] in ("system", "user") else ["attributes", "system", *names]


def _local_file(name: str, perms: int | None) -> dict[str, Any]:
    with open(name, "rb") as file:  # noqa: PTH123 - pathlib is slow to import
        mode = os.fstat(file.fileno()).st_mode
        content = file.read()
    try:
        data, encoding = content.decode(), "utf-8"
    except UnicodeDecodeError:
        import base64  # noqa: PLC0415 - few files are not text

        data, encoding = base64.b64encode(content).decode(), "base64"
    return {
        "size": len(content),
        "mode": mode if perms is None else _REGULAR | perms,
        "data": data,
        "encoding": encoding,
    }
