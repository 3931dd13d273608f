#!/bin/sh
# cjson.sh FOLDER: the source of cJSON, one file, from the distribution's source package, for
# `make static` where libcjson has no static library (Debian and its derivatives). Needs a network;
# apt's own settings stay as they are.
set -eu
folder=${1:?usage: tools/package/cjson.sh FOLDER}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$folder" "$work/lists/partial" "$work/parts"
folder=$(cd "$folder" && pwd)

for file in /etc/apt/sources.list /etc/apt/sources.list.d/*; do
    [ -f "$file" ] || continue
    case $file in
    *.list) sed -n 's/^deb /deb-src /p' "$file" > "$work/parts/${file##*/}" ;;
    *.sources) sed 's/^Types:.*/Types: deb-src/' "$file" > "$work/parts/${file##*/}" ;;
    esac
done
options="-o Dir::Etc::SourceList=/dev/null -o Dir::Etc::SourceParts=$work/parts \
    -o Dir::State::Lists=$work/lists -o APT::Sandbox::User=root"
cd "$work"
# shellcheck disable=SC2086 # options of several words
apt-get -qq $options update && apt-get -qq $options source --download-only cjson
tar -xf cjson_*.orig.tar.*
cp ./*/cJSON.c ./*/cJSON.h ./*/LICENSE "$folder"
echo "cjson: in $folder"
