#!/bin/sh
# amalgamation.sh BUILD_DIR: mote.c and mote.h are written, compile without a warning with every
# compiler at hand, and pass unit tests: those of the API, and of the bits some. MOTE_WHOLE: all of
# them. The build for a device is run by tests/firmware/run.py.
# Ends in "N passed, N failed".
set -u
build=${1:?usage: tests/amalgamation.sh BUILD_DIR}
cd "$(dirname "$0")/.." || exit 1
one=$build/one
passed=0
failed=0
check() { # NAME COMMAND...
    name=$1
    shift
    if "$@" >"$one/log" 2>&1; then
        passed=$((passed + 1))
        echo "ok   $name"
    else
        failed=$((failed + 1))
        tail -n 20 "$one/log"
        echo "FAIL $name"
    fi
}
# The project's warnings, but not its -ffp-contract=off: the file sees to that.
compile() { # COMPILER OUT FLAGS...
    cc=$1 out=$2
    shift 2
    "$cc" -std=gnu11 -O1 -fPIE -fno-math-errno -Wall -Wextra -Wshadow -Wconversion \
        -Wdouble-promotion -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wundef -Werror "$@" \
        -c -o "$out" "$one/mote.c"
}

if ! command -v python3 >/dev/null; then
    echo "skipped: amalgamation: no python3"
    echo "0 passed, 0 failed"
    exit 0
fi
mkdir -p "$one"
check "mote.c and mote.h are written" python3 tools/amalgamate.py "$one"
check "gcc" compile gcc "$one/mote.o"
if command -v clang >/dev/null; then
    check "clang" compile clang "$one/clang.o" -fsyntax-only
else
    echo "skipped: amalgamation: clang: not installed"
fi
check "the unit tests are linked with it" make -s B="$build" -o "$one/mote.o" "$build/unit-one"
some="session state sampler token template same_bits_q4"
# shellcheck disable=SC2086 # several words
check "they pass" "$build/unit-one" $([ -n "${MOTE_WHOLE:-}" ] || echo $some)
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
