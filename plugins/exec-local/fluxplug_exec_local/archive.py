"""The files that come with a job (RFC 37), unpacked into its folder."""

from __future__ import annotations

import os
import stat
from base64 import b64decode
from typing import Any

import msgspec


def unpack(files: Any, folder: str) -> None:
    """Write files, given as a list of objects with `path` or as an object by path.

    Raises ValueError for a path that leaves the folder, a type or an encoding that is not known, OSError.
    """
    items = files.items() if isinstance(files, dict) else ((entry["path"], entry) for entry in files)
    for path, entry in items:
        if path.startswith("/") or any(part in ("", ".", "..") for part in path.split("/")):
            raise ValueError(f"file {path!r} is not inside the job's folder")
        where = f"{folder}/{path}"
        os.makedirs(os.path.dirname(where), exist_ok=True)  # noqa: PTH103, PTH120
        _write(where, path, entry)


def _write(where: str, path: str, entry: dict[str, Any]) -> None:
    mode = int(entry.get("mode", 0o100600))
    kind = stat.S_IFMT(mode) or stat.S_IFREG
    if kind == stat.S_IFDIR:
        os.makedirs(where, stat.S_IMODE(mode), exist_ok=True)  # noqa: PTH103
    elif kind == stat.S_IFLNK:
        os.symlink(entry["data"], where)  # noqa: PTH211
    elif kind == stat.S_IFREG:
        descriptor = os.open(where, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, stat.S_IMODE(mode))
        with open(descriptor, "wb") as file:  # noqa: PTH123
            os.fchmod(descriptor, stat.S_IMODE(mode))
            file.write(_content(path, entry))
    else:
        raise ValueError(f"file {path!r} has mode {mode:o}: a file, a folder or a link was expected")


def _content(path: str, entry: dict[str, Any]) -> bytes:
    data = entry.get("data")
    encoding = entry.get("encoding")
    if encoding == "utf-8":
        return str(data).encode()
    if encoding == "base64":
        return b64decode(data or "")
    if encoding is not None:
        raise ValueError(f"file {path!r} has encoding {encoding!r}: utf-8 or base64 was expected")
    return b"" if data is None else msgspec.json.encode(data)
