/* The planner against a naive one: an amount for every second of a short time, and a count of spans for every point. */
#include <stdlib.h>

#include "harness.h"

#define END 600 /* the naive one's time; nothing happens later */
#define SPANS 400

typedef struct naive {
    int64_t total, available[END + 1];
    unsigned spans[END + 1];
} naive;

typedef struct span {
    int64_t at, duration, amount;
} span;

static int64_t naive_available(const naive *n, int64_t at, int64_t duration) {
    int64_t low = n->available[at];
    for (int64_t t = at; t < at + duration && t <= END; t++)
        if (n->available[t] < low) low = n->available[t];
    return low;
}

static void naive_change(naive *n, const span *s, int64_t sign, int points) {
    for (int64_t t = s->at; t < s->at + s->duration; t++) n->available[t] += sign * s->amount;
    n->spans[s->at] += (unsigned)points;
    n->spans[s->at + s->duration] += (unsigned)points;
}

static int64_t naive_earliest(const naive *n, int64_t from, int64_t duration, int64_t amount) {
    for (int64_t t = from; t <= END; t++)
        if ((n->spans[t] || t == 0) && naive_available(n, t, duration) >= amount) return t;
    return FG_NOT_FOUND;
}

static int64_t naive_below(const naive *n, int64_t from, int64_t amount) {
    for (int64_t t = from; t <= END; t++)
        if (n->available[t] < amount) return t;
    return FG_TIME_END;
}

static uint32_t naive_points(const naive *n) {
    uint32_t count = 1;
    for (int t = 1; t <= END; t++) count += n->spans[t] > 0;
    return count + (n->spans[0] > 0 ? 0 : 0);
}

static void compare(const fg_planner *planner, const naive *n, unsigned *random) {
    CHECK(fg_planner_check(planner) == FG_OK);
    CHECK(fg_planner_points(planner) == naive_points(n));
    for (int i = 0; i < 8; i++) {
        int64_t at = next_random(random) % END, amount = next_random(random) % (unsigned)(n->total + 1);
        int64_t duration = 1 + next_random(random) % (i % 2 ? 10u : 2 * END);
        int64_t low = naive_available(n, at, duration);
        CHECK(fg_planner_available(planner, at, duration) == low);
        CHECK(fg_planner_fits(planner, at, duration, amount) == (low >= amount ? FG_OK : FG_BUSY));
        CHECK(fg_planner_earliest(planner, at, duration, amount) == naive_earliest(n, at, duration, amount));
        CHECK(fg_planner_below(planner, at, amount + i % 2) == naive_below(n, at, amount + i % 2));
        int64_t found = FG_NOT_FOUND, wanted = FG_NOT_FOUND;
        for (int64_t t = END; t > at; t--)
            if (n->spans[t]) wanted = t;
        int64_t next = fg_planner_next(planner, at, &found);
        CHECK(next == wanted && (next < 0 || found == n->available[next]));
    }
}

/* One random history: spans come and go, the denser the more. */
static void history(unsigned seed, unsigned steps, unsigned horizon, int64_t total) {
    static naive n;
    static span spans[SPANS];
    unsigned random = seed * 2654435761u + 1, count = 0;
    n = (naive){.total = total};
    for (int t = 0; t <= END; t++) n.available[t] = total;
    fg_planner *planner = fg_planner_new(NULL, total);
    if (!planner) abort();
    for (unsigned step = 0; step < steps; step++) {
        bool add = count < SPANS && next_random(&random) % 16 < (step < steps / 2 ? 11u : 5u);
        if (add) {
            span s = {.at = next_random(&random) % horizon, .amount = next_random(&random) % (unsigned)(total / 8 + 2)};
            s.duration = 1 + next_random(&random) % (horizon / 4);
            bool fits = s.amount <= naive_available(&n, s.at, s.duration);
            int code = fg_planner_add(planner, s.at, s.duration, s.amount);
            CHECK(code == (fits ? FG_OK : s.amount > total ? FG_RANGE : FG_BUSY));
            if (fits) {
                naive_change(&n, &s, -1, 1);
                spans[count++] = s;
            }
        } else if (count) {
            unsigned which = next_random(&random) % count;
            span *s = &spans[which];
            if (next_random(&random) % 8 == 0 && s->amount) {
                span part = *s;
                part.amount = next_random(&random) % (unsigned)(s->amount + 1);
                CHECK(fg_planner_reduce(planner, part.at, part.duration, part.amount) == FG_OK);
                naive_change(&n, &part, 1, 0);
                s->amount -= part.amount;
            } else {
                CHECK(fg_planner_remove(planner, s->at, s->duration, s->amount) == FG_OK);
                naive_change(&n, s, 1, -1);
                *s = spans[--count];
            }
        }
        if (step % 5 == 0) compare(planner, &n, &random);
    }
    while (count) {
        count--;
        CHECK(fg_planner_remove(planner, spans[count].at, spans[count].duration, spans[count].amount) == FG_OK);
    }
    CHECK(fg_planner_points(planner) == 1 && fg_planner_check(planner) == FG_OK && fg_planner_available(planner, 0, FG_TIME_END) == total);
    fg_planner_free(planner);
}

static void test_edges(void) {
    CHECK(fg_planner_new(NULL, -1) == NULL);
    fg_planner *p = fg_planner_new(NULL, 4);
    if (!p) abort();
    CHECK(fg_planner_total(p) == 4 && fg_planner_points(p) == 1);
    CHECK(fg_planner_available(p, 0, 0) == FG_INVALID && fg_planner_available(p, -1, 1) == FG_INVALID);
    CHECK(fg_planner_available(p, 1, FG_TIME_END) == FG_RANGE && fg_planner_available(p, 1, FG_TIME_END - 1) == 4);
    CHECK(fg_planner_add(p, 0, 1, 5) == FG_RANGE && fg_planner_add(p, 0, 1, -1) == FG_INVALID && fg_planner_add(p, 0, 0, 1) == FG_INVALID);
    CHECK(fg_planner_earliest(p, 0, 5, 4) == 0 && fg_planner_earliest(p, 1, 5, 1) == FG_NOT_FOUND);
    CHECK(fg_planner_earliest(p, 0, 5, 5) == FG_RANGE && fg_planner_earliest(p, 0, 0, 1) == FG_INVALID);
    CHECK(fg_planner_below(p, -1, 0) == FG_INVALID && fg_planner_below(p, 0, -1) == FG_INVALID);
    CHECK(fg_planner_below(p, 7, 4) == FG_TIME_END && fg_planner_below(p, 7, 5) == 7 && fg_planner_below(p, FG_TIME_END, INT64_MAX) == FG_TIME_END);
    CHECK(fg_planner_add(p, 2, 4, 3) == FG_OK && fg_planner_add(p, 4, 5, 1) == FG_OK);
    CHECK(fg_planner_below(p, 0, 1) == 4 && fg_planner_below(p, 2, 4) == 2 && fg_planner_below(p, 6, 4) == 6 && fg_planner_below(p, 9, 4) == FG_TIME_END);
    CHECK(fg_planner_points(p) == 5);
    CHECK(fg_planner_fits(p, 4, 1, 1) == FG_BUSY && fg_planner_fits(p, 6, 1, 3) == FG_OK && fg_planner_fits(p, 0, 9, 1) == FG_BUSY);
    CHECK(fg_planner_earliest(p, 0, 2, 4) == 0 && fg_planner_earliest(p, 0, 3, 4) == 9 && fg_planner_earliest(p, 0, 3, 2) == 6);
    CHECK(fg_planner_earliest(p, 9, FG_TIME_END - 9, 4) == 9 && fg_planner_earliest(p, 9, FG_TIME_END - 8, 4) == FG_NOT_FOUND);
    CHECK(fg_planner_remove(p, 2, 3, 1) == FG_NOT_FOUND && fg_planner_remove(p, 2, 4, 4) == FG_NOT_FOUND);
    CHECK(fg_planner_remove(p, 0, 2, 0) == FG_NOT_FOUND && fg_planner_remove(p, 2, 4, 5) == FG_RANGE);
    CHECK(fg_planner_points(p) == 5 && fg_planner_check(p) == FG_OK);
    CHECK(fg_planner_set_total(p, 3) == FG_RANGE && fg_planner_set_total(p, -1) == FG_RANGE && fg_planner_set_total(p, 8) == FG_OK);
    CHECK(fg_planner_available(p, 0, 100) == 4);
    CHECK(fg_planner_add(p, 0, FG_TIME_END, 4) == FG_OK && fg_planner_remove(p, 0, FG_TIME_END, 4) == FG_OK);
    CHECK(fg_planner_points(p) == 5);
    fg_planner_free(p);
    fg_planner_free(NULL);
    CHECK(fg_planner_new(NULL, FG_MAX_TOTAL + 1) == NULL);
    p = fg_planner_new(NULL, FG_MAX_TOTAL);
    if (!p) abort();
    for (int64_t at = 0; at < 400; at += 10) CHECK(fg_planner_add(p, (at * 7) % 400, 5, FG_MAX_TOTAL - at) == FG_OK);
    CHECK(fg_planner_check(p) == FG_OK && fg_planner_earliest(p, 0, 100, FG_MAX_TOTAL) == 395);
    for (int64_t at = 0; at < 400; at += 10) CHECK(fg_planner_remove(p, (at * 7) % 400, 5, FG_MAX_TOTAL - at) == FG_OK);
    CHECK(fg_planner_set_total(p, FG_MAX_TOTAL + 1) == FG_RANGE && fg_planner_check(p) == FG_OK);
    fg_planner_free(p);
}

static void test_together(void) {
    fg_planner *both[2] = {fg_planner_new(NULL, 4), fg_planner_new(NULL, 2)};
    static const span spans[][2] = {{{0, 10, 4}, {0, 10, 0}}, {{10, 5, 1}, {10, 5, 2}}, {{15, 5, 4}, {15, 5, 1}}};
    for (size_t i = 0; i < 3; i++)
        for (size_t k = 0; k < 2; k++) CHECK(fg_planner_add(both[k], spans[i][k].at, spans[i][k].duration, spans[i][k].amount) == FG_OK);
    CHECK(fg_planners_earliest(both, (const int64_t[]){1, 1}, 2, 0, 1) == 20);
    CHECK(fg_planners_earliest(both, (const int64_t[]){1, 0}, 2, 0, 1) == 10);
    CHECK(fg_planners_earliest(both, (const int64_t[]){0, 2}, 2, 1, 1) == 20);
    CHECK(fg_planners_earliest(both, (const int64_t[]){0, 2}, 2, 0, 10) == 0);
    CHECK(fg_planners_earliest(both, (const int64_t[]){0, 3}, 2, 0, 1) == FG_RANGE);
    CHECK(fg_planners_earliest(both, (const int64_t[]){0, 0}, 2, 21, 1) == FG_NOT_FOUND);
    fg_planner_free(both[0]);
    fg_planner_free(both[1]);
}

/* Large: many points, then none, by a sum that is known. */
static void test_many(void) {
    enum { COUNT = 20000 };
    fg_planner *p = fg_planner_new(NULL, COUNT);
    if (!p) abort();
    for (int i = 0; i < COUNT; i++) CHECK(fg_planner_add(p, (i * 7919LL) % COUNT * 3 + 1, 3LL * COUNT, 1) == FG_OK);
    CHECK(fg_planner_points(p) == 2 * COUNT + 1 && fg_planner_check(p) == FG_OK);
    CHECK(fg_planner_below(p, 0, COUNT - 5) == 16 && fg_planner_below(p, 3LL * COUNT, 2) == 3LL * COUNT - 2 + 2 &&
          fg_planner_below(p, 6LL * COUNT, COUNT) == FG_TIME_END);
    CHECK(fg_planner_available(p, 0, 7LL * COUNT) == 0 && fg_planner_earliest(p, 1, 1, COUNT) == 3LL * COUNT * 2 - 2);
    for (int i = 0; i < COUNT; i++) CHECK(fg_planner_remove(p, i * 3 + 1, 3LL * COUNT, 1) == FG_OK);
    CHECK(fg_planner_points(p) == 1 && fg_planner_check(p) == FG_OK);
    fg_planner_free(p);
}

void test_planner(void) {
#ifdef QUICK
    unsigned seeds = 4;
#else
    unsigned seeds = 60;
#endif
    for (unsigned seed = 1; seed <= seeds; seed++) history(seed, 800, seed % 3 ? 400 : 40, seed % 2 ? 1000 : 5);
    test_edges();
    test_together();
    test_many();
}
