#!/bin/sh
# deb.sh BUILD ABI VERSION: Debian packages of what `make install` has put in BUILD/deb/stage: the
# program, the shared library, what building with it needs. Wants dpkg-deb and dpkg-shlibdeps.
set -eu
umask 022
deb=$1/deb abi=$2 version=$3
stage=$deb/stage
arch=$(dpkg --print-architecture)
lib=$(cd "$stage" && echo usr/lib/*-*) # one folder, that of this architecture
maintainer=${MAINTAINER:-mote authors <mote@users.noreply.github.com>}
: "${SOURCE_DATE_EPOCH:=$(git log -1 --format=%ct 2>/dev/null || date +%s)}"
export SOURCE_DATE_EPOCH

# take PACKAGE FILE...: moves files of the stage, by their full names, to a package.
take() {
    package=$1
    shift
    for file in "$@"; do
        mkdir -p "$deb/$package/${file%/*}"
        mv "$stage/$file" "$deb/$package/$file"
    done
}

# The libraries that a package's program or library asks for, as Debian names their packages.
needs() {
    mkdir -p "$deb/work/debian" "$deb/$1/DEBIAN"
    echo 'Source: mote' > "$deb/work/debian/control"
    (cd "$deb/work" && dpkg-shlibdeps -O "../$1/$2" | sed 's/^shlibs:Depends=//')
}

# finish PACKAGE SECTION DEPENDS SUMMARY < DESCRIPTION
finish() {
    folder=$deb/$1
    doc=$folder/usr/share/doc/$1
    mkdir -p "$folder/DEBIAN" "$doc"
    {
        echo "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/"
        printf 'Upstream-Name: mote\n\nFiles: *\n'
        sed -n 's/^Copyright (c) /Copyright: /p' LICENSE
        echo "License: Expat"
        sed -n '/^Permission/,$p' LICENSE | sed 's/^$/./; s/^/ /'
    } > "$doc/copyright"
    {
        printf 'mote (%s) unstable; urgency=medium\n\n' "$version"
        printf '  * See CHANGELOG.md of the source.\n\n'
        printf ' -- %s  %s\n' "$maintainer" "$(LC_ALL=C date -u -R -d "@$SOURCE_DATE_EPOCH")"
    } | gzip -9n > "$doc/changelog.gz"
    {
        printf 'Package: %s\nSource: mote\nVersion: %s\nArchitecture: %s\n' "$1" "$version" "$arch"
        printf 'Maintainer: %s\nSection: %s\nPriority: optional\n' "$maintainer" "$2"
        [ "$1" = mote ] || echo "Multi-Arch: same"
        printf 'Installed-Size: %s\nDepends: %s\n' "$(du -sk "$folder/usr" | cut -f 1)" "$3"
        printf 'Description: %s\n' "$4"
        sed 's/^/ /'
    } > "$folder/DEBIAN/control"
    (cd "$folder" && find usr -type f -exec md5sum {} + | LC_ALL=C sort -k 2) > "$deb/work/md5sums"
    mv "$deb/work/md5sums" "$folder/DEBIAN"
    dpkg-deb --root-owner-group -Zxz --build "$folder" "$deb/$1_${version}_$arch.deb" > "$deb/log"
    echo "$deb/$1_${version}_$arch.deb"
}

cd "$(dirname "$0")/../.."
rm -rf "$deb/mote" "$deb/libmote$abi" "$deb/libmote-dev" "$deb/work" "$deb"/*.deb
strip -R .comment -R .note "$stage/usr/bin/mote" "$stage/$lib/libmote.so.$version"
strip -g -R .comment "$stage/$lib/libmote.a"
chmod 644 "$stage/$lib/libmote.so.$version"
gzip -9n "$stage/usr/share/man/man1/mote.1"
mkdir -p "$stage/usr/share/zsh/vendor-completions"
mv "$stage/usr/share/zsh/site-functions/_mote" "$stage/usr/share/zsh/vendor-completions/_mote"

take mote usr/bin/mote usr/share/man/man1/mote.1.gz usr/share/bash-completion/completions/mote \
    usr/share/zsh/vendor-completions/_mote usr/share/fish/vendor_completions.d/mote.fish
take "libmote$abi" "$lib/libmote.so.$version" "$lib/libmote.so.$abi"
take libmote-dev usr/include/mote.h usr/include/mote_host.h "$lib/libmote.a" "$lib/libmote.so" \
    "$lib/pkgconfig/mote.pc"
for file in generate.c generate.py nearest.sh; do
    install -D -m 644 "examples/$file" "$deb/libmote-dev/usr/share/doc/libmote-dev/examples/$file"
done
mkdir -p "$deb/libmote$abi/DEBIAN"
echo "libmote $abi libmote$abi (>= $version)" > "$deb/libmote$abi/DEBIAN/shlibs"
echo "activate-noawait ldconfig" > "$deb/libmote$abi/DEBIAN/triggers"

finish mote science "$(needs mote usr/bin/mote)" "run small language models on a CPU" << 'TEXT'
mote generates text with transformer models, makes embeddings and scores of
texts, converts and examines model files, and measures speed, on one machine
and without a network. The same file and prompt give the same bits on every
CPU, for any number of threads.
TEXT
finish "libmote$abi" libs "$(needs "libmote$abi" "$lib/libmote.so.$version")" \
    "transformer inference on a CPU (shared library)" << 'TEXT'
A transformer inference engine for small language models. The caller gives all
memory and knows its size before.
.
This package has the shared library.
TEXT
finish libmote-dev libdevel "libmote$abi (= $version)" \
    "transformer inference on a CPU (development files)" << 'TEXT'
A transformer inference engine for small language models. The caller gives all
memory and knows its size before.
.
This package has the headers, the static library and examples.
TEXT
