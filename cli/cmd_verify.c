/* cmd_verify.c: every byte of a file: checksums, the JSON header, numbers that are not finite. */
#include "cli/cli.h"

typedef struct verification {
    cli_engine engine;
    cli_progress progress;
    uint64_t done;
    size_t n_failures;
} verification;

static void fail(verification *v, const mote_error *err)
{
    cli_progress_end(&v->progress);
    cli_fail(v->engine.o->model, err);
    v->n_failures++;
}

/* The checks that loading makes anyway, but that say nothing about the contents. */
static int open_all(verification *v, const cli_opts *o)
{
    return cli_engine_open(&v->engine, o, WANT_MODEL | WANT_TOKENIZER);
}

static int check_tensors(verification *v)
{
    const cli_engine *e = &v->engine;
    mote_tensor_info t;
    mote_error err;
    for (size_t i = 0; i < e->info.n_tensors; i++) {
        if (cli_interrupted())
            return cli_interrupted();
        mote_image_get_tensor(&e->image, i, &t);
        if (mote_image_verify_tensor(&e->image, i, &err))
            fail(v, &err);
        v->done += t.bytes;
        cli_progress_show(&v->progress, v->done, e->file.bytes);
    }
    cli_progress_end(&v->progress);
    return 0;
}

static int report(const verification *v)
{
    cli_out out = {.n = 0};
    char size[32];
    const cli_engine *e = &v->engine;
    int code = v->n_failures ? MOTE_ERR_FILE : 0;
    if (e->o->json) {
        cli_json_open(&out, '{');
        cli_json_bool(&out, "ok", !v->n_failures);
        cli_json_uint(&out, "tensors", e->info.n_tensors);
        cli_json_uint(&out, "failures", v->n_failures);
        cli_json_uint(&out, "bytes", e->file.bytes);
        cli_json_close(&out, '}');
        cli_json_end_line(&out);
    } else if (v->n_failures) {
        cli_printf(&out, "%zu failures in the header and %u tensors\n", v->n_failures,
                   e->info.n_tensors);
    } else {
        cli_printf(&out, "ok: %u tensors, %s\n", e->info.n_tensors, cli_size(size, e->file.bytes));
    }
    return cli_out_close(&out, code);
}

int cmd_verify(const cli_opts *o)
{
    verification v = {.n_failures = 0};
    mote_error err;
    cli_catch_signals();
    int code = open_all(&v, o);
    if (code)
        return code;
    cli_progress_start(&v.progress, o, "verify");
    if (mote_image_verify_header(&v.engine.image, &err))
        fail(&v, &err);
    code = check_tensors(&v);
    if (!code)
        code = report(&v);
    cli_engine_close(&v.engine);
    return code;
}
