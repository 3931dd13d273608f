#!/usr/bin/env python3
"""What the pages name is there: files, links and their headings, functions and macros, commands and options of
mote, make targets, kernels and tests. Only what stands as code (in backquotes or a fenced block) counts.
Usage: names.py [PAGE-PART...]"""
import fnmatch
import itertools
import os
import re
import subprocess
import sys

from pages import BUILD, ROOT, blocks, pages

SKIPPED = ("build", "models", ".git", "__pycache__")
ELSEWHERE = {"llama2.c", "mote.c", "story.c", "story.h", "rows_neon.c"}  # a project, outputs, what is not there
SOURCES = (".c", ".h", ".inc", ".py", ".sh", ".mk", ".S", ".in", "Makefile")


def tree():
    """All files, as paths from the root."""
    made = []
    for folder, folders, files in os.walk(ROOT):
        folders[:] = [f for f in folders if f not in SKIPPED]
        made += [os.path.relpath(os.path.join(folder, f), ROOT) for f in files]
    return made


def output(*command):
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=ROOT,
                          stdin=subprocess.DEVNULL).stdout.decode("utf-8", "replace")


def options_of(help_text):
    return set(re.findall(r"(?<![\w-])--?[a-zA-Z][\w-]*", help_text))


class Names:
    """Everything that may be named."""

    def __init__(self):
        self.files = tree()
        self.folders = {f[:i] for f in self.files for i, c in enumerate(f) if c == "/"}
        self.text = {f: (ROOT / f).read_text(errors="replace") for f in self.files
                     if f.endswith(SOURCES)}
        self.words = set(itertools.chain.from_iterable(
            re.findall(r"\w+", t) for t in self.text.values()))
        mote = str(BUILD / "mote")
        self.commands = set(re.findall(r"^  ([a-z]+) ", output(mote, "--help"), re.M))
        self.options = {c: options_of(output(mote, c, "--help")) for c in self.commands}
        self.commands.add("help")
        self.options["help"] = {"--man", "--completions"}
        self.options[""] = options_of(output(mote, "--help")) | {"--version"}
        scripts = "".join(t for f, t in self.text.items() if f.startswith(("tests", "tools", "bench")))
        self.any_option = set().union(*self.options.values()) | options_of(scripts)
        self.targets = set(re.findall(r"[a-z-]+", " ".join(
            re.findall(r"^([a-z][a-z -]*):", "\n".join(
                t for f, t in self.text.items() if f.endswith(("Makefile", ".mk"))), re.M))))
        self.kernels = set(output(str(BUILD / "check"), "--list").split())
        self.kernels |= {"mutants"} | set(re.findall(r'"(probe_\w+)"', self.text["tests/check/bench.c"]))

    def has_file(self, name):
        """A path from the root, or the end of one; *, {a,b} and a folder's / are understood."""
        braces = re.search(r"\{([^{}]*)\}", name)
        if braces:
            return all(self.has_file(name[:braces.start()] + part + name[braces.end():])
                       for part in braces.group(1).split(","))
        name = name.rstrip("/")
        return name in self.folders or any(
            fnmatch.fnmatch(f, pattern) for f in self.files
            for pattern in (name, "*/" + name, name + "-*.md"))

    def files_called(self, name):
        return [f for f in self.text if f == name or f.endswith("/" + name)]


# ---- one page ------------------------------------------------------------------------------------

def heading_names(text):
    """Anchors of a page's headings, as GitHub makes them."""
    return {re.sub(r"[^\w\- ]", "", h.lower()).strip().replace(" ", "-")
            for h in re.findall(r"^#+ (.*)$", text, re.M)}


def links(page, text, n):
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if target.startswith(("http:", "https:", "mailto:")):
            continue
        path, _, anchor = target.partition("#")
        to = (page.parent / path).resolve() if path else page
        yield to.exists(), f"link to {target}"
        if anchor and to.suffix == ".md" and to.exists():
            yield anchor in heading_names(to.read_text()), f"heading {target}"


def spans(text):
    """(line number, code) of everything in backquotes outside of fenced blocks."""
    fenced = {i for b in blocks(text) for i in range(b.begin - 1, b.end + 1)}
    for i, line in enumerate(text.split("\n")):
        if i not in fenced:
            yield from ((i + 1, code) for code in re.findall(r"`([^`]+)`", line))


def looks_like_file(code, n):
    if not re.fullmatch(r"[\w./{},*+-]+", code) or code.startswith(("/", "-", ".", "build", "models")):
        return False
    return bool(re.search(r"\w\.(c|h|inc|py|sh|md|mk)$", code)) or \
        ("/" in code and code.split("/")[0] in n.folders)


def files_in(code, n):
    for word in re.findall(r"[\w./{},*+-]+", code):
        word = word.rstrip(".,")
        if looks_like_file(word, n) and os.path.basename(word) not in ELSEWHERE:
            yield n.has_file(word), f"file {word}"


def identifiers_in(code, n):
    """Those of the API and of the sources: they have a prefix."""
    for word in re.findall(r"\b(?:mote_|MOTE_)\w+\*?", code):
        good = word in n.words or (word[-1] in "*_" and any(
            w.startswith(word.rstrip("*")) for w in n.words)) or word == "MOTE_FILE"
        yield good, f"name {word}"


def command_in(code, n):
    """A line of shell: make targets, commands and options of mote, kernels of check."""
    for part in re.split(r"[|;&]|\bdo\b|\$\(", code):
        words = [w for w in part.replace("...", "").split() if "=" not in w or w.startswith("-")]
        if not words:
            continue
        program = os.path.basename(words[0])
        if program == "make":
            yield from ((w.strip(".,") in n.targets, f"make target {w}") for w in words[1:]
                        if re.fullmatch(r"[a-z][a-z-]*[.,]?", w))
        elif program == "mote" and len(words) > 1:
            yield from mote_in(words[1:], n)
        elif program == "check":
            yield from check_in(words[1:], n)
        elif words[0].startswith("-"):
            yield from options_in([w for w in words if not re.match(r"-[a-z]{3}|-[A-Z]", w)],
                                  n.any_option)  # compilers' are not ours


def options_in(words, known):
    for word in words:
        option = re.match(r"--?[a-zA-Z][\w-]*", word)
        if option and not re.match(r"-\d", word):
            yield option.group(0) in known, f"option {option.group(0)}"


def mote_in(words, n):
    command = words[0]
    if re.fullmatch(r"[a-z]+", command):
        yield command in n.commands, f"command mote {command}"
    known = n.options.get(command, n.options[""])
    for good, what in options_in(words, known):
        yield good, f"{what} of mote {command}"


def check_in(words, n):
    for option, value in zip(words, words[1:]):
        glob = value.strip("'")
        if option in ("--bench", "--kernel") and re.fullmatch(r"[\w*]+", glob) and not glob.isupper():
            yield bool(fnmatch.filter(n.kernels, glob)), f"kernel {glob}"
    yield from options_in(words, n.any_option)


def places_in(line, n):
    """`file`: `function`, `function`: each is in that file. In lessons and formulas only."""
    files = []
    for code in re.findall(r"`([^`]+)`", line):
        if looks_like_file(code, n):
            files = n.files_called(code)
        elif files and re.fullmatch(r"[a-z][a-z0-9_]+", code):
            yield any(re.search(rf"\b{code}\b", n.text[f]) for f in files), f"{code} in {files[0]}"


def check_page(page, n):
    """(good, line, what) of everything that the page names."""
    text = page.read_text()
    yield from ((good, 0, what) for good, what in links(page, text, n))
    for number, code in spans(text):
        for find in (files_in, identifiers_in, command_in):
            yield from ((good, number, what) for good, what in find(code, n))
    for block in blocks(text):
        if block.language in ("sh", "console"):
            for number, command, _ in block.commands():
                yield from ((good, number, what) for find in (files_in, command_in)
                            for good, what in find(re.split(r" +#", command)[0], n))
        elif block.language == "c":
            yield from ((good, block.begin, what) for good, what in
                        identifiers_in("\n".join(block.lines), n))
    if "lessons" in page.parts or page.name == "formulas.md":
        for number, line in enumerate(text.split("\n"), 1):
            for cell in re.split(r"\||\*\*Read\*\*|\. (?=`)", line):
                yield from ((good, number, what) for good, what in places_in(cell, n))


def main():
    names, passed, failed, parts = Names(), 0, 0, sys.argv[1:]
    for page in pages():
        if parts and not any(p in str(page) for p in parts):
            continue
        found = list(check_page(page, names))
        bad = [f"{page.relative_to(ROOT)}:{line}: no {what}" for good, line, what in found if not good]
        passed += len(found) - len(bad)
        failed += len(bad)
        print("\n".join("FAIL " + b for b in bad) if bad else
              f"ok   {page.relative_to(ROOT)}: {len(found)} names")
    print(f"{passed} passed, {failed} failed")
    sys.exit(failed != 0)


if __name__ == "__main__":
    main()
