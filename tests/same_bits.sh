#!/bin/sh
# same_bits.sh [MODEL.mote]: one hash for all builds: gcc and clang at -O1 and -O3. Each build runs
# the whole product of the contract test (threads, chunks, tiers, KV types, weight types; 300
# positions) and prints its hashes; with a model, every axis once on it too. Ends in "N passed, N
# failed".
set -eu
cd "$(dirname "$0")/.."
model=${1:-}
passed=0
failed=0
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT

# Hash of a text of 300 ids (ref: 32), by the flags of one run.
ids() {
    awk -v n="$1" 'BEGIN {
        for (i = 0; i < n; i++) printf "%s%d", i ? "," : "", (i * 7919 + 13) % 40000
    }'
}
hash() { # BUILD N FLAGS...
    mote=$1/mote n=$2
    shift 2
    echo "{\"ids\":[$(ids "$n")],\"greedy\":0}" | "$mote" logits "$model" --jsonl "$@" |
        sed 's/.*"hash":"\([^"]*\)".*/\1/'
}

same() { # NAME FILE: all lines of the file are equal
    if [ "$(sort -u "$2" | wc -l)" = 1 ]; then
        passed=$((passed + 1))
        echo "ok   $1: $(head -n 1 "$2" | cut -c 1-40), $(wc -l <"$2") runs"
    else
        failed=$((failed + 1))
        echo "FAIL $1"
        sort "$2" | uniq -c
    fi
}

builds=
for cc in gcc clang; do
    command -v "$cc" >/dev/null || { echo "skipped: $cc: not installed"; continue; }
    for opt in -O1 -O3; do
        b=build/$cc$opt
        make -s B="$b" CC="$cc" OPT="$opt -g" KERNEL_OPT="$opt" "$b/mote" "$b/unit" >/dev/null
        builds="$builds $b"
        MOTE_WHOLE=1 MOTE_HASHES=1 "$b/unit" same_bits | grep '^hash ' >"$out/unit.$cc$opt"
        sha256sum <"$out/unit.$cc$opt" >>"$out/units"
    done
done
cat "$out"/unit.gcc-O1
same "tiny models: types, KV types, tiers, threads, chunks" "$out/units"

if [ -n "$model" ]; then
    first=${builds# }
    first=${first%% *}
    for kv in f32 f16 q8; do
        for b in $builds; do hash "$b" 300 --kv $kv; done >"$out/axes"
        for t in 1 2 3 4; do hash "$first" 300 --kv $kv -t $t; done >>"$out/axes"
        for chunk in 1 7 32 512; do hash "$first" 300 --kv $kv -b $chunk; done >>"$out/axes"
        same "$model, kv $kv: builds, threads, chunks" "$out/axes"
        for isa in $("$first/mote" doctor | sed -n 's/^tiers: //p'); do
            hash "$first" 32 --kv $kv --isa "$isa"
        done >"$out/tiers"
        same "$model, kv $kv: tiers, 32 tokens" "$out/tiers"
    done
fi
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
