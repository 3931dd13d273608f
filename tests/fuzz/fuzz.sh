#!/bin/sh
# fuzz.sh FUZZER SECONDS [TARGET...]: runs each target that long (at most RUNS executions, if set)
# on its seeds and on what earlier runs found (BUILD/corpus). A line for each: executions, code
# covered, findings. What breaks a target is kept in BUILD/findings; once it is mended it goes to
# tests/fuzz/seeds/TARGET/.
set -u
fuzzer=$(realpath "${1:?usage: fuzz.sh FUZZER SECONDS [TARGET...]}") || exit 2
seconds=${2:?usage: fuzz.sh FUZZER SECONDS [TARGET...]}
shift 2
here=$(dirname "$(realpath "$0")")
work=$(dirname "$fuzzer")
# shellcheck disable=SC2046 # lists of words
[ $# -gt 0 ] || set -- $("$fuzzer" 2>&1 | sed -n 's/^FUZZ_TARGET must be one of: //p')
mkdir -p "$work/findings" "$work/seeds"
python3 "$here/seeds.py" "$work/seeds" || exit 1
export ASAN_OPTIONS="${ASAN_OPTIONS:-malloc_context_size=3:quarantine_size_mb=8}"
bad=0
for target in "$@"; do
    case $target in
    gguf | llama2c) length=100000 ;;
    hub | tokenizer | spm | file) length=4000 ;;
    template) length=600 ;;
    decode) length=80 ;;
    *) length=400 ;;
    esac
    dict=$here/dict/$target
    mkdir -p "$work/corpus/$target"
    # shellcheck disable=SC2046
    FUZZ_TARGET=$target nice -n 19 "$fuzzer" -max_total_time="$seconds" -max_len=$length \
        -entropic=0 -reload=0 ${RUNS:+-runs=$RUNS} -timeout=20 \
        -rss_limit_mb=1500 -malloc_limit_mb=256 -print_final_stats=1 \
        -artifact_prefix="$work/findings/$target-" $([ ! -f "$dict" ] || echo "-dict=$dict") \
        "$work/corpus/$target" "$work/seeds/$target" >"$work/$target.log" 2>&1 ||
        bad=$((bad + 1))
    done=$(sed -n 's/stat::number_of_executed_units: *//p' "$work/$target.log")
    edges=$(grep -oE 'cov: [0-9]+' "$work/$target.log" | tail -n 1)
    found=$(find "$work/findings" -name "$target-*" | wc -l)
    echo "$target: ${done:-?} executions, ${edges:-cov: ?}, $found findings"
done
[ "$bad" -eq 0 ] || echo "$bad targets ended early: see $work/*.log" >&2
[ "$bad" -eq 0 ]
