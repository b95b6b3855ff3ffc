"""The contract of a resource pool: who holds what, what is up, and what is promised.

A pool subclasses `ResourcePoolImplementation` and is found by its `name` (DESIGN 5.2). The first half of the contract is Flux's
scheduler-side pool API; the second half is the plan, with working defaults on `copy()` and simulated ends, so that a small pool
gets every backfill policy for nothing and a fast one overrides them.

Not here: sets of resources (`rset`), the parsed request (`request`), the choice of a pool for an R (`ResourcePool`).
"""

from __future__ import annotations
