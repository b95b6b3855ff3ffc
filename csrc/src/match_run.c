/* The operations of fluxion.md 5.1 to 5.3 over walks and commits. */
#include <errno.h>

#include "match.h"

typedef struct run {
    fg_matcher *m;
    const fg_request *request;
    int operation;
    int64_t job, duration;
    fg_outcome *out;
    int code;
    bool quick, deep; /* visits need not be counted; as fgx_walk */
} run;

static fgx_walk walk_at(const run *r, uint32_t variant, int64_t at, enum fgx_mode mode) {
    return (fgx_walk){.m = r->m, .request = r->request, .variant = variant, .at = at, .duration = r->duration, .mode = mode, .deep = r->deep};
}

/* Walks, and notes what it left. */
static bool try(run *r, fgx_walk *walk) {
    bool quick = r->quick && fgx_quick_applies(r->m, r->request, walk->variant);
    bool found = quick ? fgx_quick_run(walk) : fgx_walk_run(walk);
    if (walk->failure) r->out->failure = walk->failure;
    r->code = walk->code;
    return found && walk->code == FG_OK;
}

static void count_more(run *r, const fgx_walk *walk) {
    r->out->more_entered += walk->entered;
    r->out->more_succeeded += walk->succeeded;
}

static void count_first(run *r, const fgx_walk *walk) {
    r->out->has_visits = !r->quick;
    r->out->entered = walk->entered;
    r->out->succeeded = walk->succeeded;
}

static int64_t far_future(const run *r) {
    return FG_TIME_END - r->duration - 1;
}

static void take(run *r, const fgx_walk *walk, enum fgx_booking booking, int64_t duration) {
    fg_matcher *m = r->m;
    bool commits = r->operation == FG_ALLOCATE || r->operation == FG_OR_RESERVE || r->operation == FG_WITH_SATISFIABILITY;
    fg_span span = {.job = r->job, .start = walk->at, .duration = duration};
    fgx_root root = {.needs = walk->root_needs, .exclusive = walk->root_exclusive};
    r->code = fgx_commit(m, &span, commits ? booking : FGX_NOTHING, root);
    r->out->at = walk->at;
    r->out->duration = duration;
    r->out->verdict = m->taken_count ? FG_DONE : FG_NOTHING;
    if (r->code != FG_BUSY) return;
    /* What was selected is not all free: somebody holds a part of what is taken whole. */
    r->code = FG_OK;
    r->out->verdict = FG_LATER;
    r->out->failure = EBUSY;
    r->out->at = r->out->duration = 0;
    m->taken_count = 0;
}

/* The quick check of 5.2. */
static bool has_enough_nodes(const run *r, uint32_t variant) {
    const fg_matcher *m = r->m;
    uint32_t index = fgx_counted_index(m, FGG_TYPE_node), all;
    int64_t needs = index == FG_NONE ? 0 : r->request->needs[(size_t)variant * m->counted_count + index], usable = 0;
    if (needs > m->nodes_up) return false;
    if (!r->request->accepts) return true;
    bool anyway = r->operation == FG_WITH_SATISFIABILITY, now = r->operation == FG_ALLOCATE || r->operation == FG_WITHOUT_ALLOCATING;
    int64_t at = now ? m->now : m->options.lifetime - 1;
    const uint32_t *nodes;
    all = fg_by_type(m->graph, FGG_TYPE_node, &nodes);
    for (uint32_t i = 0; i < all && usable < needs; i++) {
        uint32_t v = nodes[i];
        if (!fgx_accepts(m, r->request, v) || (!anyway && m->down[v])) continue;
        usable += fgx_available(m, v, at, r->duration) == 1;
    }
    return usable >= needs;
}

static int ever(run *r, uint32_t variant, bool counted) {
    fgx_walk walk = walk_at(r, variant, far_future(r), FGX_EVER);
    bool found = try(r, &walk);
    if (counted) count_more(r, &walk);
    r->out->failure = found ? EBUSY : ENODEV;
    return found ? FG_LATER : FG_NEVER;
}

static void satisfiability(run *r) {
    for (uint32_t i = 0; i < r->request->variants && r->code == FG_OK; i++) {
        fgx_walk walk = walk_at(r, i, far_future(r), FGX_EVER);
        bool found = try(r, &walk);
        count_first(r, &walk);
        if (!found) continue;
        r->out->verdict = FG_DONE;
        return;
    }
    r->out->verdict = FG_NEVER;
    r->out->failure = ENODEV;
}

/* The next time, at or after `from`, at which the root's filter has room for some variant; negative at the end. */
static int64_t next_time(const run *r, int64_t from) {
    const fg_matcher *m = r->m;
    int64_t next = FG_NOT_FOUND;
    for (uint32_t i = 0; i < r->request->variants; i++) {
        int64_t time = fgx_filter_earliest(m, m->root, r->request->needs + (size_t)i * m->counted_count, from, r->duration);
        if (time >= 0 && (next < 0 || time < next)) next = time;
    }
    return next;
}

static void later(run *r) {
    const fg_matcher *m = r->m;
    if (!m->filter[m->root]) {
        r->code = FG_NOT_FOUND;
        return;
    }
    for (int64_t time = next_time(r, m->now + 1); time >= 0; time = next_time(r, time + 1)) {
        for (uint32_t i = 0; i < r->request->variants; i++) {
            fgx_walk walk = walk_at(r, i, time, FGX_LATER);
            bool found = try(r, &walk);
            count_more(r, &walk);
            if (r->code != FG_OK) return;
            if (!found) continue;
            int64_t left = m->options.lifetime - time;
            if (left > 0) take(r, &walk, FGX_RESERVATION, r->duration < left ? r->duration : left);
            else {
                r->out->verdict = FG_LATER;
                r->out->failure = EBUSY;
            }
            return;
        }
    }
    r->out->failure = ENOENT;
    r->out->verdict = FG_NEVER;
    for (uint32_t i = 0; i < r->request->variants && r->code == FG_OK; i++)
        if (ever(r, i, false) == FG_LATER) r->out->verdict = FG_LATER;
}

static void now(run *r) {
    bool with_answer = r->operation == FG_WITH_SATISFIABILITY, ahead = r->operation == FG_OR_RESERVE || r->operation == FG_WITHOUT_FUTURE;
    const fg_matcher *m = r->m;
    bool busy = false, passed = false;
    for (uint32_t i = 0; i < r->request->variants && r->code == FG_OK; i++) {
        if (!has_enough_nodes(r, i)) {
            busy = busy || !with_answer;
            r->out->failure = with_answer ? ENODEV : EBUSY;
            continue;
        }
        fgx_walk walk = walk_at(r, i, m->now, FGX_NOW);
        bool found = try(r, &walk);
        if (r->code != FG_OK) return;
        if (found) {
            count_first(r, &walk);
            r->out->more_entered = r->out->more_succeeded = 0;
            take(r, &walk, FGX_ALLOCATION, r->duration);
            return;
        }
        passed = true;
        busy = (with_answer ? ever(r, i, true) == FG_LATER : true) || busy;
    }
    r->out->verdict = busy ? FG_LATER : FG_NEVER;
    if (ahead && passed && r->code == FG_OK) later(r);
}

static void begin(fg_matcher *m, fg_outcome *out) {
    *out = (fg_outcome){.failed = FG_NONE};
    fgx_rewind(m);
    m->taken_count = m->labels_count = m->events_count = m->rows_count = 0;
}

static void set_whole(fg_matcher *m, const fg_request *request, const uint32_t *whole, uint32_t count, uint8_t value) {
    for (uint32_t i = 0; i < count; i++)
        if (whole[i] < m->type_limit) m->whole[whole[i]] = value;
    for (uint32_t e = 0; request && e < request->entry_count; e++)
        if (request->entries[e].exclusive == 1 && request->entries[e].type < m->type_limit) m->whole[request->entries[e].type] = value;
    if (m->options.node_exclusive) m->whole[FGG_TYPE_node] = value;
}

/* What a job takes in addition would be lifted with the rest, and is in the plans. */
static bool is_lifted(const fg_matcher *m, int64_t id) {
    const fgx_job *job = fgx_find_job(m, id);
    return job && job->lifted;
}

/* Room for a result as large as any can be must be there before anything is taken; commits ask for it. */
static int show(fg_matcher *m, fg_outcome *out) {
    for (uint32_t i = 0; i < m->taken_count; i++) {
        const fgx_taken *from = &m->taken[i];
        m->rows[i] = (fg_row){.vertex = m->place[from->vertex], .parent = from->source == FG_NONE ? -1 : (int64_t)m->place[from->source],
                              .level = from->level, .amount = from->amount, .exclusive = from->exclusive, .shown = from->shown};
    }
    out->rows = m->taken_count;
    out->row = m->rows;
    out->labels = m->labels_count;
    out->label = m->labels;
    out->events = m->events_count;
    out->event = m->events;
    return FG_OK;
}

int fg_match(fg_matcher *m, fg_request *request, int operation, int quick, int64_t job, int64_t duration, const uint32_t *whole, uint32_t whole_count,
             fg_outcome *outcome) {
    begin(m, outcome);
    if (operation < FG_ALLOCATE || operation > FG_WITHOUT_FUTURE || duration < 1 || duration > m->options.lifetime) return FG_INVALID;
    if (is_lifted(m, job)) return FG_INVALID;
    int code = fgx_prepare(m, request);
    if (code != FG_OK) return code;
    run r = {.m = m, .request = request, .operation = operation, .job = job, .duration = duration, .out = outcome, .code = FG_OK};
    r.quick = quick != 0;
    set_whole(m, request, whole, whole_count, 1);
    if (operation == FG_SATISFIABILITY) satisfiability(&r);
    else now(&r);
    set_whole(m, request, whole, whole_count, 0);
    return r.code == FG_OK ? show(m, outcome) : r.code;
}

/* ---- Plans */

static int look(run *r, int64_t time) {
    fg_matcher *m = r->m;
    enum fgx_mode mode = time == m->now ? FGX_NOW : FGX_LATER;
    for (uint32_t i = 0; i < r->request->variants && r->out->verdict == FG_LATER; i++) {
        fgx_walk walk = walk_at(r, i, time, mode);
        bool found = try(r, &walk);
        if (found) take(r, &walk, mode == FGX_NOW ? FGX_ALLOCATION : FGX_RESERVATION, r->duration);
        if (r->code != FG_OK) return r->code;
    }
    return FG_OK;
}

int fg_find(fg_matcher *m, fg_request *request, int how, int64_t job, int64_t from, int64_t until, int64_t duration, fg_outcome *outcome) {
    begin(m, outcome);
    if (from < m->now || !fgx_is_window(from, until, duration) || fgx_find_job(m, job)) return FG_INVALID;
    int code = fgx_prepare(m, request);
    if (code != FG_OK) return code;
    set_whole(m, request, NULL, 0, 1);
    run r = {.m = m, .request = request, .operation = FG_OR_RESERVE, .job = job, .duration = duration, .out = outcome, .quick = (how & FG_QUICK) != 0, .deep = true};
    outcome->verdict = FG_LATER;
    m->strict = true;
    m->keeps_order = (how & FG_PROMISE) != 0;
    for (int64_t time = from; code == FG_OK && time >= 0 && time <= until && outcome->verdict == FG_LATER; ) {
        code = look(&r, time);
        if (time == until || outcome->verdict != FG_LATER) break;
        if (!m->filter[m->root]) code = FG_NOT_FOUND;
        else time = next_time(&r, time + 1);
    }
    m->strict = m->keeps_order = false;
    set_whole(m, request, NULL, 0, 0);
    return code == FG_OK ? show(m, outcome) : code;
}

/* Counts what a variant needs in the root's filter. */
static int count_at_root(run *r, uint32_t variant, int64_t time) {
    fg_matcher *m = r->m;
    const fgx_layout *layout = &m->layouts[m->filters[m->filter[m->root]].layout];
    const int64_t *needs = r->request->needs + (size_t)variant * m->counted_count;
    fgx_job *job = fgx_want_job(m, r->job, 1, layout->count);
    if (!job) return FG_NO_MEMORY;
    for (uint32_t i = 0; i < layout->count; i++) job->counts[i] = needs[m->layout_types[layout->first + i]];
    job->holds[0] = (fgx_hold){.start = time, .duration = r->duration, .vertex = m->root, .counted = layout->count, .has = FGX_COUNT};
    int code = fgx_put(m, job, &job->holds[0]);
    job->hold_count = code == FG_OK;
    job->count_count = code == FG_OK ? layout->count : 0;
    fgx_drop_if_empty(m, job);
    return code;
}

int fg_find_amounts(fg_matcher *m, fg_request *request, int64_t job, int64_t from, int64_t until, int64_t duration, fg_outcome *outcome) {
    begin(m, outcome);
    if (from < m->now || !fgx_is_window(from, until, duration) || fgx_find_job(m, job)) return FG_INVALID;
    if (!m->filter[m->root]) return FG_NOT_FOUND;
    int code = fgx_prepare(m, request);
    if (code != FG_OK) return code;
    run r = {.m = m, .request = request, .job = job, .duration = duration, .out = outcome};
    outcome->verdict = FG_LATER;
    for (int64_t time = from; time >= 0 && time <= until; time = next_time(&r, time + 1)) {
        for (uint32_t i = 0; i < request->variants; i++) {
            if (!fgx_filter_fits(m, m->root, request->needs + (size_t)i * m->counted_count, time, duration)) continue;
            outcome->verdict = FG_DONE;
            outcome->at = time;
            outcome->duration = duration;
            return count_at_root(&r, i, time);
        }
        if (time == until) break;
    }
    return FG_OK;
}

int fg_feasible(fg_matcher *m, fg_request *request, int quick, fg_outcome *outcome) {
    begin(m, outcome);
    int code = fgx_prepare(m, request);
    if (code != FG_OK) return code;
    set_whole(m, request, NULL, 0, 1);
    run r = {.m = m, .request = request, .operation = FG_WITHOUT_ALLOCATING, .duration = 1, .out = outcome, .quick = quick != 0, .deep = true};
    outcome->verdict = FG_NEVER;
    m->strict = m->keeps_order = true; /* what is taken whole is one mark, and a question changes nothing */
    for (uint32_t i = 0; i < request->variants && outcome->verdict != FG_DONE && r.code == FG_OK; i++) {
        fgx_walk walk = walk_at(&r, i, FGX_FAR, FGX_EVER);
        if (try(&r, &walk)) take(&r, &walk, FGX_NOTHING, 1);
    }
    m->strict = m->keeps_order = false;
    set_whole(m, request, NULL, 0, 0);
    return r.code == FG_OK ? show(m, outcome) : r.code;
}

/* ---- Updates (7.4) */

static uint32_t link_between(const fg_matcher *m, uint32_t source, uint32_t target) {
    for (uint32_t link = m->kid_start[source]; link < m->kid_start[source + 1]; link++)
        if (m->kid[link] == target) return link;
    return FG_NONE;
}

/* FG_OK; FG_BUSY where the step cannot be taken. Bookings go to the job. */
static int take_step(fg_matcher *m, fgx_job *job, const fg_span *span, const fg_step *step) {
    uint32_t v = m->at[step->vertex];
    int64_t size = fgx_size(m, v);
    if (step->kind == FG_STEP_CHECK) return fgx_available(m, v, span->start, span->duration) < size ? FG_BUSY : FG_OK;
    if (step->kind == FG_STEP_BOOK) {
        fgx_hold hold = {.start = span->start, .duration = span->duration, .amount = size, .vertex = v};
        hold.has = span->start > m->now ? FGX_RESERVED : FGX_ALLOCATED;
        int code = fgx_book(m, v, span->start, span->duration, size);
        if (code == FG_RANGE) code = FG_BUSY;
        if (code != FG_OK) return code;
        (span->start > m->now ? m->reserved : m->allocated)[v]++;
        job->holds[job->hold_count++] = hold;
        return FG_OK;
    }
    uint32_t link = link_between(m, v, m->at[step->target]);
    if (link == FG_NONE) return FG_OK;
    m->marked[m->marked_count++] = link;
    m->mark[link] = m->walk;
    m->mark_exclusive[link] = step->kind == FG_STEP_MARK_EXCLUSIVE;
    m->needs[link] = m->graph->size[m->kid[link]];
    return FG_OK;
}

static bool are_valid(const fg_matcher *m, const fg_step *steps, uint32_t count) {
    for (uint32_t i = 0; i < count; i++) {
        bool two = steps[i].kind == FG_STEP_MARK || steps[i].kind == FG_STEP_MARK_EXCLUSIVE;
        if (steps[i].kind > FG_STEP_MARK_EXCLUSIVE || steps[i].vertex >= m->places || m->at[steps[i].vertex] == FG_NONE) return false;
        if (two && (steps[i].target >= m->places || m->at[steps[i].target] == FG_NONE)) return false;
    }
    return true;
}

int fg_update(fg_matcher *m, const fg_span *span, const fg_step *steps, uint32_t count, int root_exclusive, int commit, const uint32_t *whole,
              uint32_t whole_count, fg_outcome *outcome) {
    begin(m, outcome);
    if (!are_valid(m, steps, count) || span->start < 0 || span->duration < 1 || is_lifted(m, span->job)) return FG_INVALID;
    fgx_next_walk(m);
    m->marked_count = 0;
    fgx_job *job = FGX_ROOM(m, marked, count) ? fgx_want_job(m, span->job, count, 0) : NULL;
    if (!job) return FG_NO_MEMORY;
    uint32_t had = job->hold_count;
    int code = FG_OK;
    for (uint32_t i = 0; i < count && code == FG_OK; i++) {
        code = take_step(m, job, span, &steps[i]);
        if (code == FG_BUSY) outcome->failed = i;
    }
    if (code == FG_OK && commit) {
        fgx_root root = {.needs = m->graph->size[m->root], .exclusive = root_exclusive != 0};
        set_whole(m, NULL, whole, whole_count, 1);
        code = fgx_commit(m, span, FGX_STATEMENT, root);
        set_whole(m, NULL, whole, whole_count, 0);
    }
    outcome->verdict = code == FG_OK ? FG_DONE : FG_UNUSABLE;
    if (code != FG_OK || !commit) {
        job = fgx_find_job(m, span->job);
        while (job && job->hold_count > had) fgx_release(m, job, &job->holds[--job->hold_count], 0xff);
        if (job) fgx_drop_if_empty(m, job);
        m->taken_count = 0;
        if (code != FG_OK && code != FG_BUSY) return code;
        return show(m, outcome);
    }
    job = fgx_find_job(m, span->job);
    if (job) fgx_drop_if_empty(m, job);
    outcome->at = span->start;
    outcome->duration = span->duration;
    return show(m, outcome);
}
