/* tok_trie.c: all entries of a WordPiece or Unigram model as a double array (tokenizer/tables.h,
 * tok_node). Sorted, the entries below a node are a range; nodes are placed level by level into the
 * first gaps that take all their children. Read tok_draft.h first. */
#include <stdlib.h>
#include <string.h>

#include "tools/convert/tok_draft.h"

#define GAP_BLOCK 256u
#define OPEN_BLOCKS 16u /* gaps further back are given up, which bounds the search */

typedef struct trie_job {
    uint32_t node;
    uint32_t begin, end; /* entries */
} trie_job;

typedef struct trie {
    const draft_key *keys;
    tok_node *nodes;
    uint8_t *used; /* [n]: 1 a node lies here, 2 some node's base */
    size_t n, cap, first_gap;
    trie_job *jobs;
    size_t n_jobs, next_job, cap_jobs;
} trie;

static bool grow(trie *t, size_t n)
{
    size_t cap = t->cap ? t->cap : 1024;
    while (cap < n)
        cap *= 2;
    if (cap > t->cap) {
        tok_node *nodes = realloc(t->nodes, cap * sizeof *nodes);
        t->nodes = nodes ? nodes : t->nodes;
        uint8_t *used = realloc(t->used, cap);
        t->used = used ? used : t->used;
        if (!nodes || !used)
            return false;
        memset(nodes + t->cap, 0, (cap - t->cap) * sizeof *nodes);
        memset(used + t->cap, 0, cap - t->cap);
        t->cap = cap;
    }
    t->n = n > t->n ? n : t->n;
    return true;
}

static bool push_job(trie *t, trie_job job)
{
    if (t->n_jobs == t->cap_jobs) {
        size_t cap = t->cap_jobs ? 2 * t->cap_jobs : 1024;
        trie_job *jobs = realloc(t->jobs, cap * sizeof *jobs);
        if (!jobs)
            return false;
        t->jobs = jobs;
        t->cap_jobs = cap;
    }
    t->jobs[t->n_jobs++] = job;
    return true;
}

static bool takes(const trie *t, uint32_t base, const uint8_t *labels, size_t n)
{
    bool free = base >= t->cap || !(t->used[base] & 2);
    for (size_t i = 0; i < n && free; i++) {
        uint32_t at = base ^ labels[i];
        free = at && (at >= t->cap || !(t->used[at] & 1));
    }
    return free;
}

/* A base that no other node has, with room for all children. */
static uint32_t find_base(trie *t, const uint8_t *labels, size_t n)
{
    size_t low = t->n > OPEN_BLOCKS * GAP_BLOCK ? t->n - OPEN_BLOCKS * GAP_BLOCK : 1;
    t->first_gap = t->first_gap > low ? t->first_gap : low;
    while (t->first_gap < t->n && t->used[t->first_gap] & 1)
        t->first_gap++;
    for (size_t at = t->first_gap; at < t->n; at++)
        if (!(t->used[at] & 1) && takes(t, (uint32_t)at ^ labels[0], labels, n))
            return (uint32_t)at ^ labels[0];
    uint32_t base = (uint32_t)((t->n + GAP_BLOCK - 1) / GAP_BLOCK * GAP_BLOCK);
    while (!takes(t, base, labels, n))
        base++;
    return base;
}

/* Children of one node: the different bytes at the depth in which its entries go on. */
static bool place(trie *t, trie_job job, size_t depth)
{
    uint8_t labels[256];
    size_t n = 0;
    for (uint32_t i = job.begin; i < job.end; i++) {
        uint8_t c = (uint8_t)t->keys[i].text.ptr[depth];
        if (n == 0 || labels[n - 1] != c)
            labels[n++] = c;
    }
    uint32_t base = find_base(t, labels, n);
    if (!grow(t, (size_t)(base | 0xff) + 1))
        return false;
    t->nodes[job.node].base = base;
    t->used[base] |= 2;
    for (uint32_t i = job.begin, k = 0; k < n; k++) {
        uint32_t node = base ^ labels[k], begin = i, id = TOK_NO_ID;
        while (i < job.end && (uint8_t)t->keys[i].text.ptr[depth] == labels[k])
            i++;
        if (t->keys[begin].text.bytes == depth + 1)
            id = t->keys[begin++].id;
        t->used[node] |= 1;
        t->nodes[node].id_label = id << 8 | labels[k];
        if (begin < i && !push_job(t, (trie_job){node, begin, i}))
            return false;
    }
    return true;
}

static int compare_keys(const void *a, const void *b)
{
    const draft_key *x = a, *y = b;
    size_t n = x->text.bytes < y->text.bytes ? x->text.bytes : y->text.bytes;
    int order = memcmp(x->text.ptr, y->text.ptr, n);
    return order ? order : (x->text.bytes > y->text.bytes) - (x->text.bytes < y->text.bytes);
}

/* Nodes that are nobody's children, the root among them, get labels that do not match: node i with
 * label c would be a child of base i ^ c. Base 0 is that of nodes without children. */
static bool label_others(trie *t)
{
    bool ok = true;
    t->used[0] = 2;
    for (size_t i = 0; i < t->n; i++) {
        uint32_t c = 0;
        if (t->used[i] & 1)
            continue;
        while (c < 256 && t->used[i ^ c] & 2)
            c++;
        t->nodes[i].id_label = TOK_NO_ID << 8 | (c & 0xff);
        ok &= c < 256;
    }
    return ok;
}

tok_node *draft_build_trie(draft_key *keys, size_t n, size_t *n_nodes)
{
    trie t = {.keys = keys};
    size_t depth = 0;
    qsort(keys, n, sizeof *keys, compare_keys);
    bool ok = grow(&t, GAP_BLOCK);
    if (ok) {
        t.used[0] = 3;
        ok = n == 0 || push_job(&t, (trie_job){0, 0, (uint32_t)n});
    }
    for (; ok && t.next_job < t.n_jobs; depth++)
        for (size_t end = t.n_jobs; ok && t.next_job < end; t.next_job++)
            ok = place(&t, t.jobs[t.next_job], depth);
    ok = ok && label_others(&t);
    free(t.jobs);
    free(t.used);
    if (!ok)
        free(t.nodes);
    *n_nodes = t.n;
    return ok ? t.nodes : NULL;
}
