#!/bin/sh
# arm.sh: the AArch64 tiers under emulation (qemu-user), and the same bits as on this machine: on a
# CPU with dot products and on one without. The kernel checker, the contract test on fewer threads
# and chunks, mote itself on a tiny model. Installs nothing; Debian has what it needs in
# gcc-aarch64-linux-gnu and qemu-user-static. Ends in "N passed, N failed".
set -u
cd "$(dirname "$0")/.." || exit 1
export LC_ALL=C.UTF-8 MOTE_SHORT=1 MOTE_HASHES=1
cross=${CROSS:-aarch64-linux-gnu-}
arm=build/arm
here=build/release
passed=0
failed=0
out=$(mktemp -d) || exit 1
jobs=
trap 'for j in $jobs; do kill "$j"; done 2>/dev/null; rm -rf "$out"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

skip_all() {
    echo "skipped: AArch64: $1"
    echo "0 passed, 0 failed"
    exit 0
}
qemu=$(command -v qemu-aarch64-static || command -v qemu-aarch64) ||
    skip_all "no qemu-aarch64-static"
command -v "${cross}gcc" >/dev/null || skip_all "no ${cross}gcc"

# ok NAME CONDITION...: counts; the log of what failed is shown by the caller.
ok() {
    name=$1
    shift
    if "$@"; then
        passed=$((passed + 1))
        echo "ok   $name"
    else
        failed=$((failed + 1))
        echo "FAIL $name"
        return 1
    fi
}

build() {
    make -s "$here/mote" "$here/unit" "$here/check" &&
        make -s B="$arm" CC="${cross}gcc" AR="${cross}ar" CONVERT=0 BLAS=0 \
            LDFLAGS="-static -no-pie" "$arm/mote" "$arm/unit" "$arm/check"
}
build >"$out/build" 2>&1 || {
    tail -n 20 "$out/build"
    echo "FAIL build"
    echo "0 passed, 1 failed"
    exit 1
}

# ---- runs: two at a time, as this takes minutes ------------------------------------------------

on() { # CPU PROGRAM ARGUMENT...
    cpu=$1 program=$2
    shift 2
    timeout 900 "$qemu" -cpu "$cpu" "$arm/$program" "$@"
}

# run FILE COMMAND...: what it prints goes to the file, its exit code into the last line.
run() {
    file=$out/$1
    shift
    "$@" >"$file" 2>&1 &
    trap 'kill $!; exit 143' TERM
    wait $!
    echo "exit $?" >>"$file"
}
with_dotprod() {
    run ref on max check --tier ref --hash
    run dotprod on max check --tier dotprod
    run unit.max on max unit same_bits
}
without() {
    run neon on cortex-a53 check --tier neon
    run math on cortex-a53 check --tier math
    run unit.a53 on cortex-a53 unit same_bits
}
with_dotprod &
jobs=$!
without &
jobs="$jobs $!"
"$here/check" --tier ref --hash >"$out/ref.here"
"$here/unit" same_bits >"$out/unit.here"
wait

# ---- what they gave ----------------------------------------------------------------------------

good() { # FILE: the program passed something and failed nothing
    grep -q '^[1-9][0-9]* passed, 0 failed' "$1" && [ "$(tail -n 1 "$1")" = "exit 0" ]
}
same() { # FILE FILE: both have hashes, the same ones
    grep -o 'hash .*' "$out/$1" >"$out/a"
    grep -o 'hash .*' "$out/$2" >"$out/b"
    [ -s "$out/a" ] && cmp -s "$out/a" "$out/b"
}
program() { # NAME FILE
    ok "$1: $(sed -n 's/\( failed\).*/\1/p' "$out/$2" | tail -n 1)" good "$out/$2" ||
        tail -n 20 "$out/$2"
}
equal() { # NAME FILE FILE
    ok "$1: the bits of this machine" same "$2" "$3" || diff "$out/a" "$out/b"
}
program "check, math.h" math
program "check, ref" ref
program "check, neon on a cortex-a53" neon
program "check, dotprod" dotprod
program "unit, ref neon dotprod" unit.max
program "unit, ref neon on a cortex-a53" unit.a53
equal "kernels of ref" ref ref.here
equal "tiny models" unit.max unit.here
equal "tiny models on a cortex-a53" unit.a53 unit.here

# ---- the program -------------------------------------------------------------------------------

tiers() { on "$1" mote doctor --quick | sed -n 's/^tiers: //p'; }
ok "doctor: ref neon dotprod" [ "$(tiers max)" = "ref neon dotprod" ]
ok "doctor, cortex-a53: ref neon" [ "$(tiers cortex-a53)" = "ref neon" ]

ids=$(awk 'BEGIN { for (i = 0; i < 100; i++) printf "%s%d", i ? "," : "", (i * 7919 + 13) % 256 }')
logits() { # COMMAND...: its answer to these ids, with 8 tokens more
    echo "{\"ids\":[$ids],\"greedy\":8}" | "$@" --jsonl
}
if "$here/mote" --version | grep -q 'convert 0' || ! command -v python3 >/dev/null; then
    echo "skipped: logits: no converter in this build, or no Python, to make a model"
else
    mkdir "$out/hub"
    PYTHONPATH=tests/corpus PYTHONDONTWRITEBYTECODE=1 python3 -c \
        "import pathlib, sys, tiny; tiny.write_folder(pathlib.Path(sys.argv[1]))" "$out/hub"
    for type in f32 f16 q8 q4; do
        "$here/mote" convert "$out/hub" -o "$out/model.mote" --type $type --force -q
        logits "$here/mote" logits "$out/model.mote" >"$out/want"
        for tier in ref neon dotprod; do
            logits on max mote logits "$out/model.mote" --isa $tier >"$out/got"
            ok "mote logits, $type, $tier: $(cut -c 1-40 "$out/got")" cmp -s "$out/want" "$out/got"
        done
    done
    on cortex-a53 mote logits "$out/model.mote" --jsonl --isa dotprod >/dev/null 2>&1 </dev/null
    ok "no dotprod on a cortex-a53: exit code 6" [ $? = 6 ]
fi
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
