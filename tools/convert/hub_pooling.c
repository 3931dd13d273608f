/* hub_pooling.c: the files that the sentence-transformers library writes beside a model: which
 * modules there are, how tokens are pooled, how long a text may be. Read hub.h first. What they
 * mean is decided in family_bert.c. */
#include <string.h>

#include "tools/convert/hub.h"

/* An object, or nothing. */
static mote_status read_object(source *s, int dir_fd, const char *name, cJSON **out)
{
    mote_status status = hub_read_json(s, dir_fd, name, HUB_MAX_JSON, true, out);
    if (!status && *out && !cJSON_IsObject(*out))
        status = convert_fail(s->err, MOTE_ERR_FILE, "%s: not an object", name);
    return status;
}

/* The module whose type ends in ".Pooling" names the folder of its configuration. */
static mote_status read_pooling_module(source *s, int dir_fd)
{
    for (const cJSON *m = s->modules->child; m; m = m->next) {
        const cJSON *type = json_get(m, "type"), *path = json_get(m, "path");
        const char *dot = cJSON_IsString(type) ? strrchr(type->valuestring, '.') : NULL;
        if (!dot || strcmp(dot, ".Pooling") != 0 || s->pooling)
            continue;
        if (!cJSON_IsString(path) || !hub_is_base_name(path->valuestring))
            return convert_fail(s->err, MOTE_ERR_FILE,
                                "modules.json: the path of the pooling module is no plain name");
        static const char end[] = "/config.json";
        size_t n = strlen(path->valuestring);
        char *name = pool_take(&s->pool, n + sizeof end, 1, s->err);
        if (!name)
            return s->err->status;
        memcpy(name, path->valuestring, n);
        memcpy(name + n, end, sizeof end);
        s->pooling_file = name;
        mote_status status = read_object(s, dir_fd, name, &s->pooling);
        if (!status && !s->pooling)
            status = convert_fail(s->err, MOTE_ERR_FILE, "%s is missing", name);
        if (status)
            return status;
    }
    return MOTE_OK;
}

static mote_status read_model_max_length(source *s, int dir_fd)
{
    cJSON *config = NULL;
    mote_status status = read_object(s, dir_fd, "tokenizer_config.json", &config);
    if (!json_integer(json_get(config, "model_max_length"), 1, UINT32_MAX, &s->model_max_length))
        s->model_max_length = 0; /* none is written as 1e30 */
    cJSON_Delete(config);
    return status;
}

mote_status hub_read_pooling(source *s, int dir_fd)
{
    mote_status status = hub_read_json(s, dir_fd, "modules.json", HUB_MAX_JSON, true, &s->modules);
    if (!status && s->modules && !cJSON_IsArray(s->modules))
        status = convert_fail(s->err, MOTE_ERR_FILE, "modules.json: not a list");
    if (!status && s->modules)
        status = read_pooling_module(s, dir_fd);
    if (!status)
        status = read_object(s, dir_fd, "sentence_bert_config.json", &s->sentence);
    if (!status)
        status = read_object(s, dir_fd, "config_sentence_transformers.json", &s->transformers);
    return status ? status : read_model_max_length(s, dir_fd);
}
