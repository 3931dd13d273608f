#!/bin/sh
# coverage.sh BUILD_DIR: runs what is near the code that reads strangers' bytes and prints, for each
# of its files, the lines and branches that were taken (gcov). `make coverage` builds BUILD_DIR.
# A branch counts once a line it stands on is reached; calls' own exceptional branches do not.
set -u
build=${1:?usage: tests/coverage.sh BUILD_DIR}
cd "$(dirname "$0")/.." || exit 1
command -v gcov >/dev/null 2>&1 || {
    echo "skip coverage: no gcov"
    exit 0
}
export MOTE_BUILD="$build" PYTHONDONTWRITEBYTECODE=1 LC_ALL=C.UTF-8
find "$build" -name '*.gcda' -exec rm -f {} +
bad=0
for suite in "$build/unit" "python3 tests/corpus/run.py" "python3 tests/fuzz/seeds.py" \
    "python3 tests/cli/commands.py" "python3 tests/cli/run_many.py" "python3 tests/cli/bake.py" \
    "python3 tests/cli/embed.py"; do
    # shellcheck disable=SC2086 # words of a command
    $suite >"$build/coverage.log" 2>&1 || bad=1
    echo "$suite: $(tail -n 1 "$build/coverage.log")"
done
# group NAME FILES...: a line each file and one for all.
group() {
    name=$1
    shift
    for f in "$@"; do
        gcov -b -n -o "$build/${f%.c}.o" "$f" 2>/dev/null |
            awk -v f="$f" '
                /^File/ { own = index($0, "\047" f "\047") || $0 ~ ("/" f "\047$") }
                own && /^Lines executed/ { split($0, p, /[:% ]+/); lines = p[3]; n = p[5] }
                own && /^Taken at least once/ { split($0, p, /[:% ]+/); taken = p[5]; b = p[7] }
                END { printf "%-34s %6.2f %% of %4d lines %7.2f %% of %4d branches\n",
                             f, lines, n, taken, b }'
    done | tee "$build/coverage.part"
    awk -v name="$name" '{ n += $5; l += $2 * $5; b += $10; t += $7 * $10 }
        END { printf "== %s: %.2f %% of %d lines, %.2f %% of %d branches\n", name,
                     l / n, n, t / b, b }' "$build/coverage.part"
}
group "loader" loader/*.c
group "JSON guard" tools/convert/json.c cli/json.c
group "tokenizer" $(find tokenizer -name '*.c' ! -name 'template*' | sort)
group "templates" tokenizer/template*.c
group "readers of sources" tools/convert/safetensors.c tools/convert/gguf.c \
    tools/convert/gguf_source.c tools/convert/llama2c.c tools/convert/tok_*.c
exit $bad
