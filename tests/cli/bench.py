#!/usr/bin/env python3
"""mote bench and bench/compare.sh: lists, names of tests, formats, errors. No figure is judged: a test
that times something fails on a busy machine. Usage: bench.py [NAME-PART...]"""
import csv
import io
import json
import math
import os
import pathlib
import stat
import subprocess

from frame import MOTE, main, mote, out, out_json, refused, test

ROOT = pathlib.Path(__file__).resolve().parents[2]
QUICK = ["-r", 1, "-q", "-t", 1]


def names(m, *args):
    return [r["test"] for r in out_json("bench", m.wide, "-r", 1, "-q", "-o", "json", *args)]


@test
def lists_and_ranges(m):
    one = ["-n", 0, "-t", 1]
    assert names(m, *one, "-p", "3,1,2") == ["pp3", "pp1", "pp2"]
    assert names(m, *one, "-p", "1-4") == ["pp1", "pp2", "pp3", "pp4"]
    assert names(m, *one, "-p", "1-8+3") == ["pp1", "pp4", "pp7"]
    assert names(m, *one, "-p", "1-8*2,5-5") == ["pp1", "pp2", "pp4", "pp8", "pp5"]
    assert names(m, *one, "-p", "0,2,0") == ["pp2"]
    assert names(m, "-p", 0, "-n", "2,3", "-t", 1) == ["tg2", "tg3"]
    assert names(m, "-p", 4, "-n", 2, "-d", "0,8", "-t", 1) == ["pp4", "tg2", "pp4@8", "tg2@8"]


@test
def every_combination(m):
    rows = out_json("bench", m.wide, "-p", 6, "-n", 2, "-d", "9,0", "-t", "1,2", "-b", "2,4",
                    "--kv", "f32,q8", "-r", 2, "-q", "-o", "json")
    keys = ("kv", "n_batch", "threads", "depth", "n_prompt", "n_gen")
    want = [(kv, b, t, d, p, n) for kv in ("f32", "q8") for b in (2, 4) for t in (1, 2)
            for d in (9, 0) for p, n in ((6, 0), (0, 2))]
    assert [tuple(r[k] for k in keys) for r in rows] == want
    assert {len(r["tokens_per_second"]) for r in rows} == {2}


@test
def figures_of_a_row(m):
    row, = out_json("bench", m.good, "-p", 0, "-n", 4, "-r", 5, "-t", 1, "-q", "-o", "json")
    rates = row["tokens_per_second"]
    assert len(rates) == 5 and min(rates) > 0 and row["first_token_ms"] > 0
    assert math.isclose(row["median"], sorted(rates)[2]) and row["min"] == min(rates)
    assert math.isclose(row["mean"], sum(rates) / 5) and row["max"] == max(rates)
    info = out_json("info", m.good, "--json")
    assert row["read_bytes_per_token"] > info["decode_read_bytes"]  # keys and values too
    assert math.isclose(row["read_gb_per_second"],
                        row["read_bytes_per_token"] * row["median"] / 1e9, rel_tol=1e-6)
    assert row["float_gop_per_second"] > 0 == row["int_gop_per_second"] and "roofline" not in row


@test
def work_grows_with_the_context(m):
    near, far = out_json("bench", m.wide, "-p", 0, "-n", 2, "-d", "0,1000", *QUICK, "-o", "json")
    assert far["read_bytes_per_token"] > near["read_bytes_per_token"]
    small, large = out_json("bench", m.wide, "-p", 64, "-n", 0, "-b", "8,64", *QUICK, "-o", "json")
    assert small["read_bytes_per_token"] > large["read_bytes_per_token"]


@test
def the_four_forms(m):
    args = ["bench", m.good, "-p", 3, "-n", 2, *QUICK]
    table = list(csv.reader(io.StringIO(out(*args, "-o", "csv"))))
    assert len(table) == 3 and {len(row) for row in table} == {len(table[0])}
    assert [row[table[0].index("test")] for row in table[1:]] == ["pp3", "tg2"]
    lines = out(*args, "-o", "jsonl").splitlines()
    assert [json.loads(x)["test"] for x in lines] == ["pp3", "tg2"]
    assert [r["test"] for r in json.loads(out(*args, "-o", "json"))] == ["pp3", "tg2"]
    md = out(*args).splitlines()
    rows = [x for x in md if x.startswith("|")]
    assert len(rows) == 4 and len({x.count("|") for x in rows}) == 1 and "| pp3 |" in rows[2]
    assert any("first logits" in x for x in md)
    wide = [x for x in out(*args, "-b", "1,2").splitlines() if x.startswith("|")]
    assert len(wide) == 6 and "batch" in wide[0] and len({x.count("|") for x in wide}) == 1


@test
def what_was_measured_before_an_error_is_whole(m):
    missing = m.folder / "missing.mote"
    for form, rows in (("json", json.loads), ("jsonl", lambda text: [json.loads(x) for x in text.splitlines()])):
        p = mote("bench", m.good, missing, "-p", 3, "-n", 0, *QUICK, "-o", form)
        assert p.returncode == 4 and "missing.mote" in p.stderr
        assert [r["test"] for r in rows(p.stdout)] == ["pp3"]
    refused(4, "missing.mote", "bench", missing, "-o", "json")


@test
def roofline(m):
    args = ["bench", m.good, "-p", 2, "-n", 2, *QUICK, "--roofline"]
    rows = out_json(*args, "-o", "json")
    for r in rows:
        roof = r["roofline"]
        assert roof["threads"] == 1 and roof["read_gb_per_second"] > 0 and roof["share"] > 0
        assert roof["limit"] in ("memory", "compute")
        assert roof["buffer_bytes"] >= 1 << 27
    peaks = [{k: v for k, v in r["roofline"].items() if k not in ("limit", "share")} for r in rows]
    assert peaks[0] == peaks[1], "measured more than once"


@test
def errors(m):
    for flag in ("-p", "-n", "-d", "-t", "-b"):
        for bad in ("", ",", "1,", "x", "1-", "-1", "4-1", "1-4+0", "1-4*1", "0-4*2", "1-4/2", "1--4",
                    "1-100", "1 ,2", "99999999", "1-2+3+4", "1e3"):
            refused(2, flag, "bench", m.good, flag, bad)
    for bad in ("", "q4", "f16,", "f16,,q8", "F16"):
        refused(2, "--kv", "bench", m.good, "--kv", bad)
    refused(2, "nothing to measure", "bench", m.good, "-p", "0,0", "-n", 0)
    refused(2, "128", "bench", m.good, "-p", 129, "-n", 0)
    refused(2, "128", "bench", m.good, "-p", 1, "-n", 100, "-d", "0,29")
    refused(2, "-c", "bench", m.good, "-p", 64, "-n", 0, "-c", 32)
    refused(2, "-o", "bench", m.good, "-o", "xml")
    refused(2, "-r", "bench", m.good, "-r", 0)


# ---- bench/compare.sh ----------------------------------------------------------------------------

PEER = """#!/bin/sh
# Answers as llama-bench does; the third figure of three runs is the largest.
echo "$@" >>"$0.log"
rate=100
case "$*" in *"-x 2"*) rate=200 ;; esac
echo '{"model_filename": "a", "n_prompt": 8, "n_gen": 0, "n_depth": 0, "n_threads": 1, "avg_ts": 1.5,' \\
     '"samples_ns": [ 5 ],"samples_ts": [ '$rate' ]}'
echo '{"n_threads": 1, "n_prompt": 0, "n_gen": 4, "n_depth": 0, "avg_ts": 1, "samples_ts": [ 50.5 ]}'
"""


def compare(*args):
    return subprocess.run([ROOT / "bench" / "compare.sh", *map(str, args)], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, timeout=60, text=True,
                          env={**os.environ, "MOTE": os.path.abspath(MOTE)})


@test
def compare_prints_both(m):
    peer, raw = m.folder / "peer", m.folder / "raw"
    peer.write_text(PEER)
    peer.chmod(peer.stat().st_mode | stat.S_IXUSR)
    p = compare("-p", 8, "-n", 4, "-t", 1, "-r", 2, "--peer", "-x 1", "--peer", "-x 2", "--mote",
                "--isa ref", "--raw", raw, peer, m.gguf, m.good)
    assert p.returncode == 0, p.stderr
    rows = [[x.strip() for x in line.split("|")[1:-1]] for line in p.stdout.splitlines()]
    assert [len(r) for r in rows] == [9] * 4, p.stdout
    assert [r[0] for r in rows[2:]] == ["pp8", "tg4"] and {r[1] for r in rows[2:]} == {"1"}
    assert rows[2][2].endswith("-x 2") and rows[2][3] == "200.0" and rows[3][3] == "50.5"
    assert rows[2][2].startswith("tiny.gguf") and rows[2][5].startswith("good.mote")
    assert len(raw.read_text().splitlines()) == 2 * 2 * 3  # rounds, tests, settings
    assert len((m.folder / "peer.log").read_text().splitlines()) == 4


@test
def compare_refuses(m):
    for args in ((), ("-r", 0, "a", "b", "c"), ("--frob", 1, "a", "b", "c"), ("-t",),
                 (MOTE, m.gguf, m.good, m.gguf), (m.folder / "absent", m.gguf, m.good),
                 (MOTE, m.folder / "absent", m.good)):
        p = compare(*args)
        assert p.returncode == 2 and len(p.stderr.splitlines()) == 1 and not p.stdout, (args, p)
    p = compare("-r", 1, MOTE, m.gguf, m.good)  # a program, but not llama-bench
    assert p.returncode == 2 and not p.stdout and "llama-bench failed" in p.stderr
    assert "usage" in compare("--help").stdout


if __name__ == "__main__":
    main()
