#!/bin/sh
# run.sh BUILD_DIR test|golden|corpus|faults: runs suites and adds up. A suite is a program that
# ends with a line "N passed, N failed" and may say "skip NAME: WHY" before. The last line here is
# "N passed, N failed"; the exit code is 1 if anything failed.
set -u
build=${1:?usage: tests/run.sh BUILD_DIR test|golden|corpus|faults}
what=${2:?usage: tests/run.sh BUILD_DIR test|golden|corpus|faults}
cd "$(dirname "$0")/.." || exit 1

export MOTE_BUILD="$build" PYTHONDONTWRITEBYTECODE=1 LC_ALL=C.UTF-8
export GOLDENS="${GOLDENS:-../shared/goldens}"
passed=0
failed=0
log=$(mktemp) || exit 1
trap 'rm -f "$log"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

skip() { echo "skipped: $1: $2"; }

# suite NAME COMMAND...: its failures and skips are shown, its passes only counted. One that ends
# without its line, or with the wrong exit code, has failed; but it may skip all of itself.
suite() {
    name=$1
    shift
    begin=$(date +%s)
    "$@" >"$log" 2>&1 </dev/null
    code=$?
    sed -n -e 's/^skip \(.*\)/skipped: \1/' -e '/^skipped: /p' "$log"
    count=$(sed -n 's/^\([0-9]*\) passed, \([0-9]*\) failed.*/\1 \2/p' "$log" | tail -n 1)
    good=${count% *}
    bad=${count#* }
    if [ -z "$count" ] && [ "$code" -eq 0 ] && grep -q '^skip' "$log"; then
        good=0
        bad=0
    elif [ -z "$count" ]; then
        good=0
        bad=1
        tail -n 20 "$log"
        echo "FAIL $name: ended with $code and no count"
    elif [ "$bad" -gt 0 ]; then
        grep -v -e '^ok ' -e '^skip' "$log"
    elif [ "$code" -ne 0 ]; then
        bad=1
        tail -n 20 "$log"
        echo "FAIL $name: ended with $code"
    fi
    passed=$((passed + good))
    failed=$((failed + bad))
    echo "$name: $good passed, $bad failed ($(($(date +%s) - begin)) s)"
}

# The same for a Python script; the standard library is enough for all of them.
script() {
    if ! python3 -c 'import sys; sys.exit(sys.version_info < (3, 8))' 2>/dev/null; then
        skip "$1" "no Python 3.8 or later"
    elif "$build/mote" --version | grep -q 'convert 0'; then
        skip "$1" "this build has no converter, which makes its models"
    else
        suite "$1" python3 "$@"
    fi
}

goldens() {
    if [ ! -d "$GOLDENS" ]; then
        skip "tests/golden" "no reference data at $GOLDENS (set GOLDENS)"
        return
    fi
    for file in tests/golden/*.py; do
        [ "$file" = tests/golden/goldens.py ] || script "$file"
    done
}

case $what in
test)
    suite unit "$build/unit"
    suite check "$build/check"
    suite amalgamation tests/amalgamation.sh "$build"
    suite ladder "$build/ladder" --check
    for file in tests/cli/*.py; do
        [ "$file" = tests/cli/frame.py ] || script "$file"
    done
    for file in tests/docs/commands.py tests/docs/names.py; do
        script "$file"
    done
    script tests/corpus/run.py
    script tests/fuzz/seeds.py
    script tests/faults/faults.py
    suite lint tests/lint.sh "$build"
    ;;
golden) goldens ;;
corpus) script tests/corpus/run.py ;;
faults) script tests/faults/faults.py --all ;;
*)
    echo "tests/run.sh: no such set of suites: $what" >&2
    exit 2
    ;;
esac
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
