"""A small, slow, obviously right matcher in plain Python: the oracle that tests hold a fast matcher against.

Written for clarity from fluxion.md; section numbers are that file's. Nothing here is optimised, and nothing outside tests uses it.

    planner     amounts over time, and filters               (section 4)
    sorting     the sort that decides between equals         (6.5)
    graph       what a vertex remembers                      (1, 4.3)
    groups      candidates, scores, the order of choice      (5.7, 6.2, 6.3)
    aggregates  what a request needs at least                (4.4)
    slots       from candidates to slots                     (5.5, 6.7)
    walk        one select at one time                       (5.4 to 5.8, 6.4)
    commit      from marks to bookings                       (7.1)
    release     cancel and partial cancel                    (7.2, 7.3)
    update      taking what a document says                  (7.4)
    change      attach, remove, status                       (7.5, 7.6)
    find        searches                                     (9.3)
    matcher     the operations                               (5.1 to 5.3)
"""

from .matcher import SlowMatcher as SlowMatcher
