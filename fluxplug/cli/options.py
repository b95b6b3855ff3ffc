"""KEY=VALUE options of the command line, checked against the Config class of a plugin."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fluxplug.config.options import Key
    from fluxplug.plugins import Registered


def read_pairs(registered: Registered, pairs: Sequence[str]) -> Any:
    """The plugin's configuration from texts like `load=0.7`; None where it has none. Raises ConfigError."""
    from fluxplug.config.options import keys_of  # noqa: PLC0415
    from fluxplug.errors import ConfigError  # noqa: PLC0415
    from fluxplug.suggest import instead  # noqa: PLC0415

    keys = keys_of(registered.config) if registered.config else {}
    values = {}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not equals:
            raise ConfigError(f"--set {pair}: expected KEY=VALUE")
        if name not in keys:
            raise ConfigError(f"--set {name}: no option of {registered.name}{instead(name, keys, 'it has')}")
        try:
            values[keys[name].field] = keys[name].convert(_value(keys[name], text))
        except ValueError as error:
            raise ConfigError(f"--set {name}: {error}") from None
    return registered.config(**values) if registered.config else None


def _value(key: Key, text: str) -> object:
    """What the text would be in a TOML file; where it would be nothing, a string, for `Key.convert` to accept or reject."""
    import tomli  # noqa: PLC0415

    if key.scalar is str and key.sequence is None:
        return text
    try:
        return tomli.loads(f"value = {text}")["value"]
    except (ValueError, RecursionError):
        return text
