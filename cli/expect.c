/* expect.c: is an answer what was asked for? `run --expect json|python` looks at the first fenced
 * block of the answer, or all of it if there is none. JSON is read by our own strict reader; for
 * Python the machine's python3 compiles it (without running it). */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/json.h"

extern char **environ;

/* What stands between the first line that begins with ``` and the next. */
static mote_text body(mote_text text)
{
    const char *at = memmem(text.ptr, text.bytes, "```", 3), *end = text.ptr + text.bytes;
    const char *line = at ? memchr(at, '\n', (size_t)(end - at)) : NULL;
    const char *close = line ? memmem(line, (size_t)(end - line), "\n```", 4) : NULL;
    if (!close)
        return text;
    return (mote_text){line + 1, close > line ? (size_t)(close - line) : 0};
}

static bool is_json(mote_text text)
{
    mote_value value;
    mote_error err;
    size_t room = 64 + 64 * text.bytes;
    void *memory = malloc(room);
    bool ok = memory && cli_json_parse(&value, text.ptr, text.bytes, memory, room, &err) == MOTE_OK;
    free(memory);
    return ok;
}

/* Runs python3 with a program that reads stdin; its exit status, or -1. */
static int run_python(const char *program, mote_text input)
{
    char *args[] = {"python3", "-I", "-c", (char *)(uintptr_t)program, NULL};
    posix_spawn_file_actions_t actions;
    int ends[2], status = -1;
    pid_t pid;
    if (pipe2(ends, O_CLOEXEC) != 0 || posix_spawn_file_actions_init(&actions) != 0)
        return -1;
    posix_spawn_file_actions_adddup2(&actions, ends[0], STDIN_FILENO);
    posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
    bool started = posix_spawnp(&pid, args[0], &actions, NULL, args, environ) == 0;
    posix_spawn_file_actions_destroy(&actions);
    close(ends[0]);
    for (size_t at = 0; started && at < input.bytes;) {
        ssize_t n = write(ends[1], input.ptr + at, input.bytes - at);
        if (n < 0 && errno != EINTR)
            break;
        at += n > 0 ? (size_t)n : 0;
    }
    close(ends[1]);
    while (started && waitpid(pid, &status, 0) < 0 && errno == EINTR)
        continue;
    return started && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

int cli_expect_check(const cli_opts *o)
{
    if (o->expect && strcmp(o->expect, "python") == 0 &&
        run_python("import ast", (mote_text){0}) != 0)
        return cli_error(MOTE_ERR_UNSUPPORTED, "--expect python", "there is no python3 to ask");
    return 0;
}

bool cli_is_expected(const cli_opts *o, mote_text answer)
{
    mote_text text = body(answer);
    if (!o->expect)
        return true;
    if (strcmp(o->expect, "json") == 0)
        return is_json(text);
    return text.bytes &&
           run_python("import ast, sys\nast.parse(sys.stdin.buffer.read())", text) == 0;
}
