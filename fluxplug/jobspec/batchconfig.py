"""The configuration of an instance that a job starts: what `--conf` and the `conf` of `from_batch` and `from_alloc` say.

Several texts, of whichever kind, add up to one mapping, which goes along as the file `conf.json`. What the keys mean is the instance's business.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any, NoReturn

from fluxplug.errors import DocumentError, OptionError
from fluxplug.jobspec.document import check_plain, load_document

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from typing_extensions import Self

_OPTION = "--conf"


class BatchConfig:
    """A configuration that is put together piece by piece; `config` is None until there is a piece."""

    def __init__(self) -> None:
        self.config: dict[str, Any] | None = None

    def update(self, value: str | Mapping[str, Any]) -> Self:
        """Add one piece: what it says replaces what was said before, key by key, and the rest stays.

            a text of several lines      JSON, or else TOML
            KEY=VALUE                    one key, dots part its names; VALUE is JSON, or else a text
            FILE.toml, FILE.json         a file
            NAME                         NAME.toml or NAME.json in the folders flux/config of the XDG search path

        A mapping is added as it is. Raises OptionError for what cannot be read.
        """
        if isinstance(value, str):
            piece = _read(value)
        elif isinstance(value, dict):
            piece = value
        else:
            raise OptionError(_OPTION, repr(value), f"expected a text or a mapping, not {type(value).__name__}")
        try:
            check_plain(piece, "")
        except DocumentError as error:
            raise OptionError(_OPTION, value if isinstance(value, str) else None, str(error)) from error
        self.config = _merged(self.config or {}, piece)
        return self

    def get(self, key: str, default: Any = None) -> Any:
        """The value of a dotted key, `default` where there is none."""
        found: Any = self.config
        for name in key.split("."):
            if not isinstance(found, dict) or name not in found:
                return default
            found = found[name]
        return found


def _read(text: str) -> dict[str, Any]:
    if "\n" in text:
        try:
            return _mapping(text, load_document(text) if text.lstrip().startswith("{") else _toml(text))
        except DocumentError as error:
            raise OptionError(_OPTION, text, f"neither JSON nor TOML: {error}") from error
    if "=" in text:
        key, _, value = text.partition("=")
        if not all(key.split(".")):
            raise OptionError(_OPTION, text, "expected KEY=VALUE; dots part the names in KEY")
        piece: Any = _value(value)
        for name in reversed(key.split(".")):
            piece = {name: piece}
        return _mapping(text, piece)
    if text.endswith((".toml", ".json")):
        return _file(text, text)
    tried = list(_named(text))
    for path in tried:
        if os.path.exists(path):  # noqa: PTH110 - pathlib is slow to import
            return _file(text, path)
    raise OptionError(_OPTION, text, f"no such configuration: tried {', '.join(tried)}")


def _named(name: str) -> Iterator[str]:
    """Where a configuration of that name may be, the user's before the site's."""
    home = os.environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config")  # noqa: PTH111 - pathlib is slow to import
    for folder in [home, *(os.environ.get("XDG_CONFIG_DIRS") or "/etc/xdg").split(":")]:
        for suffix in ("toml", "json"):
            yield f"{folder}/flux/config/{name}.{suffix}"


def _file(given: str, path: str) -> dict[str, Any]:
    try:
        with open(path, encoding="utf-8") as file:  # noqa: PTH123 - pathlib is slow to import
            text = file.read()
        return _mapping(given, load_document(text) if path.endswith(".json") else _toml(text))
    except OSError as error:
        raise OptionError(_OPTION, given, f"{path}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise OptionError(_OPTION, given, f"{path}: not UTF-8: {error}") from error
    except DocumentError as error:
        raise OptionError(_OPTION, given, f"{path}: {error}") from error


def _toml(text: str) -> dict[str, Any]:
    import tomli  # noqa: PLC0415 - few configurations are TOML

    try:
        return tomli.loads(text)
    except (tomli.TOMLDecodeError, RecursionError) as error:
        raise DocumentError("", f"not TOML: {error}") from error


def _value(text: str) -> Any:
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        return text


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _mapping(given: str, value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise OptionError(_OPTION, given, f"a configuration must be a mapping, not {type(value).__name__}")
    return value


def _merged(old: dict[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    both = dict(old)
    for key, value in new.items():
        known = both.get(key)
        both[key] = _merged(known, value) if isinstance(known, dict) and isinstance(value, dict) else value
    return both
