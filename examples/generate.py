"""generate.py MODEL.mote TEXT: an answer as it comes."""
import sys

import mote

with mote.Model(sys.argv[1]) as model:
    prompt = model.chat_prompt(sys.argv[2])
    for piece in model.stream(prompt, max_tokens=40, temperature=0):
        print(piece, end="", flush=True)
    print()
