/* convert.c: the converter from end to end: source, graph, types, file. Read convert.h first, then
 * source.h, graph.h, output.h. */
#include "tools/convert/calibrate.h"
#include "tools/convert/output.h"

#include <stdlib.h>
#include <string.h>

static mote_status check_opts(const mote_convert_opts *opts, mote_convert_error *err)
{
    if (*(const uint8_t *)&(const uint16_t){1} != 1)
        return convert_fail(err, MOTE_ERR_UNSUPPORTED, "a little-endian machine is needed");
    if (!opts->source || !*opts->source || (opts->output && !*opts->output))
        return convert_fail(err, MOTE_ERR_LIMIT, "source and output must be named");
    if ((unsigned)opts->type > MOTE_CONVERT_KEEP)
        return convert_fail(err, MOTE_ERR_LIMIT, "unknown type");
    return opts->output ? output_check(opts, err) : MOTE_OK;
}

static mote_status build(graph *g, source *s, const mote_convert_opts *opts,
                         mote_convert_error *err)
{
    static const char converter[] = "mote " MOTE_VERSION;
    mote_status status = source_open(s, opts, err);
    if (!status)
        status = source_set_text(s, MOTE_STR_CONVERTER, converter, sizeof converter - 1);
    return status ? status : graph_build(g, s);
}

static mote_status convert(source *s, const mote_convert_opts *opts, mote_convert_error *err)
{
    mote_calibration calibration = {.blas = opts->blas};
    char card[MOTE_CONVERT_CARD_BYTES];
    graph g;
    output o;
    mote_status status = build(&g, s, opts, err);
    if (status)
        return status;
    graph_choose_types(&g, opts->type);
    g.calibration = opts->gather ? &calibration : NULL;
    memset(card, ' ', sizeof card); /* room; it comes last */
    if (opts->card)
        s->texts[MOTE_STR_CARD] = (mote_text){card, sizeof card};
    status = output_open(&o, opts, err);
    if (!status)
        status = write_graph(&g, &o);
    if (!status && opts->cancel && opts->cancel(opts->user))
        status = convert_fail(err, MOTE_CANCELLED, "cancelled");
    if (!status)
        status = output_commit(&o);
    output_close(&o);
    calibrate_close(&calibration);
    return status;
}

uint32_t mote_convert_crc(const void *data, size_t bytes) { return mote_crc32c(0, data, bytes); }

mote_status mote_convert(const mote_convert_opts *opts, mote_convert_error *err)
{
    mote_convert_error own;
    source s;
    if (!err)
        err = &own;
    memset(err, 0, sizeof *err);
    mote_status status = check_opts(opts, err);
    if (!status && !opts->output)
        status = convert_fail(err, MOTE_ERR_LIMIT, "source and output must be named");
    if (status)
        return status;
    status = convert(&s, opts, err);
    source_close(&s);
    return status;
}

/* ---- drafts --------------------------------------------------------------------------------- */

/* A table of positions is as long as it is. */
static void allow_context(graph *g, uint32_t min_ctx)
{
    for (size_t i = 0; i < g->n_outs; i++)
        if (!g->outs[i].place && g->outs[i].kind == MOTE_W_POSITIONS)
            return;
    if (g->index.n_ctx < min_ctx)
        g->index.n_ctx = min_ctx;
}

static mote_status draft(graph *g, mote_convert_type type, mote_draft *out, mote_convert_error *err)
{
    uint8_t *head = NULL;
    graph_choose_types(g, type);
    mote_status status = write_head(g, &head, &out->head_bytes, &out->file_bytes);
    if (status)
        return status;
    out->head = malloc(out->head_bytes);
    if (!out->head)
        return convert_fail(err, MOTE_ERR_MEMORY, "no memory for %zu bytes", out->head_bytes);
    memcpy(out->head, head, out->head_bytes);
    return MOTE_OK;
}

mote_status mote_convert_draft(const mote_convert_opts *opts, uint32_t min_ctx,
                               const mote_convert_type *types, size_t n, mote_draft *out,
                               mote_convert_error *err)
{
    source s;
    graph g = {0};
    memset(err, 0, sizeof *err);
    memset(out, 0, n * sizeof *out);
    mote_status status = check_opts(opts, err);
    if (status)
        return status;
    status = build(&g, &s, opts, err);
    const uint32_t n_ctx = g.index.n_ctx;
    if (!status)
        allow_context(&g, min_ctx);
    for (size_t i = 0; i < n && !status; i++) {
        status = draft(&g, types[i], &out[i], err);
        out[i].n_ctx = n_ctx;
    }
    for (size_t i = 0; i < n && status; i++)
        free(out[i].head);
    source_close(&s);
    return status;
}
