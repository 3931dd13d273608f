#!/usr/bin/env python3
"""convert --calibrate and --card: the files they make, the card that info shows, what they refuse."""
import pathlib

from frame import main, out, out_json, refused, test

import tiny_encoder

WORDS = "hello world, hell and hello; the whole held low well."


def text_of(m, name, n=12):
    path = m.folder / name
    path.write_text(" ".join(f"{WORDS}{i * i % 17}" for i in range(n)))
    return path


@test
def a_calibrated_file_is_whole_and_repeats(m):
    text = text_of(m, "calibration.txt")
    plain = m.convert(m.hub, "plain.mote", "--type", "q4")
    one = m.convert(m.hub, "one.mote", "--type", "q4", "--calibrate", text)
    two = m.convert(m.hub, "two.mote", "--type", "q4", "--calibrate", text)
    assert one.read_bytes() == two.read_bytes(), "two conversions differ"
    assert one.read_bytes() != plain.read_bytes(), "calibration changed nothing"
    assert one.stat().st_size == plain.stat().st_size
    out("verify", one)
    assert out_json("info", one, "--json")["quality_card"] is None
    out("run", one, "--raw", "-p", "hello", "-n", 4, "-q", "--temp", 0)


@test
def a_card_says_what_compare_says(m):
    text, other = text_of(m, "calibration.txt"), text_of(m, "card.txt", 9)
    for kind, flags in (("q4", ["--calibrate", text]), ("q8", [])):
        path = m.convert(m.hub, f"card.{kind}.mote", "--type", kind, "--card", other, *flags)
        out("verify", path)
        card = out_json("info", path, "--json")["quality_card"]
        found = out_json("compare", m.good, path, "-f", other, "--json", "-q")
        for key, name in (("mean_kl", "mean_kl"), ("median_kl", "median_kl"), ("ppl", "other_ppl"),
                          ("float_ppl", "ppl"), ("same_top_1", "same_top_1")):
            assert abs(card[key] - found[name]) < 1e-3 * max(1, found[name]), f"{key}: {card} {found}"
        assert card["tokens"] == found["tokens"] and card["blas"] is False
        assert (card["calibration"] is None) == (kind == "q8"), card
        assert len(card["text_crc32c"]) == 8
        shown = out("info", path)
        assert "KL divergence from float" in shown
        assert ("not calibrated" in shown) == (kind == "q8"), shown


@test
def encoders_are_calibrated_by_lines(m):
    text = m.folder / "lines.txt"
    text.write_text("\n".join(f"{WORDS} {i}" for i in range(20)))
    hub = m.folder / "encoder"
    hub.mkdir()
    tiny_encoder.write_folder(hub)
    plain = m.convert(hub, "encoder.plain.mote", "--type", "q4")
    path = m.convert(hub, "encoder.mote", "--type", "q4", "--calibrate", text)
    out("verify", path)
    assert path.read_bytes() != plain.read_bytes(), "calibration changed nothing"
    refused(6, "encoder", "convert", hub, "-o", m.folder / "x.mote", "--type", "q4", "--card", text)


@test
def what_cannot_be_measured_is_refused(m):
    text, short, empty = text_of(m, "calibration.txt"), m.folder / "short.txt", m.folder / "empty.txt"
    short.write_text("hello world")
    empty.write_text("")
    path = m.folder / "never.mote"
    to = ("convert", m.hub, "-o", path, "-q")
    for flag in ("--calibrate", "--card"):
        refused(4, "nowhere.txt", *to, "--type", "q4", flag, m.folder / "nowhere.txt")
        refused(2, "is empty", *to, "--type", "q4", flag, empty)
        refused(2, "at least", *to, "--type", "q4", flag, short)
        refused(2, flag, *to, "--type", "bf16", flag, text)
        refused(2, flag, *to, "--tokenizer-only", flag, text)
    refused(2, "--calibrate", *to, "--type", "q8", "--calibrate", text)
    refused(2, "--force", "convert", m.hub, "-o", m.good, "--type", "q4", "--calibrate", text)
    assert not path.exists()
    left = [p.name for p in pathlib.Path(m.folder).iterdir() if p.name.startswith(".mote")]
    assert not left, f"left behind: {left}"


if __name__ == "__main__":
    main()
