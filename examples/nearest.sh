#!/bin/sh
# nearest.sh MODEL.mote QUERY < LINES: the lines, those nearest to the query in meaning first, with the
# cosine. The embeddings of one run of mote, one a line, the query's first; awk, sort and cut do the rest.
set -eu
lines=$(mktemp)
trap 'rm -f "$lines"' EXIT
{ printf '%s\n' "$2"; cat; } > "$lines"
sed 's/[\\"]/\\&/g; s/	/\\t/g; s/.*/{"text":"&"}/' "$lines" | mote embed "$1" --jsonl -q |
    sed 's/.*\[\(.*\)\].*/\1/' | paste -d '	' - "$lines" |
    awk -F '	' '{ n = split($1, v, ","); dot = own = 0; sub(/[^\t]*\t/, "") }
                NR == 1 { for (i = 1; i <= n; i++) { q[i] = v[i]; all += v[i] * v[i] } next }
                { for (i = 1; i <= n; i++) { dot += q[i] * v[i]; own += v[i] * v[i] }
                  printf "%.4f\t%s\n", dot / sqrt(all * own), $0 }' |
    sort -t '	' -k 1,1 -gr
