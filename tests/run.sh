#!/bin/sh
# run.sh BUILD_DIR test|golden|corpus|faults: runs suites and adds up. A suite is a program that
# ends with a line "N passed, N failed" and may say "skip NAME: WHY" before. Those of `test` run two
# at a time (JOBS=1: one), the long ones first; what a suite says comes in one piece when it ends.
# The last line here is "N passed, N failed"; the exit code is 1 if anything failed.
set -u
build=${1:?usage: tests/run.sh BUILD_DIR test|golden|corpus|faults}
what=${2:?usage: tests/run.sh BUILD_DIR test|golden|corpus|faults}
cd "$(dirname "$0")/.." || exit 1

export MOTE_BUILD="$build" PYTHONDONTWRITEBYTECODE=1 LC_ALL=C.UTF-8
export GOLDENS="${GOLDENS:-../shared/goldens}"

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
    echo "$good $bad" >>"$RUN_FOLDER/counts"
    echo "$name: $good passed, $bad failed ($(($(date +%s) - begin)) s)"
}

# The same for a Python script; the standard library is enough for all of them.
script() {
    if ! python3 -c 'import sys; sys.exit(sys.version_info < (3, 8))' 2>/dev/null; then
        echo "skipped: $1: no Python 3.8 or later"
    elif "$build/mote" --version | grep -q 'convert 0'; then
        echo "skipped: $1: this build has no converter, which makes its models"
    else
        suite "$1" python3 "$@"
    fi
}

# One line of what suites() lists: all that it says at once, when it is whole.
if [ "$what" = --one ]; then
    log=$RUN_FOLDER/log.$$
    shift 2
    "$@" >"$log.said"
    until mkdir "$RUN_FOLDER/speaks" 2>/dev/null; do sleep 1; done
    cat "$log.said"
    rmdir "$RUN_FOLDER/speaks"
    exit 0
fi

goldens() {
    if [ ! -d "$GOLDENS" ]; then
        echo "skipped: tests/golden: no reference data at $GOLDENS (set GOLDENS)" >&2
        return
    fi
    for file in tests/golden/*.py; do
        [ "$file" = tests/golden/goldens.py ] || echo "script $file"
    done
}

suites() {
    case $what in
    test)
        echo "suite unit $build/unit"
        echo "suite check $build/check"
        echo "suite amalgamation tests/amalgamation.sh $build"
        echo "script tests/corpus/run.py"
        echo "script tests/faults/faults.py"
        for file in tests/docs/commands.py tests/cli/*.py tests/docs/names.py; do
            [ "$file" = tests/cli/frame.py ] || echo "script $file"
        done
        echo "script tests/fuzz/seeds.py"
        echo "suite ladder $build/ladder --check"
        echo "suite lint tests/lint.sh $build"
        ;;
    golden) goldens ;;
    corpus) echo "script tests/corpus/run.py --all" ;;
    faults) echo "script tests/faults/faults.py --all" ;;
    *)
        echo "tests/run.sh: no such set of suites: $what" >&2
        exit 2
        ;;
    esac
}

RUN_FOLDER=$(mktemp -d) || exit 1
export RUN_FOLDER
memory=/dev/shm/mote-run-$$
trap 'rm -rf "$RUN_FOLDER" "$memory"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
: >"$RUN_FOLDER/counts"
# Thousands of small files are synced: in memory, if there is room and programs may run from there.
if [ -z "${TMPDIR:-}" ] && mkdir "$memory" 2>/dev/null && cp /bin/sh "$memory/sh" &&
    "$memory/sh" -c : 2>/dev/null &&
    [ "$(df -Pk "$memory" | awk 'NR == 2 { print $4 }')" -gt 2000000 ]; then
    export TMPDIR="$memory"
fi
suites >"$RUN_FOLDER/list" || exit 2
[ "$what" = test ] && jobs=${JOBS:-2} || jobs=1
# Words of a line are the arguments of one call.
xargs -P "$jobs" -L 1 tests/run.sh "$build" --one <"$RUN_FOLDER/list" ||
    echo "0 1" >>"$RUN_FOLDER/counts"
awk '{ good += $1; bad += $2 } END { printf "%d passed, %d failed\n", good, bad; exit bad > 0 }' \
    "$RUN_FOLDER/counts"
