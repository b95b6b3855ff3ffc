"""Match policies by name, and custom ones as `key=value` words (fluxion.md section 6.1)."""

from __future__ import annotations

from attrs import evolve, frozen

from fluxplug.errors import ConfigError


@frozen
class Policy:
    """How candidates are scored and compared.

    `order` is `high`, `low`, `locality` or `variation`. `node_centric` adds what the node weighs to the score of all below
    it, `node_exclusive` hands out whole nodes, `stop_early` stops looking as soon as enough has been gathered.
    """

    order: str
    node_centric: bool = False
    node_exclusive: bool = False
    stop_early: bool = False


POLICIES = {
    "first": Policy("high", node_centric=True, stop_early=True),
    "firstnodex": Policy("high", node_centric=True, node_exclusive=True, stop_early=True),
    "high": Policy("high"),
    "low": Policy("low"),
    "hinode": Policy("high", node_centric=True),
    "lonode": Policy("low", node_centric=True),
    "hinodex": Policy("high", node_centric=True, node_exclusive=True),
    "lonodex": Policy("low", node_centric=True, node_exclusive=True),
    "locality": Policy("locality"),
    "variation": Policy("variation"),
}

_SWITCHES = ("node_centric", "node_exclusive", "stop_on_1_matches")


def parse_policy(text: str) -> Policy:
    """The policy that a name or a custom text stands for. Raises ConfigError.

    In a custom text an invalid word is ignored when a valid `policy=` came before it, and an error otherwise, as the
    original has it.
    """
    if text in POLICIES:
        return POLICIES[text]
    policy = Policy("")
    for word in text.split():
        key, _, value = word.partition("=")
        if key == "policy" and value in ("high", "low"):
            order = "high" if "high" in (value, policy.order) else "low"
            policy = evolve(policy, order=order)
        elif key in _SWITCHES and value in ("true", "false"):
            policy = _switched(policy, key, on=value == "true")
        elif not policy.order:
            break
    if not policy.order:
        raise ConfigError(
            f"match policy {text!r}: neither one of {', '.join(POLICIES)} nor a custom policy=high|low ..."
        )
    return policy


def _switched(policy: Policy, key: str, *, on: bool) -> Policy:
    if key == "node_centric":
        return evolve(policy, node_centric=on)
    if key == "node_exclusive":
        return evolve(policy, node_exclusive=on)
    return evolve(policy, stop_early=on)
