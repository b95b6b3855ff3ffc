/* What moves with time: spans that are lifted and put back, jobs that hand over what they hold, and how much room there is. */
#include "match.h"

int fg_matcher_set_now(fg_matcher *m, int64_t now) {
    if (now < m->now) return FG_INVALID;
    m->now = now;
    return FG_OK;
}

int fgx_put(fg_matcher *m, const fgx_job *job, const fgx_hold *hold) {
    bool books = (hold->has & (FGX_ALLOCATED | FGX_RESERVED)) != 0, checks = (hold->has & FGX_CHECK) != 0;
    uint32_t v = hold->vertex;
    int code = books ? fgx_book(m, v, hold->start, hold->duration, hold->amount) : FG_OK;
    if (code != FG_OK) return code == FG_RANGE ? FG_BUSY : code;
    if (checks) code = fgx_check_in(m, v, hold->start, hold->duration);
    if (code == FG_OK && (hold->has & FGX_COUNT)) {
        code = fgx_count(m, v, hold->start, hold->duration, job->counts + hold->counts, hold->counted);
        if (code != FG_OK && checks) fgx_check_out(m, v, hold->start, hold->duration);
    }
    if (code != FG_OK) {
        if (books) fgx_unbook(m, v, hold->start, hold->duration, hold->amount);
        return code == FG_RANGE ? FG_BUSY : code;
    }
    m->allocated[v] += (hold->has & FGX_ALLOCATED) != 0;
    m->reserved[v] += (hold->has & FGX_RESERVED) != 0;
    return FG_OK;
}

void fgx_take_out(fg_matcher *m, const fgx_job *job, const fgx_hold *hold) {
    uint32_t v = hold->vertex;
    bool booked = (hold->has & (FGX_ALLOCATED | FGX_RESERVED)) != 0;
    if (booked) fgx_unbook(m, v, hold->start, hold->duration, hold->amount);
    if (hold->has & FGX_CHECK) fgx_check_out(m, v, hold->start, hold->duration);
    if (hold->has & FGX_COUNT) fgx_uncount(m, v, hold->start, hold->duration, job->counts + hold->counts, hold->counted);
    m->allocated[v] -= (hold->has & FGX_ALLOCATED) != 0;
    m->reserved[v] -= (hold->has & FGX_RESERVED) != 0;
    fgx_reopen(m, v, booked);
}

int fg_lift(fg_matcher *m, int64_t id) {
    fgx_job *job = fgx_find_job(m, id);
    if (!job) return FG_NOT_FOUND;
    for (uint32_t i = 0; i < job->hold_count && !job->lifted; i++) fgx_take_out(m, job, &job->holds[i]);
    job->lifted = true;
    return FG_OK;
}

/* A hold as it is during another window. */
static fgx_hold moved(const fg_matcher *m, const fgx_hold *hold, int64_t start, int64_t duration) {
    fgx_hold other = *hold;
    other.start = start;
    other.duration = duration;
    if (other.has & (FGX_ALLOCATED | FGX_RESERVED))
        other.has = (uint8_t)((other.has & ~(FGX_ALLOCATED | FGX_RESERVED)) | (start > m->now ? FGX_RESERVED : FGX_ALLOCATED));
    return other;
}

int fg_put_back(fg_matcher *m, int64_t id, int64_t start, int64_t duration) {
    fgx_job *job = fgx_find_job(m, id);
    if (!job) return FG_NOT_FOUND;
    if (!job->lifted || !fgx_is_window(start, start, duration)) return FG_INVALID;
    for (uint32_t i = 0; i < job->hold_count; i++) {
        const fgx_hold *hold = &job->holds[i];
        bool books = (hold->has & (FGX_ALLOCATED | FGX_RESERVED)) != 0;
        if ((books || (hold->has & FGX_CHECK)) && !fgx_is_open(m, hold->vertex, books, start, duration)) return FG_BUSY;
    }
    int code = FG_OK;
    uint32_t done = 0;
    for (; done < job->hold_count && code == FG_OK; done++) {
        fgx_hold hold = moved(m, &job->holds[done], start, duration);
        code = fgx_put(m, job, &hold);
    }
    if (code != FG_OK) {
        for (done--; done-- > 0;) {
            fgx_hold hold = moved(m, &job->holds[done], start, duration);
            fgx_take_out(m, job, &hold);
        }
        return code;
    }
    for (uint32_t i = 0; i < job->hold_count; i++) job->holds[i] = moved(m, &job->holds[i], start, duration);
    job->lifted = false;
    return FG_OK;
}

int fg_rename(fg_matcher *m, int64_t id, int64_t heir) {
    fgx_job *job = fgx_find_job(m, id);
    if (!job) return FG_NOT_FOUND;
    if (fgx_find_job(m, heir)) return FG_INVALID;
    fgx_take_job_out(m, job);
    job->id = heir;
    fgx_put_job_in(m, job);
    return FG_OK;
}

/* For how long from `from` on a filter has an amount of each type; -1 where it has not. */
static int64_t room_in(const fg_matcher *m, const fgx_filter *filter, const int64_t *needs, int64_t from) {
    const fgx_layout *layout = &m->layouts[filter->layout];
    int64_t end = FG_TIME_END;
    for (uint32_t i = 0; i < layout->count && end > from; i++) {
        int64_t need = needs[m->layout_types[layout->first + i]];
        const fg_planner *planner = m->filter_plans[filter->first + i];
        if (need > m->filter_totals[filter->first + i]) return -1;
        if (need == 0 || !planner) continue;
        int64_t until = fg_planner_below(planner, from, need);
        if (until < end) end = until;
    }
    return end == FG_TIME_END ? end : end > from ? end - from : -1;
}

int64_t fg_room(fg_matcher *m, fg_request *request, int64_t from) {
    if (from < 0) return FG_INVALID;
    if (fgx_prepare(m, request) != FG_OK || !m->filter[m->root]) return FG_TIME_END;
    int64_t best = -1;
    for (uint32_t i = 0; i < request->variants; i++) {
        int64_t room = room_in(m, &m->filters[m->filter[m->root]], request->needs + (size_t)i * m->counted_count, from);
        if (room > best) best = room;
    }
    return best;
}

/* Gives what a job has of the root's filter back, or takes it again: `sign` is 1 or -1. The points stay, so nothing can fail. */
static void lend(fg_matcher *m, int64_t id, int64_t sign) {
    const fgx_job *job = fgx_find_job(m, id);
    for (uint32_t i = 0; job && !job->lifted && i < job->hold_count; i++) {
        const fgx_hold *hold = &job->holds[i];
        if (hold->vertex != m->root || !(hold->has & FGX_COUNT)) continue;
        for (uint32_t k = 0; k < hold->counted; k++) {
            int64_t amount = job->counts[hold->counts + k];
            if (amount) fgp_give_back(m->filter_plans[m->filters[m->filter[m->root]].first + k], hold->start, hold->duration, sign * amount);
        }
    }
}

int64_t fg_bound(fg_matcher *m, fg_request *request, int64_t job, int64_t from, int64_t until, int64_t duration) {
    if (!fgx_is_window(from, until, duration)) return FG_INVALID;
    int code = fgx_prepare(m, request);
    if (code != FG_OK) return code;
    if (!m->filter[m->root]) return from;
    int64_t first = FG_NOT_FOUND;
    lend(m, job, 1);
    for (uint32_t i = 0; i < request->variants && first != from; i++) {
        const int64_t *needs = request->needs + (size_t)i * m->counted_count;
        bool now = fgx_filter_fits(m, m->root, needs, from, duration);
        int64_t time = now ? from : fgx_filter_earliest(m, m->root, needs, from + 1, duration);
        if (time >= 0 && time <= until && (first < 0 || time < first)) first = time;
    }
    lend(m, job, -1);
    return first;
}
