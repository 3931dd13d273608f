"""budgets.py: what a firmware build of the library may cost, measured on its objects: symbols it
needs, RAM of its own, code bytes that a program links, stack by the deepest call path. run.py uses
it. Call graphs are those that the compiler writes (-fcallgraph-info=su); a call through a pointer is
taken for a call of any kernel, or of a hook, which is the caller's own affair."""

import pathlib
import re
import subprocess

# What an application calls; the linker leaves out what none of these reaches.
API = """mote_image_open mote_model_bytes mote_model_init mote_model_get_info mote_session_plan_bytes
mote_session_init mote_session_rewind mote_session_logits mote_forward mote_generate mote_argmax
mote_sampler_defaults mote_sampler_bytes mote_sampler_init mote_sampler_choose mote_tokenizer_init
mote_tokenizer_bytes mote_encode mote_encode_scratch_bytes mote_decoder_init mote_decoder_push
mote_decoder_flush mote_end_ids""".split()
CORE = ["mote_forward", "mote_fixed_kernels"]
NEEDS = re.compile(r"mem(cpy|move|set|cmp)$|__")  # the four, and the compiler's helpers


def output(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def needed(cross, library):
    """Symbols that the library needs and neither has nor may need."""
    own, need = set(), set()
    for line in output(cross + "nm", library).splitlines():
        word = line.split()
        if len(word) >= 2 and word[-2] == "U":
            need.add(word[-1])
        elif len(word) == 3:
            own.add(word[-1])
    return sorted(n for n in need - own if not NEEDS.match(n))


def ram(cross, library):
    """Bytes of .data and .bss."""
    total = 0
    for line in output(cross + "size", library).splitlines()[1:]:
        _, data, bss = line.split()[:3]
        total += int(data) + int(bss)
    return total


def code(cross, library, flags, roots, to):
    """Bytes of code and constants that these functions take along, compiler's helpers apart."""
    undefined = [f"-Wl,-u,{r}" for r in roots]
    output(cross + "gcc", *flags, "-nostdlib", "-Wl,--gc-sections", "-Wl,-e,0", *undefined,
           "-Wl,--unresolved-symbols=ignore-all", "-o", str(to), library)
    for line in output(cross + "size", "-A", str(to)).splitlines():
        if line.startswith(".text"):
            text = int(line.split()[1])
    rodata = sum(int(x.split()[1]) for x in output(cross + "size", "-A", str(to)).splitlines()
                 if x.startswith(".rodata"))
    return text + rodata


class Graph:
    """Frames and calls of a library's functions."""

    def __init__(self, folder):
        self.frame, self.calls, self.kernels = {}, {}, set()
        for path in pathlib.Path(folder).rglob("*.ci"):
            if "tests" not in path.relative_to(folder).parts:
                self._read(path)

    def _read(self, path):
        for line in path.read_text().splitlines():
            node = re.match(r'node: \{ title: "([^"]*)" label: "([^"]*)"', line)
            edge = re.match(r'edge: \{ sourcename: "([^"]*)" targetname: "([^"]*)"', line)
            if node and "bytes" in node[2]:
                self.frame[node[1]] = int(re.search(r"(\d+) bytes", node[2])[1])
                if "kernels" in str(path):
                    self.kernels.add(node[1])
            elif edge:
                self.calls.setdefault(edge[1], set()).add(edge[2])

    def deepest(self, name, above=()):
        """Bytes and names of the deepest path from a function; raises on recursion."""
        if name in above:
            raise ValueError("recursion: " + " ".join(above) + " " + name)
        best, path = 0, ()
        for to in self.calls.get(name, ()):
            # hooks and teams are the caller's; a pointer in a kernel points to nothing of ours
            targets = self.kernels if to == "__indirect_call" and name not in self.kernels else [to]
            for t in targets:
                n, p = self.deepest(t, (*above, name)) if t in self.frame else (0, ())
                if n > best:
                    best, path = n, p
        return best + self.frame.get(name, 0), (name.split(":")[-1], *path)
