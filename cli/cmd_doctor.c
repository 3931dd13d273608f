/* cmd_doctor.c: what this machine can do, and what of it mote will use. */
#include "cli/cli.h"

static void print_people(cli_out *out, const mote_machine *m)
{
    char size[32];
    const char *tier;
    cli_puts(out, "mote " MOTE_VERSION "\ntiers:");
    for (size_t i = 0; (tier = mote_usable_tier(i)) != NULL; i++)
        cli_printf(out, " %s", tier);
    cli_printf(out, "\ncores: %u physical performance cores in %u CPUs that may be used\n",
               m->n_cores, m->n_cpus);
    if (m->quota)
        cli_printf(out, "quota: the cgroup allows %u CPUs\n", m->quota);
    cli_printf(out, "threads: %u by default\n", m->n_threads);
    if (m->memory_bytes)
        cli_printf(out, "memory: %s", cli_size(size, m->memory_bytes));
    if (m->memory_bytes && m->memory_free_bytes)
        cli_printf(out, ", %s of it free", cli_size(size, m->memory_free_bytes));
    cli_puts(out, m->memory_bytes ? "\n" : "");
    cli_printf(out, "blas: %s\nconvert: %s\n", MOTE_BLAS ? "built in, used with --blas" : "no",
               MOTE_CONVERT ? "yes" : "no");
}

static void print_json(cli_out *out, const mote_machine *m)
{
    const char *tier;
    cli_json_open(out, '{');
    cli_json_text(out, "version", MOTE_VERSION);
    cli_json_key(out, "tiers");
    cli_json_open(out, '[');
    for (size_t i = 0; (tier = mote_usable_tier(i)) != NULL; i++)
        cli_json_text(out, NULL, tier);
    cli_json_close(out, ']');
    cli_json_uint(out, "cpus", m->n_cpus);
    cli_json_uint(out, "cores", m->n_cores);
    cli_json_uint(out, "quota", m->quota);
    cli_json_uint(out, "threads", m->n_threads);
    cli_json_uint(out, "memory_bytes", m->memory_bytes);
    cli_json_uint(out, "memory_free_bytes", m->memory_free_bytes);
    cli_json_bool(out, "blas", MOTE_BLAS);
    cli_json_bool(out, "convert", MOTE_CONVERT);
    cli_json_close(out, '}');
    cli_json_end_line(out);
}

int cmd_doctor(const cli_opts *o)
{
    cli_out out = {.n = 0};
    mote_machine m;
    mote_host_machine(&m);
    if (o->json)
        print_json(&out, &m);
    else
        print_people(&out, &m);
    return cli_out_close(&out, 0);
}
