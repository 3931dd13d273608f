"""Malformed folders of encoders, from the tiny valid one. Kinds as in sources.py."""
import json

FILE, UNSUPPORTED, EITHER = (3,), (6,), (3, 6)


def change(name, f):
    """A kind that changes a JSON file."""
    def make(path):
        value = json.loads((path / name).read_text())
        value = f(value) or value
        (path / name).write_text(json.dumps(value))
    return make


def put(name, text):
    return lambda path: (path / name).write_text(text) and None


def config(**fields):
    return change("config.json", lambda c: c.update(fields))


def pooling(**fields):
    return change("1_Pooling/config.json", lambda c: c.update(fields))


def module(i, **fields):
    return change("modules.json", lambda m: m[i].update(fields))


def kinds():
    yield "E1 modules.json no list", FILE, put("modules.json", "{}")
    yield "E2 modules.json cut", FILE, put("modules.json", "[{")
    yield "E3 no modules", UNSUPPORTED, put("modules.json", "[]")
    yield "E4 modules that are no objects", EITHER, put("modules.json", "[1, [], null]")
    yield "E5 a dense module", UNSUPPORTED, module(2, type="sentence_transformers.models.Dense")
    yield "E6 modules in another order", UNSUPPORTED, change("modules.json", lambda m: m[::-1])
    yield "E7 too many modules", UNSUPPORTED, change("modules.json", lambda m: m + m[2:])
    yield "E8 a type that is no text", EITHER, module(1, type=7)
    for i, path in enumerate(("../good/1_Pooling", "/etc", "", "..", "a/b", 5, None)):
        yield f"E9.{i} pooling folder {path}", FILE, module(1, path=path)
    yield "E10 pooling folder absent", FILE, module(1, path="2_Pooling")
    yield "E11 pooling no object", FILE, put("1_Pooling/config.json", "[]")
    yield "E12 no pooling mode", UNSUPPORTED, pooling(pooling_mode_mean_tokens=False)
    yield "E13 two pooling modes", UNSUPPORTED, pooling(pooling_mode_cls_token=True)
    yield "E14 pooling by maximum", UNSUPPORTED, pooling(pooling_mode_mean_tokens=False,
                                                         pooling_mode_max_tokens=True)
    yield "E15 mean and maximum", UNSUPPORTED, pooling(pooling_mode_max_tokens=True)
    yield "E16 a mode nobody knows", UNSUPPORTED, pooling(pooling_mode_of_mine=True)
    yield "E17 mode by name", UNSUPPORTED, pooling(pooling_mode="lasttoken")
    yield "E18 mode that is no text", FILE, pooling(pooling_mode=["mean"])
    yield "E19 prompts left out", UNSUPPORTED, pooling(include_prompt=False)
    for i, n in enumerate(("0", "2", "-1", "1.5", "\"128\"", "true", "[]", "1e30")):
        yield (f"E20.{i} max_seq_length {n}", FILE,
               put("sentence_bert_config.json", '{"max_seq_length": %s}' % n))
    yield "E21 lower case", UNSUPPORTED, change("sentence_bert_config.json",
                                                lambda c: c.update(do_lower_case=True))
    yield "E22 a default prompt", UNSUPPORTED, put("config_sentence_transformers.json",
                                                   '{"default_prompt_name": "query"}')
    yield "E23 a key twice", FILE, put("1_Pooling/config.json",
                                       '{"pooling_mode": "mean", "pooling_mode": "cls"}')
    yield "E30 another activation", UNSUPPORTED, config(hidden_act="relu")
    yield "E31 relative positions", UNSUPPORTED, config(position_embedding_type="relative_key")
    yield "E32 a decoder", UNSUPPORTED, config(is_decoder=True)
    yield "E33 another head", UNSUPPORTED, config(architectures=["BertForTokenClassification"])
    yield "E34 heads that do not divide", FILE, config(num_attention_heads=3)
    yield "E35 odd heads", FILE, config(num_attention_heads=32)
    yield "E36 fewer types than used", FILE, config(type_vocab_size=1)
    yield "E37 no types", FILE, config(type_vocab_size=0)
    yield "E38 more positions", FILE, config(max_position_embeddings=321)
    yield "E39 no classifier", FILE, config(architectures=["BertForSequenceClassification"])
    yield "E40 not enough positions", FILE, config(model_type="xlm-roberta", pad_token_id=319,
                                                   architectures=["XLMRobertaModel"])
    yield "E41 epsilon", FILE, config(layer_norm_eps=-1)
