"""A model: text in, text or numbers out. Read include/mote.h beside it: every step here is one of its
calls. ctypes lets other Python threads run while a call lasts; a Model takes one call at a time (a lock
sees to it), a Stream takes it for one token at a time."""
import ctypes
import os
import threading
import time
import warnings
import weakref
from typing import TYPE_CHECKING, Any, Dict, List, Mapping, Optional, Sequence, Tuple, Union

from . import _c, values
from ._c import lib
from .errors import MoteError, check, failed
from .memory import Memory, flat, int32s, pointer, shaped
from .stream import Answer, Sampling, Stream

if TYPE_CHECKING:
    from typing_extensions import Unpack

KV = {"f32": _c.MOTE_KV_F32, "f16": _c.MOTE_KV_F16, "q8": _c.MOTE_KV_Q8}
DEFAULT_CONTEXT, BATCH, LOGITS, ENCODER_TOKENS, ENCODER_TEXTS = 4096, 512, 16, 2048, 32
TEMPLATE_BYTES = 1 << 18, 1 << 27  # memory for a chat template: at first, at most
Prompt = Union[str, Sequence[int]]


class Model:
    """A .mote file, ready to run. threads 0: one for each physical core that may be used; context 0: the
    model's, at most 4096 positions; kv: how keys and values are stored, "f32", "f16" or "q8"; isa:
    highest kernel tier to use. Use it in `with`, or close() it."""

    def __init__(self, path: Union[str, "os.PathLike[str]"], *, threads: int = 0, context: int = 0,
                 kv: str = "f16", isa: Optional[str] = None) -> None:
        if kv not in KV:
            raise ValueError(f"kv: {kv!r} is none of {', '.join(KV)}")
        self.path, self._lock, self._err = os.fspath(path), threading.Lock(), _c.mote_error()
        self._file, self._image = _c.mote_file(), _c.mote_image()
        self._check(lib.mote_file_map(self._file, os.fsencode(self.path), self._err))
        self._close = weakref.finalize(self, lib.mote_file_unmap, self._file)
        self._memory: Dict[str, Memory] = {}
        self._held: List[int] = []  # ids of the session's positions
        self._check(lib.mote_image_open(self._image, self._file.base, self._file.bytes, self._err))
        self._about = _c.mote_image_info()
        lib.mote_image_get_info(self._image, self._about)
        options = _c.mote_model_opts(isa.encode() if isa else None, False)
        self._model = self._make("model", self._size(lib.mote_model_bytes(self._image, self._err)),
                                 lib.mote_model_init, self._image, options)
        self._tokenizer = self._make("tokenizer", lib.mote_tokenizer_bytes(), lib.mote_tokenizer_init,
                                     self._image)
        self._facts, self._reads = _c.mote_model_info(), _c.mote_encoder_info()
        lib.mote_model_get_info(self._model, self._facts)
        lib.mote_model_get_encoder(self._model, self._reads)
        self._threads, self._kv = threads or lib.mote_model_threads(self._model), kv
        self._context = context or min(self._about.n_ctx, DEFAULT_CONTEXT)
        self._session = self._encoder = self._team = None

    # ---- making ----------------------------------------------------------------------------------

    def _check(self, status: int) -> None:
        check(status, self._err, self.path)

    def _size(self, n_bytes: int) -> int:
        if not n_bytes:
            raise failed(self._err, self.path)
        return n_bytes

    def _make(self, name: str, n_bytes: int, init: Any, *args: Any) -> Any:
        """One of the library's objects, in memory that lives as long as the model."""
        memory, made = Memory(n_bytes), init.argtypes[0]._type_()
        self._check(init(made, memory.ptr, n_bytes, *args, self._err))
        self._memory[name] = memory
        return made

    def _open(self) -> None:
        if not self._close.alive:
            raise ValueError("the model is closed")
        if self._team is None and self._threads > 1:
            pool = lib.mote_pool_new(self._threads, self._err)
            if not pool:
                raise failed(self._err, self.path)
            self._free_pool = weakref.finalize(self, lib.mote_pool_free, pool)
            self._team = lib.mote_pool_team(pool)

    def _begin(self) -> None:
        """A session, made when the first text asks for it."""
        self._open()
        if self._session is not None:
            return
        n = min(BATCH, self._context)
        options = _c.mote_session_opts(self._context, KV[self._kv], n, min(n, LOGITS), self._threads)
        plan = _c.mote_session_plan()
        self._check(lib.mote_session_plan_bytes(plan, self._model, options, self._err))
        self._rows = (_c.mote_row * n)()
        self._session = self._make("session", plan.total_bytes, lib.mote_session_init, self._model, options)

    def close(self) -> None:
        """Ends the threads and gives all memory back."""
        with self._lock:
            if self._team is not None:
                self._free_pool()
            self._team = self._session = self._encoder = self._model = self._tokenizer = None
            self._memory.clear()
            self._close()

    def __enter__(self) -> "Model":
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()

    @property
    def info(self) -> Dict[str, Any]:
        """What the file and this machine make of it: numbers and names by their C names."""
        self._open()
        made: Dict[str, Any] = {}
        for struct in (self._about, self._facts, self._reads):
            made.update((name, getattr(struct, name)) for name, _ in struct._fields_)
        made.update(n_ctx_session=self._context, n_threads=self._threads, kv=self._kv)
        return {k: v.decode() if isinstance(v, bytes) else v for k, v in made.items()}

    # ---- text and ids ----------------------------------------------------------------------------

    def tokenize(self, text: str, *, special: bool = True) -> List[int]:
        """Token ids. special: with what the tokenizer adds around a text."""
        self._open()
        return self._encode(text.encode("utf-8", "replace"), _c.MOTE_ENCODE_ADD_SPECIAL * special)

    def _encode(self, raw: bytes, flags: int, spans: Any = None, n_spans: int = 0) -> List[int]:
        n, err = ctypes.c_size_t(), _c.mote_error()
        cap = lib.mote_encode_max_ids(self._tokenizer, len(raw))
        size = lib.mote_encode_scratch_bytes(self._tokenizer, len(raw))
        ids, scratch = (ctypes.c_int32 * cap)(), Memory(size)
        check(lib.mote_encode(self._tokenizer, raw, len(raw), flags, spans, n_spans, ids, cap, n,
                              scratch.ptr, size, err), err, self.path)
        return list(ids[:n.value])

    def detokenize(self, ids: Sequence[int], *, skip_special: bool = False) -> str:
        self._open()
        raw = int32s(ids)
        cap = lib.mote_decode(self._tokenizer, pointer(raw), len(raw), skip_special, None, 0)
        text = ctypes.create_string_buffer(cap + 1)
        lib.mote_decode(self._tokenizer, pointer(raw), len(raw), skip_special, text, cap)
        return text.raw[:cap].decode("utf-8")

    def chat_prompt(self, messages: Union[str, Sequence[Mapping[str, Any]]], **variables: Any) -> List[int]:
        """Messages ({"role", "content"}; a string is one of the user) as token ids, by the file's chat
        template; further variables are the template's (enable_thinking=False ...). What stands in messages
        stays text, whatever it says."""
        self._open()
        source = lib.mote_chat_template(self._image)
        if not source.bytes:
            raise MoteError(_c.MOTE_ERR_UNSUPPORTED, f"{self.path}: has no chat template")
        if isinstance(messages, str):
            messages = [{"role": "user", "content": messages}]
        given = {"messages": messages, "add_generation_prompt": True, "tools": None, "documents": None,
                 **variables}
        for name in ("bos", "eos", "unk", "pad"):
            text = lib.mote_image_text(self._image, getattr(_c, f"MOTE_IMAGE_{name.upper()}"))
            if text.bytes:
                given.setdefault(name + "_token", ctypes.string_at(text.ptr, text.bytes).decode())
        rendered, top = _c.mote_rendered(), _c.mote_value()
        keep: List[Any] = []
        values.fill(top, given, keep)
        memory = self._render(rendered, source, top)
        raw = ctypes.string_at(rendered.text.ptr, rendered.text.bytes)
        ids = self._encode(raw, 0, rendered.untrusted, rendered.n_untrusted)
        del memory  # the spans lie in it
        return ids

    def _render(self, rendered: Any, source: Any, top: Any) -> Memory:
        size, most = TEMPLATE_BYTES
        now, err = int(time.time()) + time.localtime().tm_gmtoff, _c.mote_error()
        while True:
            memory = Memory(size)
            status = lib.mote_template_render(rendered, source, top, now, memory.ptr, size, err)
            if status == _c.MOTE_ERR_LIMIT and rendered.text.bytes:  # what the template says
                said = ctypes.string_at(rendered.text.ptr, rendered.text.bytes).decode("utf-8", "replace")
                raise MoteError(status, f"{self.path}: {said}")
            if status != _c.MOTE_ERR_MEMORY or size >= most:
                check(status, err, self.path)
                return memory
            size *= 4

    # ---- generation ------------------------------------------------------------------------------

    def generate(self, prompt: Prompt, **sampling: "Unpack[Sampling]") -> Answer:
        """The whole text after a prompt: text as it is, or ids, as from chat_prompt()."""
        stream = self.stream(prompt, **sampling)
        text = "".join(stream)
        return Answer(text, stream.finish_reason, stream.prompt_tokens, stream.generated_tokens, stream.seed)

    def stream(self, prompt: Prompt, **sampling: "Unpack[Sampling]") -> "Stream":
        """The same piece by piece, each whole characters, to iterate over. Leave it at any time."""
        return Stream(self, self.tokenize(prompt) if isinstance(prompt, str) else prompt, sampling)

    def _hold(self, ids: List[int], total: int, n_logits: int = 1) -> None:
        """Makes the session hold these ids, of a text of `total` in the end, from what it holds already;
        the logits of the last n_logits are there then."""
        lib.mote_session_announce(self._session, total)
        held = min(lib.mote_session_length(self._session), len(ids) - n_logits)
        same = held if self._held[:held] == ids[:held] else next(
            i for i, (a, b) in enumerate(zip(self._held, ids)) if a != b)
        lib.mote_session_rewind(self._session, same)
        del self._held[same:]
        for at in range(same, len(ids), len(self._rows)):
            part = ids[at:at + len(self._rows)]
            for i, token in enumerate(part):
                self._rows[i] = (token, at + i, self._session, at + i >= len(ids) - n_logits)
            self._check(lib.mote_forward(self._session, self._rows, len(part), self._team, None, self._err))
            self._held += part

    def logits(self, ids: Sequence[int]) -> Any:
        """Logits [len(ids), n_vocab] of every position, float32."""
        wanted, n_vocab = list(int32s(ids)), self._about.n_vocab
        out = (ctypes.c_float * (len(wanted) * n_vocab))()
        with self._lock:
            self._begin()
            self._fits(len(wanted))
            for end in range(LOGITS, len(wanted) + LOGITS, LOGITS):
                part = wanted[:end]
                begin = end - LOGITS
                self._hold(part, len(wanted), len(part) - begin)
                for i in range(begin, len(part)):
                    row = lib.mote_session_logits(self._session, i - begin)
                    ctypes.memmove(ctypes.byref(out, 4 * i * n_vocab), row, 4 * n_vocab)
        return shaped(out, len(wanted), n_vocab)

    def _fits(self, n: int) -> None:
        if not n:
            raise MoteError(_c.MOTE_ERR_LIMIT, f"{self.path}: the prompt is empty")
        if n > self._context:
            raise MoteError(_c.MOTE_ERR_LIMIT, f"{self.path}: the prompt has more tokens than the context "
                            f"has positions (got {n}, wanted {self._context})")

    # ---- encoders --------------------------------------------------------------------------------

    def embed(self, texts: Union[str, Sequence[str]]) -> Any:
        """Embeddings, float32: [n] of one text, [len(texts), n] of several. A text has the same bits in
        any company."""
        self._must_read(pairs=False)
        if isinstance(texts, str):
            made = self._read([self._text(texts)])
            return flat(made)
        return self._read([self._text(t) for t in texts])

    def rerank(self, query: str, passages: Sequence[str]) -> Any:
        """Scores of passages for a query, raw numbers, the larger the better: [len(passages)], or
        [len(passages), n] of a model that gives n."""
        self._must_read(pairs=True)
        made = self._read([self._pair(query, p) for p in passages])
        return made if self._reads.n_out > 1 else flat(made)

    def _must_read(self, pairs: bool) -> None:
        if self._reads.pooling == _c.MOTE_POOL_NONE:
            does = "makes text, not embeddings or scores"
        elif pairs != (self._reads.pooling == _c.MOTE_POOL_SCORE):
            does = ("makes embeddings, not scores of pairs" if pairs else
                    "scores pairs and makes no embeddings")
        else:
            return
        raise MoteError(_c.MOTE_ERR_UNSUPPORTED, f"{self.path}: it {does}")

    def _around(self) -> Tuple[List[int], List[int]]:
        """What the tokenizer puts before and after a text."""
        plain, full = self.tokenize("a", special=False), self.tokenize("a")
        at = next((i for i in range(len(full)) if full[i:i + len(plain)] == plain), 0)
        return full[:at], full[at + len(plain):]

    def _text(self, text: str) -> Any:
        begin, end = self._around()
        ids = self.tokenize(text, special=False)
        room = self._reads.max_tokens - len(begin) - len(end)
        return begin + ids[:room] + end, [], len(ids) > room

    def _pair(self, query: str, passage: str) -> Any:
        """The longer one is cut; if both are longer than half the room each gets half."""
        (begin, end), joins = self._around(), self._reads.pair_joins
        a, b = self.tokenize(query, special=False), self.tokenize(passage, special=False)
        room = self._reads.max_tokens - len(begin) - len(end) * (joins + 1)
        n_a, n_b, half = len(a), len(b), room // 2
        if n_a + n_b > room:
            if n_a <= half or n_b <= half:
                n_a, n_b = (n_a, room - n_a) if n_a <= half else (room - n_b, n_b)
            else:
                n_a, n_b = (room - half, half) if n_a > n_b else (half, room - half)
        first, second = begin + a[:n_a] + end * joins, b[:n_b] + end
        return first + second, [0] * len(first) + [1] * len(second), n_a + n_b < len(a) + len(b)

    def _read(self, texts: List[Any]) -> Any:
        """[(ids, types, was it cut?)] to vectors [n, n_out]."""
        n_out, n_cut = self._reads.n_out, sum(cut for *_, cut in texts)
        out = (ctypes.c_float * (len(texts) * n_out))()
        with self._lock:
            self._open()
            most = max(self._about.n_ctx, ENCODER_TOKENS)
            if self._encoder is None:
                options = _c.mote_encoder_opts(most, ENCODER_TEXTS, self._threads)
                plan = _c.mote_encoder_plan()
                self._check(lib.mote_encoder_plan_bytes(plan, self._model, options, self._err))
                self._encoder = self._make("encoder", plan.total_bytes, lib.mote_encoder_init, self._model,
                                           options)
            at = 0
            while at < len(texts):
                n, n_ids = 0, 0
                while at + n < len(texts) and n < ENCODER_TEXTS and n_ids + len(texts[at + n][0]) <= most:
                    n_ids += len(texts[at + n][0])
                    n += 1
                self._run_encoder(texts[at:at + n], out, at * n_out)
                at += n
        if n_cut:
            warnings.warn(f"{n_cut} of {len(texts)} texts were longer than {self._reads.max_tokens} tokens "
                          "and were cut", stacklevel=3)
        return shaped(out, len(texts), n_out)

    def _run_encoder(self, texts: List[Any], out: Any, first: int) -> None:
        batch, keep = (_c.mote_encode_text * len(texts))(), []
        for i, (ids, types, _) in enumerate(texts):
            raw = (ctypes.c_int32 * len(ids))(*ids)
            kinds = (ctypes.c_uint8 * len(ids))(*(types if self._reads.n_types > 1 else ()))
            keep += [raw, kinds]
            place = ctypes.byref(out, 4 * (first + i * self._reads.n_out))
            batch[i] = (ctypes.cast(raw, ctypes.POINTER(ctypes.c_int32)),
                        ctypes.cast(kinds, ctypes.POINTER(ctypes.c_uint8)), len(ids),
                        ctypes.cast(place, ctypes.POINTER(ctypes.c_float)))
        self._check(lib.mote_encode_texts(self._encoder, batch, len(texts), self._team, None, self._err))
