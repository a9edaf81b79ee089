/*
 * Placement.
 */
#include "engine/place.h"

#include <string.h>

#include "engine/bug.h"
#include "engine/constants.h"

/* G1: good, starting and merely unheard nodes keep their place by ordinal; then booting, sick, lost. */
static int rank_class(enum rank r)
{
    switch (r) {
    case RANK_GOOD:
    case RANK_STARTING:
    case RANK_UNKNOWN:
        return 0;
    case RANK_BOOTING:
        return 1;
    case RANK_SICK:
        return 2;
    default:
        return 3;
    }
}

static bool comes_before(const struct service *s, const enum rank rank[], int64_t master, int a, int b)
{
    bool ma = s->nodes[a].id == master, mb = s->nodes[b].id == master;
    if (ma != mb) {
        return ma;
    }
    int ca = rank_class(rank[a]), cb = rank_class(rank[b]);
    return ca != cb ? ca < cb : s->nodes[a].ord < s->nodes[b].ord;
}

/* Indexes of the nodes of a purpose that are not leaving, best first. */
static int sort_purpose(const struct service *s, const enum rank rank[], int purpose, int order[NODES_MAX])
{
    bool unique = service_type_has(s->type, purpose, ROLE_UNIQUE);
    int64_t master = unique && !bug(MASTER_BY_ORD) ? s->facts[FACT_MASTER].v.node : 0;
    int n = 0;
    for (int i = 0; i < s->n_nodes; i++) {
        if (s->nodes[i].role != purpose || rank[i] == RANK_LEAVING) {
            continue;
        }
        int at = n++;
        while (at > 0 && comes_before(s, rank, master, i, order[at - 1])) {
            order[at] = order[at - 1];
            at--;
        }
        order[at] = i;
    }
    return n;
}

static uint64_t roles_of_purpose(const struct service_type *t, int purpose)
{
    uint64_t roles = 1ull << purpose;
    for (int r = 0; r < t->n_roles; r++) {
        if (t->roles[r].with == purpose) {
            roles |= 1ull << r;
        }
    }
    return roles;
}

static void place_purpose(const struct service *s, const enum rank rank[], int purpose, struct placement *ret)
{
    int order[NODES_MAX];
    int n = sort_purpose(s, rank, purpose, order);
    int want = s->want.run == RUN_RUNNING ? s->want.counts[purpose] : 0;
    for (int k = 0; k < n; k++) {
        int i = order[k];
        if (ret->n_kept[purpose] < want && rank[i] < RANK_SICK) { /* G2 */
            ret->kept[i] = true;
            ret->roles[i] = roles_of_purpose(s->type, purpose);
            if (ret->n_kept[purpose]++ == 0) {
                ret->first[purpose] = i;
            }
        } else {
            ret->victim[i] = true;
        }
    }
    ret->create[purpose] = want - ret->n_kept[purpose];
}

void place(const struct service *s, const enum rank rank[NODES_MAX], struct placement *ret)
{
    const struct service_type *t = s->type;
    memset(ret, 0, sizeof *ret);
    for (int r = 0; r < ROLES_MAX; r++) {
        ret->first[r] = -1;
    }
    for (int r = 0; r < t->n_roles; r++) {
        if (t->roles[r].flags & ROLE_PURPOSE) {
            place_purpose(s, rank, r, ret);
        }
    }
    int host = ret->first[t->host]; /* G3 */
    for (int r = 0; host >= 0 && r < t->n_roles; r++) {
        if ((t->roles[r].flags & ROLE_PACKABLE) && s->want.counts[r] == 0) {
            ret->roles[host] |= 1ull << r;
        }
    }
}

int place_counted(const struct service *s, int purpose, int64_t now_ms)
{
    int n = 0;
    for (int i = 0; i < s->n_nodes; i++) {
        const struct node *x = &s->nodes[i];
        if (x->role != purpose || !node_alive(x)) {
            continue;
        }
        int64_t heard = x->heard_ms > x->up_ms ? x->heard_ms : x->up_ms;
        bool lost =
            x->status == NODE_UP ? now_ms - heard > LOST_AFTER_MS : now_ms - x->created_ms > BOOT_MAX_MS;
        n += !lost;
    }
    return n;
}

int place_room(const struct service *s, int purpose, int64_t now_ms)
{
    int surge = s->type->roles[purpose].surge;
    int room = s->want.counts[purpose] + (surge > 0 ? surge : 1) - place_counted(s, purpose, now_ms);
    return room > 0 ? room : 0;
}

int place_growth(const struct service *s, const int counts[ROLES_MAX])
{
    int total = 0;
    for (int r = 0; r < s->type->n_roles; r++) {
        int have = 0;
        for (int i = 0; i < s->n_nodes; i++) {
            have += s->nodes[i].role == r && node_alive(&s->nodes[i]);
        }
        total += counts[r] > have ? counts[r] - have : 0;
    }
    return total;
}
