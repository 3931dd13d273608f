#!/bin/sh
# deps.sh [--all]: installs what the build and the demo need, on Debian and its derivatives;
# elsewhere it prints the list. Does nothing when all is there. --all: also OpenBLAS, clang with
# libFuzzer and clang-format, which nothing needs; --more: what `make firmware` and `make analyze`
# want too.
set -eu

have() { command -v "$1" >/dev/null 2>&1; }
have_library() { have pkg-config && pkg-config --exists "$1" 2>/dev/null; }
have_fuzzer() { ls "$(clang -print-runtime-dir)" 2>/dev/null | grep -q 'clang_rt[.]fuzzer'; }
have_pip() { python3 -m pip --version >/dev/null 2>&1; }
can_link() { # the C library's own files may be missing though there is a compiler
    printf '#include <stdio.h>\nint main(void) { return 0; }\n' |
        "${CC:-cc}" -x c -o /dev/null - >/dev/null 2>&1
}

missing=""
need() { missing="$missing $*"; }
can_link || need gcc libc6-dev
have make || need make
have pkg-config || need pkg-config
have_library libcjson || need libcjson-dev
have_library libutf8proc || need libutf8proc-dev
have python3 || need python3
have_pip || need python3-pip python3-venv
if [ "${1:-}" = "--all" ] || [ "${1:-}" = "--more" ]; then
    have_library openblas || need libopenblas-dev
    have clang || need clang
    have_fuzzer || need libclang-rt-dev
    have clang-format || need clang-format
fi
if [ "${1:-}" = "--more" ]; then
    have clang-tidy || need clang-tidy
    have cppcheck || need cppcheck
    have arm-none-eabi-gcc || need gcc-arm-none-eabi
    have riscv64-unknown-elf-gcc || need gcc-riscv64-unknown-elf
    have qemu-system-arm || need qemu-system-arm
    have qemu-system-riscv32 || need qemu-system-misc
fi

if [ -z "$missing" ]; then
    echo "deps: all there"
    exit 0
fi

if ! have apt-get; then
    cat >&2 <<LIST
deps: missing, by their names in Debian:$missing
Install with your system's package manager:
  build: a C compiler (gcc or clang), make, pkg-config, cJSON, utf8proc
  demo and tests: Python 3, with pip for the demo
  if you like: OpenBLAS
For example
  Fedora  dnf install gcc make pkgconf cjson-devel utf8proc-devel python3-pip
  Arch    pacman -S gcc make pkgconf cjson libutf8proc python-pip
  macOS   brew install pkg-config cjson utf8proc python
'make' without cJSON and utf8proc makes a mote that cannot convert, but runs.
LIST
    exit 1
fi

as_root=""
if [ "$(id -u)" -ne 0 ]; then
    if ! have sudo; then
        echo "deps: not root and no sudo; as root: apt-get update && apt-get install$missing" >&2
        exit 1
    fi
    as_root="sudo"
fi
echo "deps: installing$missing"
$as_root apt-get update -qq
# shellcheck disable=SC2086 # the list is meant to be split
$as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing
echo "deps: installed"
