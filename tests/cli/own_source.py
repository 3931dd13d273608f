#!/usr/bin/env python3
"""convert of a .mote file: the same as of what that file was made of; what it refuses."""
import struct

from frame import main, out, out_json, refused, test

import own
import tiny_encoder


def parts(path):
    """The layer records, and each tensor's (place, kind, ... without its offset) with its bytes."""
    m = own.Mote(path.read_bytes())
    layers = m.raw[m.at + own.INDEX:m.at + m.tensor_at(0)]
    records = [m.raw[m.at + m.tensor_at(i):][:own.TENSOR] for i in range(m.n_tensors)]
    tensors = [(bytes(r[:40] + r[48:]), bytes(m.raw[m.data(i):][:struct.unpack_from("<Q", r, 48)[0]]))
               for i, r in enumerate(records)]
    return bytes(layers), tensors, bytes(m.raw[m.at + 56:m.at + 168])  # the configuration


def same(one, two):
    """But for the text `source`, which tells of the file between."""
    assert parts(one) == parts(two), f"{one.name} and {two.name} differ"
    said = [out_json("info", p, "--json") for p in (one, two)]
    for x in said:
        for key in ("path", "source", "file_bytes", "id"):
            x.pop(key, None)
    assert said[0] == said[1], said


@test
def every_type_comes_out_the_same(m):
    encoder = m.folder / "encoder"
    encoder.mkdir()
    tiny_encoder.write_folder(encoder)
    for n, source in enumerate((m.hub, m.gguf, encoder)):
        between = m.convert(source, f"between{n}.mote", "--type", "f32")
        for kind in ("f32", "bf16", "f16", "q8", "q4"):
            one = m.convert(source, f"one{n}.{kind}.mote", "--type", kind)
            two = m.convert(between, f"two{n}.{kind}.mote", "--type", kind)
            same(one, two)
            out("verify", two)
        same(m.convert(source, f"one{n}.tok.mote", "--tokenizer-only"),
             m.convert(between, f"two{n}.tok.mote", "--tokenizer-only"))


@test
def a_rounding_between_comes_first(m):
    f16 = m.convert(m.hub, "half.mote", "--type", "f16")
    wide = m.convert(f16, "half.f32.mote", "--type", "f32")
    same(m.convert(f16, "half.q8.mote", "--type", "q8"), m.convert(wide, "wide.q8.mote", "--type", "q8"))
    same(f16, m.convert(f16, "kept.mote", "--type", "keep"))
    same(f16, m.convert(f16, "plain.mote"))
    same(f16, m.convert(wide, "back.mote", "--type", "f16"))
    assert "half.mote" in out("info", wide)


@test
def calibration_and_card_are_the_same(m):
    text = m.folder / "text.txt"
    text.write_text(" ".join(f"hello world, hell and hello; the whole held low well.{i * i % 17}" for i in range(12)))
    flags = ("--type", "q4", "--calibrate", text, "--card", text)
    one, two = m.convert(m.hub, "one.mote", *flags), m.convert(m.good, "two.mote", *flags)
    same(one, two)
    assert out_json("info", two, "--json")["quality_card"]["calibration"], "no card"


@test
def what_is_no_source_is_refused(m):
    never = m.folder / "never.mote"
    for kind in ("q8", "q4"):
        path = m.convert(m.hub, f"source.{kind}.mote", "--type", kind)
        refused(6, "quantised", "convert", path, "-o", never, "--type", "q4")
    m.convert(path, "words.of.q4.mote", "--tokenizer-only")
    refused(6, "no model", "convert", m.words, "-o", never)
    refused(2, "--vocab", "convert", m.good, "-o", never, "--vocab", m.good)
    refused(2, "one of the inputs", "convert", m.good, "-o", m.good, "--force")
    raw = bytearray(m.good.read_bytes())
    raw[-100] ^= 1
    bad = m.folder / "bad.mote"
    bad.write_bytes(raw)
    refused(3, "checksum", "convert", bad, "-o", never, "--type", "q8")
    bad.write_bytes(m.good.read_bytes()[:-64])
    refused(3, "cut short", "convert", bad, "-o", never, "--type", "q8")
    assert not never.exists()


if __name__ == "__main__":
    main()
