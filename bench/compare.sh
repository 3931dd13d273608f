#!/bin/sh
# compare.sh [options] LLAMA_BENCH GGUF MOTE_FILE [GGUF MOTE_FILE]...: llama-bench (any build of it)
# and mote side by side. --help has the options. The two run in turns, one repeat at a time, so that
# what else the machine does hits both; what counts is the median of all rounds. Several settings of
# llama-bench may be given; the table has the best of them for each test.
set -u
export LC_ALL=C

prompts=512 gens=128 depths=0 threads=2 rounds=5 ours= theirs= n_theirs=0 raw=
mote=${MOTE:-build/release/mote}

usage() {
    cat <<END
usage: bench/compare.sh [options] LLAMA_BENCH GGUF MOTE_FILE [GGUF MOTE_FILE]...
Prints tokens a second of llama-bench and of mote, medians of interleaved runs, and the ratio.

  -p LIST        tokens of the prompt tests, 0: none (512)
  -n LIST        tokens of the generation tests, 0: none (128)
  -d LIST        tokens that are in the context before (0)
  -t LIST        threads (2)
  -r N           rounds (5)
  --peer FLAGS   run llama-bench with these too: a setting; may be given again, the best counts
  --mote FLAGS   flags for mote bench, as '--isa avx2'
  --raw FILE     append every figure to a file: model, engine, setting, test, threads, tokens/s
  MOTE=PATH      in the environment: the program (build/release/mote)

A list is 1,2,4. llama-bench comes with llama.cpp; its source is also in the source distribution of
the Python package llama-cpp-python, in vendor/llama.cpp, whose own documentation says how to build.
END
}

fail() {
    echo "compare.sh: $1" >&2
    exit 2
}

need_value() { [ "$1" -ge 2 ] || fail "$2 wants a value (--help)"; }

# ---- options -----------------------------------------------------------------------------------
while [ $# -gt 0 ]; do
    case $1 in
    -h | --help)
        usage
        exit 0
        ;;
    -*) need_value $# "$1" ;;
    esac
    case $1 in
    -p) prompts=$2 ;;
    -n) gens=$2 ;;
    -d) depths=$2 ;;
    -t) threads=$2 ;;
    -r) rounds=$2 ;;
    --mote) ours=$2 ;;
    --raw) raw=$2 ;;
    --peer) # settings are kept one a line
        n_theirs=$((n_theirs + 1))
        theirs="$theirs$2
"
        ;;
    -*) fail "no such option: $1 (--help)" ;;
    *) break ;;
    esac
    shift 2
done
[ $# -ge 3 ] && [ $(($# % 2)) -eq 1 ] ||
    fail "wants LLAMA_BENCH and pairs of GGUF and MOTE_FILE (--help)"
case $rounds in
'' | *[!0-9]* | 0) fail "-r: no number of rounds: $rounds" ;;
esac
llama=$1
shift
[ -x "$llama" ] || fail "no program: $llama"
[ -x "$mote" ] || fail "no program: $mote (make, or set MOTE)"
for file; do
    [ -r "$file" ] || fail "no file: $file"
done
[ $n_theirs -gt 0 ] || theirs="
"

work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
: >"$work/all"

# ---- runs --------------------------------------------------------------------------------------
# figures PAIR ENGINE SETTING: JSON lines of either program to lines of tab-separated fields: pair,
# engine, setting, test, threads, tokens a second. Both have numbers under plain keys.
figures() {
    awk -v pair="$1" -v engine="$2" -v setting="$3" '
        function field(name, at) {
            at = index($0, "\"" name "\":")
            return at ? substr($0, at + length(name) + 3) : ""
        }
        {
            p = field("n_prompt") + 0
            n = field("n_gen") + 0
            d = (engine == "mote" ? field("depth") : field("n_depth")) + 0
            t = (engine == "mote" ? field("threads") : field("n_threads")) + 0
            rates = engine == "mote" ? field("tokens_per_second") : field("samples_ts")
            sub(/^[^[]*\[/, "", rates)
            sub(/\].*/, "", rates)
            test = (p ? "pp" p : "") (p && n ? "+" : "") (n ? "tg" n : "") (d ? "@" d : "")
            count = split(rates, rate, ",")
            for (i = 1; i <= count; i++)
                print pair "\t" engine "\t" setting "\t" test "\t" t "\t" rate[i] + 0
        }'
}

run_llama() { # PAIR GGUF SETTING DEPTH THREADS
    # shellcheck disable=SC2086 # a setting is several words
    "$llama" -m "$2" -p "$prompts" -n "$gens" -d "$4" -t "$5" -r 1 -o jsonl $3 \
        2>"$work/errors" >"$work/out" || {
        tail -n 5 "$work/errors" >&2
        fail "llama-bench failed on $2"
    }
    figures "$1" llama "$3" <"$work/out" >>"$work/all"
}

run_mote() { # PAIR FILE DEPTH THREADS
    # shellcheck disable=SC2086
    "$mote" bench "$2" -p "$prompts" -n "$gens" -d "$3" -t "$4" -r 1 -o jsonl -q $ours \
        >"$work/out" || fail "mote bench failed on $2"
    figures "$1" mote "$ours" <"$work/out" >>"$work/all"
}

# One repeat of everything. Threads and depths one by one, to keep the turns short.
round() {
    pair=0
    while [ $# -gt 0 ]; do
        pair=$((pair + 1))
        for t in $(echo "$threads" | tr , ' '); do
            for d in $(echo "$depths" | tr , ' '); do
                printf %s "$theirs" >"$work/settings"
                while IFS= read -r setting <&3; do
                    run_llama "$pair" "$1" "$setting" "$d" "$t"
                done 3<"$work/settings"
                run_mote "$pair" "$2" "$d" "$t"
            done
        done
        shift 2
    done
}

i=0
while [ $i -lt "$rounds" ]; do
    i=$((i + 1))
    [ -t 2 ] && printf '\rround %d of %d ' $i "$rounds" >&2
    round "$@"
done
[ -t 2 ] && printf '\r                    \r' >&2
[ -z "$raw" ] || cat "$work/all" >>"$raw" || exit 1

# ---- the table ---------------------------------------------------------------------------------
pair=0
for file; do
    pair=$((pair + 1))
    name=${file##*/}
    printf '%s\t%s\t%s\n' $(((pair + 1) / 2)) "$name" "$(wc -c <"$file")"
done >"$work/names"

awk -F '\t' '
    function sort(list, n, i, j, x) {
        for (i = 2; i <= n; i++) {
            x = list[i]
            for (j = i - 1; j >= 1 && list[j] > x; j--)
                list[j + 1] = list[j]
            list[j + 1] = x
        }
    }
    # Median of the figures of a row, and "least .. most" in spread.
    function median(key, list, n, i) {
        n = split(figures[key], list, " ")
        for (i = 1; i <= n; i++)
            list[i] += 0
        sort(list, n)
        spread = sprintf("%.1f .. %.1f", list[1], list[n])
        return (list[int((n + 1) / 2)] + list[int(n / 2) + 1]) / 2
    }
    FILENAME ~ /names$/ {
        label = sprintf("%s (%.1f MB)", $2, $3 / 1e6)
        if ($1 in gguf)
            ours[$1] = label
        else
            gguf[$1] = label
        next
    }
    {
        row = $1 SUBSEP $4 SUBSEP $5
        if (!(row in seen)) {
            seen[row] = 1
            rows[++n_rows] = row
        }
        if ($2 == "llama" && !((row, $3) in known)) {
            known[row, $3] = 1
            settings[row] = settings[row] $3 "\t"
        }
        figures[row, $2, $3] = figures[row, $2, $3] " " $6
        setting_of_mote[row] = $2 == "mote" ? $3 : setting_of_mote[row]
    }
    END {
        print "| test | threads | llama.cpp | tokens/s | min .. max | mote | tokens/s | " \
            "min .. max | ratio |"
        print "|---|--:|---|--:|--:|---|--:|--:|--:|"
        for (i = 1; i <= n_rows; i++) {
            row = rows[i]
            split(row, part, SUBSEP)
            n = split(settings[row], tried, "\t") - 1
            best = -1
            for (j = 1; j <= n; j++) {
                m = median(row SUBSEP "llama" SUBSEP tried[j])
                if (m > best) {
                    best = m
                    best_spread = spread
                    best_setting = tried[j]
                }
            }
            m = median(row SUBSEP "mote" SUBSEP setting_of_mote[row])
            printf "| %s | %s | %s%s | %.1f | %s | %s%s | %.1f | %s | %.2f |\n", part[2], part[3],
                gguf[part[1]], (best_setting == "" ? "" : " " best_setting), best, best_spread,
                ours[part[1]], (setting_of_mote[row] == "" ? "" : " " setting_of_mote[row]),
                m, spread, (best > 0 ? m / best : 0)
        }
    }' "$work/names" "$work/all"
