"""Tiny valid encoders as hub folders: BERT and XLM-RoBERTa, as sentence encoders or cross-encoders. All
bytes from a seed; standard library only. The tokenizer is the byte-level one of tiny.py, with a begin and
an end token put around texts."""
import json
import random
import struct

import tiny

HIDDEN, LAYERS, HEADS, FF, POSITIONS = 32, 2, 2, 48, 320
OPEN, CLOSE = tiny.VOCAB - 2, tiny.VOCAB - 1


def config(kind="bert", scores=False):
    name = {"bert": "Bert", "xlm-roberta": "XLMRoberta"}[kind]
    out = {"architectures": [name + ("ForSequenceClassification" if scores else "Model")],
           "model_type": kind, "vocab_size": tiny.VOCAB, "hidden_size": HIDDEN,
           "num_hidden_layers": LAYERS, "num_attention_heads": HEADS, "intermediate_size": FF,
           "hidden_act": "gelu", "layer_norm_eps": 1e-12, "max_position_embeddings": POSITIONS,
           "type_vocab_size": 2 if kind == "bert" else 1, "pad_token_id": 1,
           "position_embedding_type": "absolute", "hidden_dropout_prob": 0.1}
    return {**out, "id2label": {"0": "LABEL_0"}} if scores else out


def tokenizer():
    out = tiny.tokenizer()
    around = [{"SpecialToken": {"id": "<|end|>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}},
              {"SpecialToken": {"id": "<|user|>", "type_id": 0}}]
    special = {t: {"id": t, "ids": [i], "tokens": [t]}
               for t, i in (("<|end|>", OPEN), ("<|user|>", CLOSE))}
    out["post_processor"] = {"type": "TemplateProcessing", "single": around, "pair": around,
                             "special_tokens": special}
    return out


def shapes(c):
    h, ff = c["hidden_size"], c["intermediate_size"]
    yield "embeddings.word_embeddings.weight", (c["vocab_size"], h)
    yield "embeddings.position_embeddings.weight", (c["max_position_embeddings"], h)
    yield "embeddings.token_type_embeddings.weight", (c["type_vocab_size"], h)
    names = ["embeddings.LayerNorm"]
    for i in range(c["num_hidden_layers"]):
        p = f"encoder.layer.{i}."
        for name, shape in (("attention.self.query", (h, h)), ("attention.self.key", (h, h)),
                            ("attention.self.value", (h, h)), ("attention.output.dense", (h, h)),
                            ("intermediate.dense", (ff, h)), ("output.dense", (h, ff))):
            yield p + name + ".weight", shape
            yield p + name + ".bias", shape[:1]
        names += [p + "attention.output.LayerNorm", p + "output.LayerNorm"]
    for name in names:
        yield name + ".weight", (h,)
        yield name + ".bias", (h,)
    if "id2label" in c:
        dense, out = (("pooler.dense", "classifier") if c["model_type"] == "bert" else
                      ("classifier.dense", "classifier.out_proj"))
        for name, shape in ((dense, (h, h)), (out, (len(c["id2label"]), h))):
            yield name + ".weight", shape
            yield name + ".bias", shape[:1]


def weights(c):
    rng = random.Random(11)
    out = []
    for name, shape in shapes(c):
        n = shape[0] * (shape[1] if len(shape) > 1 else 1)
        base = 1.0 if name.endswith("LayerNorm.weight") else 0.0
        out.append((name, shape, struct.pack(f"<{n}f", *(base + rng.uniform(-0.5, 0.5)
                                                         for _ in range(n)))))
    return out


def write_folder(path, kind="bert", scores=False, pooling="mean", normalize=True, max_tokens=300):
    """A hub folder at an existing empty path."""
    c = config(kind, scores)
    files = {"config.json": c, "tokenizer.json": tokenizer(),
             "tokenizer_config.json": {"model_max_length": 512},
             "sentence_bert_config.json": {"max_seq_length": max_tokens, "do_lower_case": False}}
    if not scores:
        types = ["Transformer", "Pooling", "Normalize"][:2 + normalize]
        files["modules.json"] = [{"idx": i, "name": str(i), "path": f"{i}_{t}" if i else "",
                                  "type": "sentence_transformers.models." + t}
                                 for i, t in enumerate(types)]
        (path / "1_Pooling").mkdir()
        files["1_Pooling/config.json"] = {"word_embedding_dimension": HIDDEN,
                                          "pooling_mode_cls_token": pooling == "cls",
                                          "pooling_mode_mean_tokens": pooling == "mean",
                                          "pooling_mode_max_tokens": False}
    for name, value in files.items():
        (path / name).write_text(json.dumps(value, ensure_ascii=False))
    (path / "model.safetensors").write_bytes(tiny.safetensors(weights(c)))
