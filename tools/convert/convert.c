/* convert.c: the converter from end to end: source, graph, types, file. Read convert.h first, then
 * source.h, graph.h, output.h. */
#include "tools/convert/calibrate.h"
#include "tools/convert/output.h"

#include <string.h>

static mote_status check_opts(const mote_convert_opts *opts, mote_convert_error *err)
{
    if (*(const uint8_t *)&(const uint16_t){1} != 1)
        return convert_fail(err, MOTE_ERR_UNSUPPORTED, "a little-endian machine is needed");
    if (!opts->source || !*opts->source || !opts->output || !*opts->output)
        return convert_fail(err, MOTE_ERR_LIMIT, "source and output must be named");
    if ((unsigned)opts->type > MOTE_CONVERT_KEEP)
        return convert_fail(err, MOTE_ERR_LIMIT, "unknown type");
    return output_check(opts, err);
}

static mote_status convert(source *s, const mote_convert_opts *opts, mote_convert_error *err)
{
    static const char converter[] = "mote " MOTE_VERSION;
    mote_calibration calibration = {.blas = opts->blas};
    char card[MOTE_CONVERT_CARD_BYTES];
    graph g;
    output o;
    mote_status status = source_open(s, opts, err);
    if (!status)
        status = source_set_text(s, MOTE_STR_CONVERTER, converter, sizeof converter - 1);
    if (!status)
        status = graph_build(&g, s);
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
    if (status)
        return status;
    status = convert(&s, opts, err);
    source_close(&s);
    return status;
}
