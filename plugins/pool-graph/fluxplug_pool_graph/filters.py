"""Prune filters, `HL:LL,...`: which low-level types are counted at which high-level types (fluxion.md section 4.3).

Also the numbering of resource types, which decides the order inside a filter and in R (section 1.3).
"""

from __future__ import annotations

from attrs import define, field

from fluxplug.errors import ConfigError

ALL = "ALL"
DEFAULT = "ALL:core,ALL:node"

#: Types that every graph knows, in their fixed order.
BUILT_IN = ("cluster", "core", "socket", "gpu", "node", "rack", "slot", "xor_slot", "ssd", "storage_node")


@define
class PruneFilters:
    """High-level type to low-level types; `everywhere` are the types of ALL, `named` all types in the order of the text."""

    everywhere: list[str] = field(factory=list)
    specific: dict[str, list[str]] = field(factory=dict)
    named: list[str] = field(factory=list)

    def add(self, high: str, low: str) -> None:
        """Track `low` at `high`. ALL swallows specific entries, whichever comes first."""
        self.named += [kind for kind in (high, low) if kind != ALL and kind not in self.named]
        if high == ALL:
            if low not in self.everywhere:
                self.everywhere.append(low)
            for lows in self.specific.values():
                if low in lows:
                    lows.remove(low)
        elif low not in self.everywhere and low not in self.specific.setdefault(high, []):
            self.specific[high].append(low)

    def tracked(self) -> set[str]:
        """Every type that some filter counts."""
        return set(self.everywhere).union(*self.specific.values())

    def planners(self, kind: str, order: dict[str, int]) -> list[str]:
        """The types that the filter of a vertex of type `kind` counts, in the order of its planners."""
        specific = sorted(self.specific.get(kind, []), key=order.__getitem__)
        everywhere = sorted((low for low in self.everywhere if low != kind), key=order.__getitem__)
        return specific + everywhere


def parse_filters(text: str) -> PruneFilters:
    """Read `HL:LL,...`; blanks are stripped. Raises ConfigError for an empty half or a missing colon."""
    filters = PruneFilters()
    for part in text.split(","):
        high, colon, low = (half.strip() for half in part.partition(":"))
        if not (high and colon and low) or ":" in low:
            raise ConfigError(f"prune filters {text!r}: {part!r} is not HIGH:LOW")
        filters.add(high, low)
    return filters


def number_types(types: list[str], filters: PruneFilters) -> dict[str, int]:
    """Type to number: the built-in ones, those of the document in its order, then those that only filters name."""
    return {kind: number for number, kind in enumerate(dict.fromkeys([*BUILT_IN, *types, *filters.named]))}
