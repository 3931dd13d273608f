#!/bin/sh
# analyze.sh: what compilers and checkers find without running anything: gcc -fanalyzer, clang-tidy,
# cppcheck, those that are there. Not part of make test: versions differ, and it takes minutes.
# What is left out, and why:
#   insecureAPI    wants C11's optional memcpy_s
#   easily-swappable, narrowing and the like    taste, or what -Wconversion says already
set -u
cd "$(dirname "$0")/.." || exit 1
flags="-std=gnu11 -I. -DMOTE_BLAS=0 -DMOTE_CONVERT=1 $(pkg-config --cflags libcjson libutf8proc)"
sources=$(find loader tokenizer model cli tools kernels -name '*.c' \
    ! -path 'kernels/x86/*' ! -path 'kernels/arm/*' ! -path 'kernels/blas/*' | sort)
checks='-*,clang-analyzer-*,bugprone-*,-clang-analyzer-security.insecureAPI.*'
checks="$checks,-bugprone-easily-swappable-parameters,-bugprone-narrowing-conversions"
checks="$checks,-bugprone-reserved-identifier,-bugprone-macro-parentheses"
checks="$checks,-bugprone-implicit-widening-of-multiplication-result,-bugprone-branch-clone"
checks="$checks,-bugprone-assignment-in-if-condition,-bugprone-signed-char-misuse"
log=$(mktemp) || exit 1
trap 'rm -f "$log"' EXIT
bad=0
# tell NAME: the findings in the log.
tell() {
    n=$(grep -cE 'warning:|error:' "$log")
    cat "$log"
    echo "$1: $n findings"
    [ "$n" -eq 0 ] || bad=1
}
# shellcheck disable=SC2086 # lists of words
if gcc -fanalyzer -x c -c -o /dev/null /dev/null 2>/dev/null; then
    for f in $sources; do
        gcc -O1 -fanalyzer $flags -c -o /dev/null "$f" 2>&1 | grep -A3 -E 'warning:|error:'
    done >"$log"
    tell "gcc -fanalyzer"
else
    echo "skip gcc -fanalyzer: no gcc that has it"
fi
# shellcheck disable=SC2086
if command -v clang-tidy >/dev/null 2>&1; then
    clang-tidy --quiet --checks="$checks" $sources -- $flags >"$log" 2>/dev/null
    tell "clang-tidy"
else
    echo "skip clang-tidy: not there"
fi
# shellcheck disable=SC2086
if command -v cppcheck >/dev/null 2>&1; then
    cppcheck -q --std=c11 --enable=warning,portability --inline-suppr -I. -DMOTE_BLAS=0 \
        -DMOTE_CONVERT=1 --suppress=missingInclude --suppress=normalCheckLevelMaxBranches \
        --template='{file}:{line}: {severity}: warning: {id}: {message}' $sources >"$log" 2>&1
    tell "cppcheck"
else
    echo "skip cppcheck: not there"
fi
exit $bad
