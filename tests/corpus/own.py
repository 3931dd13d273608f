"""Malformed .mote files, from one valid one (anchors: reliability 6a). Each kind is
(name, exit codes allowed, bytes or function(path) that makes the thing)."""
import random
import struct

INDEX, LAYER, TENSOR = 512, 128, 64
MAGIC = b"\x89MOTE\r\n\x1a"
OK_FILE, OK_EITHER = (3,), (3, 6)


def crc_table():
    out = []
    for i in range(256):
        for _ in range(8):
            i = i >> 1 ^ (0x82F63B78 if i & 1 else 0)
        out.append(i)
    return out


TABLE = crc_table()


def crc32c(data):
    crc = 0xFFFFFFFF
    for b in data:
        crc = crc >> 8 ^ TABLE[(crc ^ b) & 255]
    return crc ^ 0xFFFFFFFF


class Mote:
    """A .mote file whose index can be edited and sealed again."""

    def __init__(self, raw):
        self.raw = bytearray(raw)
        self.at = 8 + struct.unpack_from("<Q", raw)[0]
        self.n_layers, self.n_tensors = self.u32(40), self.u32(44)
        self.index_bytes = self.u32(36)

    def u32(self, at):
        return struct.unpack_from("<I", self.raw, self.at + at)[0]

    def set(self, at, fmt, *values):
        struct.pack_into("<" + fmt, self.raw, self.at + at, *values)
        return self

    def layer(self, at, fmt, *values, i=0):
        return self.set(INDEX + LAYER * i + at, fmt, *values)

    def tensor_at(self, i):
        return INDEX + LAYER * self.n_layers + TENSOR * i

    def tensor(self, i, at, fmt, *values):
        return self.set(self.tensor_at(i) + at, fmt, *values)

    def field(self, i, at, fmt="I"):
        return struct.unpack_from("<" + fmt, self.raw, self.at + self.tensor_at(i) + at)[0]

    def find(self, place, kind):
        return next(i for i in range(self.n_tensors)
                    if (self.field(i, 0), self.field(i, 4)) == (place, kind))

    def data(self, i):
        """Position of a tensor's bytes in the file."""
        return self.at + self.field(i, 40, "Q")

    def sealed(self):
        self.set(12, "I", 0)
        self.set(12, "I", crc32c(self.raw[self.at:self.at + self.index_bytes]))
        return bytes(self.raw)


FOREIGN = {"gguf": b"GGUF\3\0\0\0" + bytes(64), "zip": b"PK\3\4" + bytes(64),
           "elf": b"\x7fELF\2\1\1" + bytes(64), "gzip": b"\x1f\x8b\x08" + bytes(64),
           "html": b"<!DOCTYPE html><html><body>404</body></html>",
           "lfs": b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 5\n",
           "safetensors": struct.pack("<Q", 16) + b'{"a":{}}        ' + bytes(64)}


def frame_kinds(good):
    n = len(good)
    yield "M01 empty", OK_FILE, b""
    yield "M03 wrong magic", OK_FILE, Mote(good).set(0, "8s", b"NOTMOTE!").sealed()
    yield "M04 eight bytes", OK_FILE, good[:8]
    for name, raw in FOREIGN.items():
        yield f"M05 {name}", OK_FILE, raw
    for label, version in (("M06 version 0", 0), ("M07 version newer", 2),
                           ("M08 version big-endian", 1 << 24)):
        yield label, OK_EITHER, Mote(good).set(8, "I", version).sealed()
    for label, size in (("M10 header length 0", 0), ("M11 header beyond file", n),
                        ("M12 header beyond cap", 200 << 20), ("M13 header 2^63", 1 << 63),
                        ("M14 header 2^64-1", (1 << 64) - 1), ("M14b header off by 8", 8),
                        ("M14c header of odd length", 57)):
        yield label, OK_FILE, struct.pack("<Q", size) + good[8:]
    m = Mote(good)
    swapped = struct.unpack(f"<{m.index_bytes // 4}I", good[m.at:m.at + m.index_bytes])
    yield "M09 words in the other byte order", OK_EITHER, (
        good[:m.at] + MAGIC + struct.pack(f">{len(swapped)}I", *swapped)[8:] + good[m.at + m.index_bytes:])
    yield "M29 index of odd length", OK_FILE, m.set(36, "I", m.index_bytes - 3).sealed()
    yield "M29b index length 2^31", OK_FILE, bytes(Mote(good).set(36, "I", 1 << 31).raw)
    yield "M29c index length 0", OK_FILE, bytes(Mote(good).set(36, "I", 0).raw)
    yield "M46 strings of 1 GB", OK_FILE, Mote(good).set(52, "I", 1 << 30).sealed()
    yield "M27 trailing bytes", OK_FILE, good + bytes(64)
    yield "M27b one byte more", OK_FILE, good + b"\0"
    yield "M35 index checksum", OK_FILE, bytes(Mote(good).set(72, "I", 99).raw)
    yield "M35b index length", OK_FILE, Mote(good).set(36, "I", 64).sealed()
    yield "M35c index beyond file", OK_FILE, Mote(good).set(36, "I", 1 << 30).raw
    yield "M35d json length in index", OK_FILE, Mote(good).set(16, "Q", 64).sealed()
    yield "M35e file length in index", OK_FILE, Mote(good).set(24, "Q", 64).sealed()


def string_kinds(good):
    """The model's name (M32, M33): texts of strangers, which info shows escaped."""
    m = Mote(good)
    at, n = m.u32(172), m.u32(176)
    begin = m.at + m.u32(48) + at

    def named(label, codes, text):
        out = Mote(good)
        out.raw[begin:begin + len(text)] = text
        return label, codes, out.set(172, "II", at, len(text)).sealed()

    yield named("M32 name empty", (0,), b"")
    yield "M32b name of 1 MiB", OK_FILE, Mote(good).set(176, "I", 1 << 20).sealed()
    yield named("M32c name with NUL", (0, 3), b"a\0b"[:n])
    yield named("M32d name not UTF-8", OK_FILE, b"\xff\xfe"[:n])
    for i, text in enumerate((b"\x1b[2J", b"a\rb", "\u202e".encode(), b"%s%n")):
        yield named(f"M33.{i} name {text!r}", (0,), text[:n])


def tensor_kinds(good):
    def t(name, codes, i, at, fmt, *values):
        return name, codes, Mote(good).tensor(i, at, fmt, *values).sealed()

    m = Mote(good)
    q, last = m.find(1, 2), m.n_tensors - 1
    for n in (0, 5, 255):  # the records have no rank; a third dimension is the number of matrices
        yield t(f"M15 {n} matrices", OK_FILE, q, 20, "I", n)
    yield t("M21 no bytes", OK_FILE, q, 48, "Q", 0)
    yield t("M21b end before the begin", OK_FILE, q, 48, "q", -64)
    yield "M38 required tensor missing", OK_FILE, Mote(good).layer(28, "I", 1).sealed()
    yield t("M39 tensor that no part uses", OK_EITHER, last, 4, "I", m.field(last, 4) + 1)
    yield t("M45 norm twice", OK_FILE, m.find(1, 2), 4, "I", 1)
    yield t("M16 rows 0", OK_FILE, q, 24, "Q", 0)
    yield t("M16b columns 0", OK_FILE, q, 32, "Q", 0)
    for bits in (31, 32, 63):
        yield t(f"M17 rows 2^{bits}", OK_FILE, q, 24, "Q", 1 << bits)
        yield t(f"M17b columns 2^{bits}", OK_FILE, q, 32, "Q", 1 << bits)
    yield t("M18 rows x columns wraps", OK_FILE, q, 24, "QQ", 1 << 32, 1 << 32)
    yield t("M19 offset beyond file", OK_FILE, q, 40, "Q", 1 << 40)
    yield t("M20 offset + size wraps", OK_FILE, q, 40, "QQ", (1 << 64) - 64, 128)
    yield t("M22 size wraps the sum", OK_FILE, q, 48, "Q", (1 << 64) - 64)
    yield t("M23 padding wraps", OK_FILE, q, 48, "Q", (1 << 64) - 1)
    yield t("M24 overlap", OK_FILE, q, 40, "Q", m.field(q, 40, "Q") - 64)
    yield t("M25 same range twice", OK_FILE, q, 40, "Q", m.field(q - 1, 40, "Q"))
    yield t("M26 hole", OK_FILE, last, 40, "Q", m.field(last, 40, "Q") + 64)
    yield t("M28 offset not aligned", OK_FILE, q, 40, "Q", m.field(q, 40, "Q") + 4)
    yield t("M31 unknown type", OK_EITHER, q, 12, "I", 99)
    yield t("M31b unknown shape", OK_EITHER, q, 8, "I", 9)
    yield t("M31c unknown kind", OK_EITHER, last, 4, "I", 60)
    yield t("M31d place beyond layers", OK_EITHER, last, 0, "I", 77)
    yield t("M34 tensor twice", OK_FILE, q, 0, "II", 1, m.field(q - 1, 4))
    yield t("M34b order", OK_FILE, q, 0, "II", 0, 1)
    yield t("M42 rows do not match", OK_FILE, q, 24, "Q", 16)
    yield t("M43 group 7", OK_FILE, q, 16, "I", 7)
    yield t("M43b several matrices", OK_FILE, q, 20, "I", 3)
    norm = m.find(1, 1)
    for field, at, value in (("type", 12, 1), ("group", 16, 32), ("matrices", 20, 2), ("columns", 32, 2)):
        yield t(f"M44b {field} of a vector", OK_FILE, norm, at, "I", value)
    yield t("M44 reserved field of a tensor", OK_EITHER, q, 60, "I", 1)
    for label, count in (("0", 0), ("one less", m.n_tensors - 1), ("one more", m.n_tensors + 1),
                         ("2^32-1", 0xFFFFFFFF)):
        yield f"M30 tensors {label}", OK_FILE, Mote(good).set(44, "I", count).sealed()
    norm = m.find(1, 1)
    bad = Mote(good)
    struct.pack_into("<f", bad.raw, bad.data(norm), float("nan"))
    yield "M40 NaN in a norm", OK_FILE, bytes(bad.raw)
    struct.pack_into("<f", bad.raw, bad.data(norm), float("inf"))
    yield "M40b infinity in a norm", OK_FILE, bytes(bad.raw)
    small = Mote(good)
    n = small.field(q, 48, "Q")
    struct.pack_into(f"<{n // 4}I", small.raw, small.data(q), *[1] * (n // 4))
    small.tensor(q, 56, "I", crc32c(small.raw[small.data(q):small.data(q) + n]))
    yield "M41 a matrix of denormals", (0,), small.sealed()


LAYER_FIELDS = [("attention kind", 0, "I", 7, OK_EITHER), ("heads 0", 4, "I", 0, OK_FILE),
                ("heads 2^31", 4, "I", 1 << 31, OK_FILE), ("KV heads 0", 8, "I", 0, OK_FILE),
                ("KV heads do not divide", 8, "I", 5, OK_FILE), ("head size 0", 12, "I", 0, OK_FILE),
                ("head size odd", 12, "I", 15, OK_FILE), ("head size 2^30", 12, "I", 1 << 30, OK_FILE),
                ("rope table", 16, "I", 9, OK_FILE), ("rotary dimensions 0", 20, "I", 0, OK_FILE),
                ("rotary dimensions above head", 20, "I", 4096, OK_FILE),
                ("rope scale NaN", 24, "f", float("nan"), OK_FILE),
                ("q/k norm kind", 28, "I", 9, OK_EITHER), ("scale infinite", 32, "f", float("inf"), OK_FILE),
                ("bias flags", 44, "I", 1 << 20, OK_EITHER), ("bias without tensor", 44, "I", 1, OK_FILE),
                ("norm kind", 48, "I", 9, OK_EITHER), ("epsilon negative", 52, "f", -1.0, OK_FILE),
                ("MLP kind", 56, "I", 9, OK_EITHER), ("activation", 60, "I", 99, OK_EITHER),
                ("MLP rows 0", 64, "I", 0, OK_FILE), ("MLP rows", 64, "I", 48, OK_FILE),
                ("reserved", 120, "I", 1, OK_EITHER)]

INDEX_FIELDS = [("layers 0", 40, "I", 0, OK_EITHER), ("layers 2^31", 40, "I", 1 << 31, OK_FILE),
                ("layers one more", 40, "I", 2, OK_FILE), ("flags", 56, "I", 1, OK_EITHER),
                ("strings beyond index", 52, "I", 1 << 30, OK_FILE),
                ("strings at 0", 48, "I", 0, OK_FILE), ("vocabulary 0", 64, "I", 0, OK_FILE),
                ("vocabulary 2^31", 64, "I", 1 << 31, OK_FILE), ("hidden 0", 68, "I", 0, OK_FILE),
                ("hidden", 68, "I", 64, OK_FILE), ("context 0", 72, "I", 0, OK_FILE),
                ("context 2^31", 72, "I", 1 << 31, OK_FILE), ("final norm kind", 76, "I", 5, OK_EITHER),
                ("epsilon NaN", 80, "f", float("nan"), OK_FILE),
                ("embed scale infinite", 84, "f", float("inf"), OK_FILE),
                ("rope tables", 96, "I", 99, OK_FILE), ("end ids count", 100, "I", 17, OK_FILE),
                ("end id beyond vocabulary", 104, "i", 1 << 20, OK_FILE),
                ("end id negative", 104, "i", -5, OK_FILE),
                ("string beyond strings", 172, "II", 4, OK_FILE), ("reserved", 500, "I", 1, OK_EITHER)]


def record_kinds(good):
    for name, at, fmt, value, codes in LAYER_FIELDS:
        yield f"ML layer: {name}", codes, Mote(good).layer(at, fmt, value).sealed()
    for name, at, fmt, value, codes in INDEX_FIELDS:
        values = (value, 1 << 28) if len(fmt) > 1 else (value,)
        yield f"MX index: {name}", codes, Mote(good).set(at, fmt, *values).sealed()


def cut_kinds(good, every):
    """The file cut at header bytes and tensor borders."""
    m = Mote(good)
    points = set(range(0, m.at + 64)) | {m.at + m.index_bytes + d for d in (-1, 0, 1)}
    for i in range(m.n_tensors):
        end = m.at + m.field(i, 40, "Q") + m.field(i, 48, "Q")
        points |= {end - 1, end, end + 1}
    points = sorted(p for p in points if p < len(good))
    for p in points if every else random.Random(3).sample(points, 30):
        yield f"M02 cut at {p}", OK_FILE, good[:p]


def flip_kinds(good, count):
    """Single bits of the index: none may go unnoticed."""
    rng, m = random.Random(5), Mote(good)
    for _ in range(count):
        raw = bytearray(good)
        bit = rng.randrange(m.index_bytes * 8)
        raw[m.at + bit // 8] ^= 1 << bit % 8
        yield f"M37 index bit {bit}", OK_EITHER, bytes(raw)


def json_kinds(good):
    """The JSON header is for other tools: only verify looks at it."""
    m = Mote(good)
    for label, text in (("M45b metadata twice", b'{"__metadata__":{},"__metadata__":{},'),
                        *((f"M47 nested {n}", b'{"a":' + b"[" * n) for n in (65, 1000))):
        raw = bytearray(good)
        raw[8:8 + min(len(text), m.at - 8)] = text[:m.at - 8]
        yield label, OK_FILE, bytes(raw)
    deep = b'{"a":' + b"[" * (200_000 - 13)
    yield "M47b nested 200,000", OK_FILE, struct.pack("<Q", len(deep)) + deep + good[m.at:]


def kinds(good, every=False):
    yield from frame_kinds(good)
    yield from string_kinds(good)
    yield from tensor_kinds(good)
    yield from record_kinds(good)
    yield from cut_kinds(good, every)
    yield from flip_kinds(good, 500 if every else 20)


def verify_kinds(good, every=False):
    """What only `verify` sees: contents."""
    rng, m = random.Random(6), Mote(good)
    begin = m.at + m.index_bytes
    for _ in range(500 if every else 20):
        raw = bytearray(good)
        bit = rng.randrange((len(good) - begin) * 8)
        raw[begin + bit // 8] ^= 1 << bit % 8
        yield f"M36 data bit {bit}", OK_FILE, bytes(raw)
    yield from json_kinds(good)
    text = bytearray(good)
    text[8 + 12] ^= 1
    yield "M36b JSON bit", OK_FILE, bytes(text)
    q = m.find(1, 2)
    struct.pack_into("<f", m.raw, m.data(q), float("nan"))
    n = m.field(q, 48, "Q")
    m.tensor(q, 56, "I", crc32c(m.raw[m.data(q):m.data(q) + n]))
    yield "M40c NaN weight, checksum right", OK_FILE, m.sealed()
