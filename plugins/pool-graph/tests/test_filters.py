"""Prune filters, type numbers and match policies."""

import pytest
from fluxplug_pool_graph.filters import BUILT_IN, number_types, parse_filters
from fluxplug_pool_graph.policies import POLICIES, Policy, parse_policy

from fluxplug.errors import ConfigError


@pytest.mark.parametrize("text", ["xx", "ALL:", ":core", "ALL:core,", "", "a:b:c", " : "])
def test_what_is_no_filter(text):
    with pytest.raises(ConfigError):
        parse_filters(text)


def test_all_swallows_what_is_specific():
    filters = parse_filters("rack:core, rack : node ,ALL:core,node:core,rack:node")
    assert (filters.everywhere, filters.specific) == (["core"], {"rack": ["node"]})
    assert filters.tracked() == {"core", "node"}


def test_types_are_numbered_by_first_use():
    filters = parse_filters("ALL:zeta,alpha:core")
    order = number_types(["memory", "node"], filters)
    assert list(order) == [*BUILT_IN, "memory", "zeta", "alpha"]
    assert list(order.values()) == list(range(len(order)))


def test_planners_of_a_filter_have_the_specific_types_first():
    filters = parse_filters("ALL:node,ALL:core,rack:memory,rack:gpu")
    order = number_types(["memory"], filters)
    assert filters.planners("rack", order) == ["gpu", "memory", "core", "node"]
    assert filters.planners("node", order) == ["core"]
    assert parse_filters("rack:node").planners("node", order) == []


@pytest.mark.parametrize(
    ("text", "policy"),
    [
        ("first", POLICIES["first"]),
        ("policy=low", Policy("low")),
        ("policy=low  policy=high policy=low", Policy("high")),
        ("policy=high node_centric=true node_exclusive=true", POLICIES["hinodex"]),
        ("stop_on_1_matches=true policy=high node_centric=true", POLICIES["first"]),
        ("policy=high node_centric=maybe stop_on_1_matches=true", Policy("high", stop_early=True)),
    ],
)
def test_policies(text, policy):
    assert parse_policy(text) == policy


@pytest.mark.parametrize(
    "text", ["", "best", "node_centric=true", "policy=best", "set_stop_on_1_matches=true policy=high"]
)
def test_what_is_no_policy(text):
    with pytest.raises(ConfigError, match="policy"):
        parse_policy(text)
