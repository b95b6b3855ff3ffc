"""Where an instance is: `local://SOCKET` or `http://HOST:PORT`, from an argument or from the environment."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from fluxplug.errors import ConnectionFailedError

_FORMS = "local://SOCKET or http://HOST:PORT"


class Address(NamedTuple):
    """A parsed URI: `socket` is the path of a Unix socket, or empty where `host` and `port` are an address for TCP."""

    socket: str
    host: str = ""
    port: int = 0


def find_uri() -> str:
    """The URI of the instance that this process belongs to: FLUXPLUG_URI, else FLUX_URI where that is an instance of ours.

    Flux's own sockets are called `local://` too; ours lie in a state directory, which has a file `lock`.
    Raises ConnectionFailedError (a FileNotFoundError) where there is none.
    """
    uri = os.environ.get("FLUXPLUG_URI")
    if uri:
        return uri
    uri = os.environ.get("FLUX_URI", "")
    if uri.startswith("http://") or (uri.startswith("local://") and _has_lock(parse_uri(uri).socket)):
        return uri
    raise ConnectionFailedError(
        errno.ENOENT,
        "no instance to talk to: FLUXPLUG_URI is not set; `fluxplug start` starts one, --uri names another",
    )


def parse_uri(uri: str) -> Address:
    """What a URI names. Raises ConnectionFailedError (a FileNotFoundError, as in Flux) for anything but the two forms."""
    try:
        parts = urlsplit(uri)
        port = parts.port
    except ValueError as error:
        raise ConnectionFailedError(errno.ENOENT, f"URI {uri!r}: {error}; expected {_FORMS}") from None
    if parts.scheme == "local":
        path = unquote(parts.netloc + parts.path)
        if path and "\0" not in path:
            return Address(path)
    elif parts.scheme == "http" and parts.hostname and port and parts.path in ("", "/") and parts.username is None:
        return Address("", parts.hostname, port)
    raise ConnectionFailedError(errno.ENOENT, f"URI {uri!r}: expected {_FORMS}")


def find_token() -> str | None:
    """The token for TCP: FLUXPLUG_TOKEN, else what is in the file that FLUXPLUG_TOKEN_FILE names.

    Raises ConnectionFailedError for a file that cannot be read or holds no token.
    """
    token = os.environ.get("FLUXPLUG_TOKEN")
    file = os.environ.get("FLUXPLUG_TOKEN_FILE")
    if token or not file:
        return token or None
    try:
        token = Path(file).read_text(encoding="ascii").strip()
    except OSError as error:
        raise ConnectionFailedError(error.errno or errno.EIO, f"token file {file}: {error.strerror}") from None
    except UnicodeDecodeError:
        token = ""
    if not token:
        raise ConnectionFailedError(errno.EINVAL, f"token file {file}: expected a token of ASCII characters")
    return token


def _has_lock(socket: str) -> bool:
    return os.path.exists(os.path.join(os.path.dirname(socket), "lock"))  # noqa: PTH110, PTH118, PTH120 - a path as it is
