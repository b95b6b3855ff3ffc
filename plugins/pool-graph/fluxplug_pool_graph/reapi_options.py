"""The options of `ReapiCli.initialize`: JSON to `Settings` (fluxion.md section 10.1).

The original ignores what it does not know, so that a misspelt policy runs as `first`; here that is an error.
"""

from __future__ import annotations

from typing import Any

from attrs import define, field

from fluxplug.errors import ConfigError
from fluxplug.suggest import instead
from fluxplug_pool_graph.filters import DEFAULT, PruneFilters, parse_filters
from fluxplug_pool_graph.policies import POLICIES, Policy, parse_policy
from fluxplug_pool_graph.query.options import SUBSYSTEMS
from fluxplug_pool_graph.readers import NAMES
from fluxplug_pool_graph.readers.limits import load_json, shown
from fluxplug_pool_graph.writers import FORMATS

#: Each option with the other names that it goes by; dashes count as underscores.
OPTIONS = {
    "load_format": (),
    "load_allowlist": (),
    "matcher_name": ("subsystems",),
    "matcher_policy": ("policy", "match_policy"),
    "traverser_policy": ("traverser",),
    "match_format": (),
    "prune_filters": (),
    "reserve_vtx_vec": (),
    "elapse_time": (),
}
_NAMES = {other: name for name, others in OPTIONS.items() for other in (name, *others)}
_KNOWN_SUBSYSTEMS = tuple(sorted({one for several in SUBSYSTEMS.values() for one in several}))


@define
class Settings:
    """What the options say, checked."""

    load_format: str = "grug"
    allowlist: tuple[str, ...] = ()
    subsystems: tuple[str, ...] = SUBSYSTEMS["CA"]
    policy: Policy = POLICIES["first"]
    flexible: bool = False
    match_format: str = "jgf"
    filters: PruneFilters = field(factory=lambda: parse_filters(DEFAULT))


def read_options(text: str) -> Settings:
    """Read a JSON object of options. Raises ConfigError, GraphReadError where it is no JSON."""
    document = load_json(text)
    if not isinstance(document, dict):
        raise ConfigError(f"options: expected a JSON object, got {shown(document)}")
    given: dict[str, tuple[str, Any]] = {}
    for key, value in document.items():
        name = _NAMES.get(key.replace("-", "_"))
        if name is None:
            raise ConfigError(f"options: there is no option {key!r:.80}{instead(key, sorted(_NAMES), 'options')}")
        if name in given:
            raise ConfigError(f"options: {key} and {given[name][0]} are the same option; give one of them")
        given[name] = (key, value)
    settings = Settings()
    for name, (key, value) in given.items():
        _set(settings, name, key, value)
    return settings


def _set(settings: Settings, name: str, key: str, value: Any) -> None:
    if name == "reserve_vtx_vec":
        if isinstance(value, bool) or not isinstance(value, int):
            raise ConfigError(f"options: {key}: expected a number, got {shown(value)}")
        return
    if name == "elapse_time":
        if not isinstance(value, bool):
            raise ConfigError(f"options: {key}: expected true or false, got {shown(value)}")
        return
    if not isinstance(value, str):
        raise ConfigError(f"options: {key}: expected a string, got {shown(value)}")
    if name == "load_format":
        settings.load_format = _one_of(key, value, NAMES)
    elif name == "load_allowlist":
        settings.allowlist = ("cluster", *words) if (words := _words(value)) else ()
    elif name == "matcher_name":
        settings.subsystems = _subsystems(key, value)
    elif name == "matcher_policy":
        settings.policy = parse_policy(value)
    elif name == "traverser_policy":
        settings.flexible = _one_of(key, value, ("simple", "flexible")) == "flexible"
    elif name == "match_format":
        settings.match_format = _one_of(key, value, FORMATS)
    elif value.strip():
        settings.filters = parse_filters(value)


def _subsystems(key: str, value: str) -> tuple[str, ...]:
    """A name like `C+PA`, or subsystems with commas, the dominant one first."""
    if value in SUBSYSTEMS:
        return SUBSYSTEMS[value]
    words = _words(value)
    for word in words:
        if word not in _KNOWN_SUBSYSTEMS:
            hint = instead(word, [*_KNOWN_SUBSYSTEMS, *SUBSYSTEMS], "known")
            raise ConfigError(f"options: {key}: there is no subsystem {word!r:.80}{hint}")
    if not words or len(set(words)) < len(words):
        raise ConfigError(f"options: {key}: expected one or more subsystems, each once, got {shown(value)}")
    return words


def _words(value: str) -> tuple[str, ...]:
    return tuple(word for part in value.split(",") if (word := part.strip()))


def _one_of(key: str, value: str, known: tuple[str, ...]) -> str:
    if value not in known:
        raise ConfigError(f"options: {key}: no {value!r:.80}{instead(value, known, 'known')}")
    return value
