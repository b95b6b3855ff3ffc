"""The least that a Python program must do for a schedule: a bare loop over one profile, no engine, no pool, no plugins.

The bound that `bench/simulation.py` compares with. Written apart from the engine, so that equal schedules also check each other. Input: jobs
as (submit, run, limit, width) in submit order; output: the start of each.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from heapq import heappop, heappush
from math import inf

Job = tuple[float, float, float, int]


def easy(jobs: list[Job], width: int) -> list[float]:
    """EASY backfill (policies.md section 1): the shadow time by a walk over the planned ends."""
    start = [0.0] * len(jobs)
    ends: list[tuple[float, int]] = []
    planned: list[tuple[float, int]] = []
    queue: list[int] = []
    free, coming = width, 0
    while coming < len(jobs) or ends:
        now = min(jobs[coming][0] if coming < len(jobs) else inf, ends[0][0] if ends else inf)
        while ends and ends[0][0] == now:
            i = heappop(ends)[1]
            free += jobs[i][3]
            del planned[bisect_left(planned, (start[i] + jobs[i][2], i))]
        while coming < len(jobs) and jobs[coming][0] == now:
            queue.append(coming)
            coming += 1
        shadow, extra = inf, -1
        left = []
        for place, i in enumerate(queue):
            _, run, limit, need = jobs[i]
            if need <= free and (extra < 0 or now + limit <= shadow or need <= extra):
                start[i] = now
                free -= need
                if extra >= 0 and now + limit > shadow:
                    extra -= need
                heappush(ends, (now + run, i))
                at = bisect_left(planned, (now + limit, i))
                planned.insert(at, (now + limit, i))
            else:
                left.append(i)
                if extra < 0:
                    have = free
                    for end, j in planned:
                        have += jobs[j][3]
                        if have >= need and shadow == inf:
                            shadow = end
                        if have >= need and end > shadow:
                            have -= jobs[j][3]
                            break
                    extra = have - need
                if not free:
                    left.extend(queue[place + 1 :])
                    break
        queue = left
    return start


def conservative(jobs: list[Job], width: int) -> list[float]:
    """Conservative backfill with one round of renewal after early ends (policies.md section 1): lift, search, put back."""
    times, free = [-inf], [width]

    def take(begin: float, end: float, amount: int) -> None:
        first = bisect_right(times, begin) - 1
        if times[first] != begin:
            first += 1
            times.insert(first, begin)
            free.insert(first, free[first - 1])
        last = bisect_left(times, end, first)
        if last == len(times) or times[last] != end:
            times.insert(last, end)
            free.insert(last, free[last - 1])
        for k in range(first, last):
            free[k] -= amount

    def earliest(amount: int, limit: float, after: float) -> float:
        i = bisect_right(times, after) - 1
        begin = after
        while True:
            while free[i] < amount:
                i += 1
                begin = times[i]
            k = i + 1
            while k < len(times) and times[k] < begin + limit:
                if free[k] < amount:
                    break
                k += 1
            else:
                return begin
            i = k

    start = [0.0] * len(jobs)
    ends: list[tuple[float, int]] = []
    due: list[tuple[float, int]] = []
    promised: dict[int, float] = {}
    coming = 0
    while coming < len(jobs) or ends or promised:
        while due and promised.get(due[0][1]) != due[0][0]:
            heappop(due)
        now = min(
            jobs[coming][0] if coming < len(jobs) else inf, ends[0][0] if ends else inf, due[0][0] if due else inf
        )
        early = False
        while ends and ends[0][0] == now:
            i = heappop(ends)[1]
            end = start[i] + jobs[i][2]
            if end > now:
                early = True
                take(now, end, -jobs[i][3])
        past = bisect_right(times, now) - 1
        del times[:past], free[:past]
        if early:
            for i, old in promised.items():
                _, _, limit, need = jobs[i]
                take(old, old + limit, -need)
                new = min(earliest(need, limit, now), old)
                take(new, new + limit, need)
                if new < old:
                    promised[i] = new
                    heappush(due, (new, i))
        while coming < len(jobs) and jobs[coming][0] == now:
            _, _, limit, need = jobs[coming]
            new = earliest(need, limit, now)
            take(new, new + limit, need)
            promised[coming] = new
            heappush(due, (new, coming))
            coming += 1
        while due and due[0][0] == now:
            _, i = heappop(due)
            if promised.get(i) == now:
                del promised[i]
                start[i] = now
                heappush(ends, (now + jobs[i][1], i))
    return start
