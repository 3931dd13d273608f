/* tiles.c: reads the rows of a matrix, encodes them on all cores, hands the tiles on in order. Read
 * encode.h and output.h first.
 *
 * Memory is a few tiles at a time, whatever the matrix. Each tile depends on its own rows alone, so
 * the number of threads cannot show in the output.
 */
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include "tools/convert/calibrate.h"
#include "tools/convert/output.h"

#define MAX_THREADS 16
#define PIECE_WEIGHTS (512u << 10) /* between two looks at `cancel` */

typedef struct worker {
    struct piece *piece;
    size_t first; /* tile of the piece; then every n_workers-th */
    uint8_t *rows;
    float *scratch;
    mote_convert_error err; /* err.status 0: well */
    uint64_t failed_tile;
} worker;

typedef struct piece {
    const source *s;
    const out_tensor *t;
    encoder e;
    uint64_t first_tile, mat_tiles; /* tiles are counted through all matrices */
    size_t n_tiles, n_workers;
    size_t row_bytes;       /* of the source */
    size_t from_tile_bytes; /* of a source in tiles, else 0 */
    size_t rows_bytes;      /* that a worker needs to read a tile's rows */
    uint8_t *tiles;
    uint8_t *turned; /* all rows of a transposed source; NULL: read them from the file */
    worker workers[MAX_THREADS];
} piece;

/* Where row r of the output lies in the source (docs/decisions/1: halves turn, not neighbours). */
static uint64_t source_row(const out_tensor *t, uint64_t r)
{
    if (!t->pair_rows)
        return t->first_row + r;
    uint64_t head_rows = t->head_rows ? t->head_rows : t->pair_rows;
    uint64_t still = head_rows - t->pair_rows, half = t->pair_rows / 2, in_head = r % head_rows;
    uint64_t turning = r - in_head + still, i = in_head - still;
    if (in_head < still)
        return r;
    return turning + (i < half ? 2 * i : 2 * (i - half) + 1);
}

static size_t rows_of_tile(const piece *p, uint64_t tile)
{
    uint64_t left = p->t->rows - tile % p->mat_tiles * MOTE_TILE_ROWS;
    return left < MOTE_TILE_ROWS ? (size_t)left : MOTE_TILE_ROWS;
}

static out_part part_of(const piece *p, uint64_t tile)
{
    return p->t->parts ? p->t->parts[tile / p->mat_tiles] : (out_part){p->t->src, 0};
}

/* n columns from `first` on of a matrix that lies transposed, as rows of f32. `rows` has room for
 * the whole of it behind them. */
static mote_status read_columns(const piece *p, uint64_t tile, uint8_t *out, size_t n,
                                mote_convert_error *err)
{
    const out_part part = part_of(p, tile);
    const size_t k = p->e.k, width = (size_t)p->t->rows;
    const size_t first = (size_t)(tile % p->mat_tiles) * MOTE_TILE_ROWS;
    float *to = (float *)(void *)out, *row = to + MOTE_TILE_ROWS * k;
    uint8_t *bytes = (uint8_t *)(row + width);
    mote_status status =
        file_read(&p->s->files[part.src->file], part.src->offset + part.first * p->row_bytes, bytes,
                  k * p->row_bytes, err);
    for (size_t i = 0; i < k && !status; i++) {
        decode_values(part.src->type, bytes + i * p->row_bytes, width, row);
        for (size_t r = 0; r < n; r++)
            to[r * k + i] = row[first + r];
    }
    return status;
}

/* A tile of mote's own: a column's values of all its rows lie together. `rows` has room for the
 * tile behind them. */
static mote_status read_tile(const piece *p, uint64_t tile, uint8_t *out, size_t n,
                             mote_convert_error *err)
{
    const src_tensor *src = part_of(p, tile).src;
    const size_t unit = src_unit_bytes(src->type);
    uint8_t *from = out + MOTE_TILE_ROWS * p->e.row_bytes;
    mote_status status = file_read(&p->s->files[src->file], src->offset + tile * p->from_tile_bytes,
                                   from, p->from_tile_bytes, err);
    for (size_t r = 0; r < n && !status; r++)
        for (size_t i = 0; i < p->e.k; i++)
            memcpy(out + (r * p->e.k + i) * unit, from + (i * MOTE_TILE_ROWS + r) * unit, unit);
    return status;
}

static mote_status read_rows(const piece *p, uint64_t tile, uint8_t *out, mote_convert_error *err)
{
    const out_part part = part_of(p, tile);
    const src_file *f = &p->s->files[part.src->file];
    const uint64_t bytes = p->e.row_bytes, at = part.src->offset + part.first * bytes;
    const uint64_t first = tile % p->mat_tiles * MOTE_TILE_ROWS;
    size_t n = rows_of_tile(p, tile);
    if (p->from_tile_bytes)
        return read_tile(p, tile, out, n, err);
    if (p->turned) {
        memcpy(out, p->turned + first * bytes, n * bytes);
        return MOTE_OK;
    }
    if (p->t->transposed)
        return read_columns(p, tile, out, n, err);
    if (!p->t->pair_rows)
        return file_read(f, at + (p->t->first_row + first) * bytes, out, n * bytes, err);
    mote_status status = MOTE_OK;
    for (size_t r = 0; r < n && !status; r++)
        status =
            file_read(f, at + source_row(p->t, first + r) * bytes, out + r * bytes, bytes, err);
    return status;
}

static void fail_value(worker *w, encode_status status, uint64_t tile, const encode_fault *fault)
{
    static const char *const names[] = {"f32", "f16", "bf16", "q8", "q4", "q4_0", "q4_1"};
    const piece *p = w->piece;
    const char *label = part_of(p, tile).src->label;
    unsigned long long row = source_row(p->t, tile % p->mat_tiles * MOTE_TILE_ROWS + fault->row);
    if (status == ENCODE_NOT_FINITE)
        convert_fail(&w->err, MOTE_ERR_FILE, "tensor %s: the value at [%llu, %zu] is not finite",
                     label, row, fault->column);
    else
        convert_fail(&w->err, MOTE_ERR_UNSUPPORTED,
                     "tensor %s: the value at [%llu, %zu] is too large for %s", label, row,
                     fault->column, names[p->e.to]);
}

static void *run_worker(void *arg)
{
    worker *w = arg;
    piece *p = w->piece;
    for (size_t i = w->first; i < p->n_tiles && !w->err.status; i += p->n_workers) {
        encode_fault fault = {0};
        w->failed_tile = p->first_tile + i;
        if (read_rows(p, p->first_tile + i, w->rows, &w->err))
            continue;
        encode_status status = encode_tile(&p->e, w->rows, rows_of_tile(p, p->first_tile + i),
                                           p->tiles + i * p->e.tile_bytes, w->scratch, &fault);
        if (status)
            fail_value(w, status, p->first_tile + i, &fault);
    }
    return NULL;
}

/* Runs all workers. One that gets no thread runs here. The first bad tile is the one told. */
static mote_status run_piece(piece *p, mote_convert_error *err)
{
    pthread_t threads[MAX_THREADS];
    bool started[MAX_THREADS] = {false};
    const worker *bad = NULL;
    for (size_t i = 1; i < p->n_workers; i++)
        started[i] = pthread_create(&threads[i], NULL, run_worker, &p->workers[i]) == 0;
    run_worker(&p->workers[0]);
    for (size_t i = 1; i < p->n_workers; i++)
        if (started[i])
            pthread_join(threads[i], NULL);
        else
            run_worker(&p->workers[i]);
    for (size_t i = 0; i < p->n_workers; i++)
        if (p->workers[i].err.status && (!bad || p->workers[i].failed_tile < bad->failed_tile))
            bad = &p->workers[i];
    if (bad)
        *err = bad->err;
    return bad ? bad->err.status : MOTE_OK;
}

static size_t count_cores(void)
{
    long n = sysconf(_SC_NPROCESSORS_ONLN);
    return n < 1 ? 1 : n > MAX_THREADS ? MAX_THREADS : (size_t)n;
}

/* Memory of a piece, in `local`. *most: tiles it holds. */
static mote_status prepare(piece *p, uint64_t n_tiles, size_t *most, pool *local,
                           mote_convert_error *err)
{
    size_t cores = count_cores(), tile_weights = p->e.k * MOTE_TILE_ROWS;
    *most = PIECE_WEIGHTS / tile_weights;
    *most = *most < cores ? cores : *most;
    *most = *most > n_tiles ? (size_t)n_tiles : *most;
    p->n_workers = cores < *most ? cores : *most;
    p->tiles = pool_take(local, *most, p->e.tile_bytes, err);
    for (size_t i = 0; i < p->n_workers; i++) {
        worker *w = &p->workers[i];
        *w = (worker){.piece = p, .first = i};
        w->rows = pool_take(local, p->rows_bytes, 1, err);
        w->scratch = pool_take(local, p->e.scratch_floats, sizeof(float), err);
        if (!w->rows || !w->scratch)
            return err->status;
    }
    return p->tiles ? MOTE_OK : err->status;
}

/* Rows of a source [k, all] are its columns: all of ours, one behind the other, in `local`. */
static mote_status turn(piece *p, pool *local, mote_convert_error *err)
{
    const out_tensor *t = p->t;
    const size_t unit = src_unit_bytes(t->src->type), rows = (size_t)t->rows, k = (size_t)t->k;
    const uint64_t line = t->src->shape[1] * unit; /* of the source */
    uint8_t *one = pool_take(local, rows, unit, err);
    p->turned = pool_take(local, rows, k * unit, err);
    mote_status status = one && p->turned ? MOTE_OK : err->status;
    for (size_t i = 0; i < k && !status; i++) {
        status = file_read(&p->s->files[t->src->file],
                           t->src->offset + i * line + t->first_row * unit, one, rows * unit, err);
        for (size_t r = 0; r < rows && !status; r++)
            memcpy(p->turned + (r * k + i) * unit, one + r * unit, unit);
    }
    return status;
}

static uint64_t count_rows(const src_tensor *src)
{
    uint64_t n = 1;
    for (uint32_t i = 0; i + 1 < src->rank; i++)
        n *= src->shape[i];
    return n;
}

mote_status encode_matrix(const graph *g, const out_tensor *t, take_tiles take, void *user)
{
    const mote_convert_opts *opts = g->src->opts;
    mote_convert_error *err = g->src->err;
    enum src_type from = t->transposed ? SRC_F32 : t->src->type;
    const uint64_t mat_tiles = (t->rows + MOTE_TILE_ROWS - 1) / MOTE_TILE_ROWS;
    const uint64_t n_tiles = mat_tiles * t->n_mats;
    piece p = {.s = g->src,
               .t = t,
               .e = encoder_make(from, t->type, t->group, t->k),
               .mat_tiles = mat_tiles,
               .row_bytes = (size_t)(t->src->bytes / count_rows(t->src))};
    const size_t told_bytes = encoder_make(t->src->type, t->type, t->group, t->k).row_bytes;
    p.rows_bytes = MOTE_TILE_ROWS * p.e.row_bytes;
    if (t->transposed)
        p.rows_bytes += (size_t)t->rows * sizeof(float) + p.e.k * p.row_bytes;
    if (g->src->index)
        p.from_tile_bytes = (size_t)(t->src->bytes / n_tiles);
    p.rows_bytes += p.from_tile_bytes;
    pool local = {0};
    size_t most = 1;
    mote_status status = prepare(&p, n_tiles, &most, &local, err);
    if (!status && t->turned)
        status = turn(&p, &local, err);
    for (uint64_t at = 0; at < n_tiles && !status; at += p.n_tiles) {
        const uint64_t left = (g->calibration ? mat_tiles - at % mat_tiles : n_tiles - at);
        p.first_tile = at;
        p.n_tiles = left < most ? (size_t)left : most;
        status = calibrate_guide(g->calibration, g, t, (size_t)(at / mat_tiles), &p.e.guide);
        if (!status && opts->cancel && opts->cancel(opts->user))
            status = convert_fail(err, MOTE_CANCELLED, "cancelled");
        if (!status)
            status = run_piece(&p, err);
        uint64_t rows = 0;
        for (size_t i = 0; i < p.n_tiles; i++)
            rows += rows_of_tile(&p, at + i);
        if (!status)
            status = take(user, p.tiles, p.n_tiles * p.e.tile_bytes, rows * told_bytes);
    }
    pool_free(&local);
    return status;
}

mote_status read_vector(const graph *g, const out_tensor *t, float *out)
{
    const src_tensor *src = t->src;
    const size_t n = (size_t)src->shape[0];
    mote_convert_error *err = g->src->err;
    pool local = {0};
    uint8_t *bytes = pool_take(&local, n, src_unit_bytes(src->type), err);
    float *values = pool_take(&local, n, sizeof *values, err);
    mote_status status = bytes && values ? file_read(&g->src->files[src->file], src->offset, bytes,
                                                     (size_t)src->bytes, err)
                                         : err->status;
    if (!status) {
        decode_values(src->type, bytes, n, values);
        size_t bad = find_not_finite(values, n);
        if (bad < n)
            status = convert_fail(err, MOTE_ERR_FILE, "tensor %s: the value at [%zu] is not finite",
                                  src->label, bad);
        for (size_t i = 0; i < (size_t)t->rows; i++)
            out[i] = values[source_row(t, i)] + t->add;
    }
    pool_free(&local);
    return status;
}
