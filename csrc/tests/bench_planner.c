/* Planner operations a second, with so many spans in it: add and remove a span, ask for a window, search the earliest time. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "fluxplug_graph.h"

static uint64_t state = 88172645463325252u;

static int64_t below(int64_t limit) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (int64_t)(state % (uint64_t)limit);
}

static double now(void) {
    struct timespec time;
    timespec_get(&time, TIME_UTC);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

int main(void) {
    enum { OPERATIONS = 400000 };
    static const int64_t sizes[] = {10, 1000, 100000};
    printf("%8s %10s %14s %14s %14s %14s\n", "spans", "points", "add+remove/s", "available/s", "earliest/s", "earliest, full");
    for (size_t s = 0; s < 3; s++) {
        int64_t spans = sizes[s], horizon = spans * 60, total = 1000000, sink = 0;
        fg_planner *planner = fg_planner_new(NULL, total);
        int64_t *at = malloc((size_t)spans * 2 * sizeof *at);
        if (!planner || !at) return 1;
        for (int64_t i = 0; i < spans; i++) {
            at[2 * i] = below(horizon);
            at[2 * i + 1] = 1 + below(3600);
            if (fg_planner_add(planner, at[2 * i], at[2 * i + 1], 1 + i % 64) != FG_OK) return 1;
        }
        uint32_t points = fg_planner_points(planner);
        double begin = now();
        for (int i = 0; i < OPERATIONS; i++) {
            int64_t *one = at + 2 * below(spans), amount = 1 + (one - at) / 2 % 64;
            if (fg_planner_remove(planner, one[0], one[1], amount) != FG_OK) return 1;
            one[0] = below(horizon);
            if (fg_planner_add(planner, one[0], one[1], amount) != FG_OK) return 1;
        }
        double change = now() - begin;
        begin = now();
        for (int i = 0; i < OPERATIONS; i++) sink += fg_planner_available(planner, below(horizon), 1 + below(36000));
        double ask = now() - begin;
        begin = now();
        for (int i = 0; i < OPERATIONS; i++) sink += fg_planner_earliest(planner, below(horizon / 2), 3600, total - below(4000));
        double search = now() - begin;
        begin = now(); /* all of the pool, for longer than any gap: to the end of the plan */
        for (int i = 0; i < OPERATIONS / 100; i++) sink += fg_planner_earliest(planner, 0, 3600, total);
        double full = now() - begin;
        printf("%8lld %10u %14.0f %14.0f %14.0f %14.0f%s\n", (long long)spans, (unsigned)points, OPERATIONS / change, OPERATIONS / ask,
               OPERATIONS / search, OPERATIONS / 100 / full, sink == 1 ? "" : " ");
        free(at);
        fg_planner_free(planner);
    }
    return 0;
}
