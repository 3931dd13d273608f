"""A text as it comes: tokens chosen one by one, and what they say. Read model.py first."""
import ctypes
import random
from typing import (TYPE_CHECKING, Any, Dict, Iterator, Mapping, NamedTuple, Optional, Sequence,
                    TypedDict, Union)

from . import _c, endings
from ._c import lib
from .memory import Memory, int32s

if TYPE_CHECKING:
    from .model import Model


class Sampling(TypedDict, total=False):
    """How a text goes on; the values of `mote run` unless given. docs/sampling.md has the formulas."""
    temperature: float  # 0.8; 0: always the best token
    top_k: int  # 40; 0: all
    top_p: float  # 0.95; 1: all
    min_p: float  # 0.05; 0: none
    repeat_penalty: float  # 1
    presence_penalty: float  # 0
    frequency_penalty: float  # 0
    repeat_last_n: int  # 64
    seed: Optional[int]  # None: a new one each time
    logit_bias: Mapping[int, float]  # added to the logits of these tokens; -inf: never
    max_tokens: Optional[int]  # None: until the end or the context is full
    stop: Union[str, Sequence[str]]  # end in front of one of these texts


class Answer(NamedTuple):
    """A whole text. finish_reason: stop, length, stop_string, loop or context_full."""
    text: str
    finish_reason: str
    prompt_tokens: int
    generated_tokens: int
    seed: int

    def __str__(self) -> str:
        return self.text


class Stream(Iterator[str]):
    """A text as it comes. prompt_tokens, generated_tokens and seed tell about it at any time,
    finish_reason when it has ended ("" before). Streams of one model may take turns; each change makes
    the model read the other text again from where they differ."""

    def __init__(self, model: "Model", prompt: Sequence[int], sampling: Mapping[str, Any]) -> None:
        given = dict(sampling)
        stop, biases = given.pop("stop", ()), given.pop("logit_bias", {})
        limit, seed = given.pop("max_tokens", None), given.pop("seed", None)
        self._model, self._ids, self.finish_reason = model, list(int32s(prompt)), ""
        self.prompt_tokens, self.generated_tokens = len(self._ids), 0
        self.seed = random.getrandbits(53) if seed is None else seed
        self._limit = limit
        room = model._context if limit is None else limit
        self._stops = endings.Stops([stop] if isinstance(stop, str) else stop)
        self._loops = endings.Loops()
        with model._lock:
            model._begin()
            model._fits(len(self._ids))
            self._total = min(model._context, len(self._ids) + room)
            self._make_sampler(given, biases)
            self._make_decoder()

    def _make_sampler(self, given: Dict[str, Any], biases: Mapping[int, float]) -> None:
        model, options, err = self._model, _c.mote_sampler_opts(), self._model._err
        lib.mote_sampler_defaults(options)
        fields = dict(options._fields_)
        for name, value in given.items():
            if name not in fields or name in ("bias", "n_bias"):
                raise TypeError(f"there is no option {name!r}")
            setattr(options, name, value)
        options.seed = self.seed
        table = (_c.mote_logit_bias * len(biases))(*biases.items())
        options.bias, options.n_bias = table, len(biases)
        size = lib.mote_sampler_bytes(model._about.n_vocab, options, err)
        self._memory = Memory(model._size(size))
        self._sampler = lib.mote_sampler_init.argtypes[0]._type_()
        model._check(lib.mote_sampler_init(self._sampler, self._memory.ptr, size, model._model, options, err))
        for token in self._ids:
            lib.mote_sampler_accept(self._sampler, token)

    def _make_decoder(self) -> None:
        model, ends = self._model, ctypes.POINTER(ctypes.c_int32)()
        self._ends = ends[:lib.mote_end_ids(model._image, ends)]
        self._piece = ctypes.create_string_buffer(lib.mote_decode_max_bytes(model._tokenizer) + 1)
        self._decoder = _c.mote_decoder()
        lib.mote_decoder_init(self._decoder, model._tokenizer, True)
        if lib.mote_token_is_special(model._tokenizer, self._ids[-1]):
            lib.mote_decoder_push(self._decoder, self._ids[-1], self._piece)  # shows nothing

    def __next__(self) -> str:
        while not self.finish_reason:
            with self._model._lock:
                self._model._open()
                text = self._step()
            if text:
                return text
        raise StopIteration

    def _step(self) -> str:
        """One token more; what of the text may be shown by it."""
        model = self._model
        if self._limit is not None and self.generated_tokens >= self._limit:
            return self._end("length")
        if self.generated_tokens and len(self._ids) > model._context:
            return self._end("context_full")
        model._hold(self._ids, self._total)
        token = lib.mote_sampler_choose(self._sampler, lib.mote_session_logits(model._session, 0))
        if token in self._ends:
            return self._end("stop")
        lib.mote_sampler_accept(self._sampler, token)
        self._ids.append(token)
        self.generated_tokens += 1
        n = lib.mote_decoder_push(self._decoder, token, self._piece)
        text, stopped = self._stops.push(self._piece.raw[:n].decode("utf-8"))
        if stopped:
            self.finish_reason = "stop_string"
        elif self._loops.push(token):
            return text + self._end("loop")
        return text

    def _end(self, reason: str) -> str:
        """What was held back."""
        n = lib.mote_decoder_flush(self._decoder, self._piece)
        text, stopped = self._stops.push(self._piece.raw[:n].decode("utf-8"))
        self.finish_reason = "stop_string" if stopped else reason
        return text if stopped else text + self._stops.held
