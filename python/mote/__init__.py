"""mote: small language models on a CPU.

    import mote

    with mote.Model("smollm2.mote") as model:
        print(model.generate("Once upon a time,", max_tokens=40))
        prompt = model.chat_prompt("What is the capital of France?")
        for piece in model.stream(prompt, temperature=0):
            print(piece, end="", flush=True)

Models come from `mote convert`. docs/python.md has all of it."""
from .errors import MoteError
from .model import Model
from .stream import Answer, Sampling, Stream

__all__ = ["Answer", "Model", "MoteError", "Sampling", "Stream"]
