"""What a session of the command carries from one command to the next only because the original does.

Nothing of this is in a matcher, and a pool uses none of it. Each thing, with its section in fluxion.md:

- `errno`: a register that every failed check overwrites and no success clears; it decides what a commit that found nothing
  looks like (12.6), and what a failed `remove` says (9.4).
- `visits`: one pair of visit counts, set or added to by each command (9.2).
- `labels`: labels stay on vertices after the job that set them (8.3).
- `exclusive_types`: types that an invalid request wanted exclusively stay in force (12.8).
- `leftovers.nodes`, `leftovers.edges`: what a failed output had collected comes first in the next one (8.7).
- `leftovers.shorthand`: the `writer` key stays once something was left out (8.4).
- `leftovers.queue`: `attributes` stay once a job had a queue (8.6).
- `leftovers.shift`: lines move right for good after a vertex could not be booked (12.11).
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from attrs import define, field

from fluxplug_pool_graph.matcher import Outcome, Verdict, Visits
from fluxplug_pool_graph.writers import Leftovers

if TYPE_CHECKING:
    from fluxplug_pool_graph.jobspec import Request

_CODES = {
    Verdict.DONE: 0,
    Verdict.BUSY: errno.EBUSY,
    Verdict.NEVER: errno.ENODEV,
    Verdict.INVALID: errno.EINVAL,
    Verdict.OVERFLOW: errno.EOVERFLOW,
    Verdict.ABSENT: errno.ENOENT,
}


@define
class Imitation:
    """See the list above."""

    errno: int = errno.ENOTTY
    visits: Visits = field(factory=Visits)
    labels: dict[int, str] = field(factory=dict)
    exclusive_types: set[str] = field(factory=set)
    leftovers: Leftovers = field(factory=Leftovers)

    def note(self, outcome: Outcome, request: Request | None = None) -> int:
        """Take in what came of a match or update; return its errno, 0 for a success."""
        if outcome.visits is not None:
            self.visits = outcome.visits
        self.visits += outcome.more_visits
        self.labels.update(outcome.labels)
        self.errno = outcome.failure or self.errno
        if outcome.verdict is Verdict.EMPTY:
            return self.errno
        code = _CODES[outcome.verdict]
        if outcome.verdict is Verdict.INVALID and request is not None:
            self.exclusive_types |= request.exclusive_types()
        self.errno = code or self.errno
        return code
