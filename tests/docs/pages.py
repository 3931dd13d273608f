"""What the tests of the documentation share: the pages, their fenced blocks, a place to run commands in.
Standard library only.

A block fenced as `console` shows commands (lines that begin with "$ ") and what they print; one fenced as `sh`
has commands alone, with remarks behind #. A remark on the line before says how to take it:
  (none)                        run; a console block's output is compared letter by letter
  <!-- figures differ -->       run; compared without its numbers: times, and what follows from them
  <!-- this machine -->         run; it prints something, but not the same on every machine
  <!-- needs FILE -->           run where the file (or "built-in model") is there, skipped with a notice elsewhere;
                                "; figures differ" may follow
  <!-- not run: WHY -->         not run; its names are checked all the same
"""
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = (ROOT / os.environ.get("MOTE_BUILD", "build/release")).resolve()
IS_RELEASE = BUILD == ROOT / "build" / "release"  # what a plain `make` makes
SLOW = 10 if "san" in BUILD.name else 1

sys.path.insert(0, str(ROOT / "tests" / "corpus"))
import tiny_encoder  # noqa: E402


def pages():
    """Every page, README first."""
    names = ["README.md", "CONTRIBUTING.md", "SECURITY.md"]
    found = [ROOT / n for n in names] + sorted((ROOT / "docs").rglob("*.md")) \
        + sorted((ROOT / "examples").rglob("*.md"))
    return [p for p in found if p.exists()]


def is_there(what):
    if what != "built-in model":
        return (ROOT / what).exists()
    return b'"built_in":[{' in subprocess.run([BUILD / "mote", "list", "--json"], stdout=subprocess.PIPE).stdout


class Block:
    """A fenced block: lines [begin, end) of the page, its language and the remark before it."""

    def __init__(self, lines, begin, end):
        self.begin, self.end, self.lines = begin, end, lines[begin:end]
        self.language = lines[begin - 1][3:].strip()
        remark = re.fullmatch(r"<!-- (.*) -->", lines[begin - 2].strip()) if begin > 1 else None
        self.remark = remark.group(1) if remark else ""
        needs = re.match(r"needs ([^;]*)(?:; )?", self.remark)
        self.needs = needs.group(1) if needs else None
        self.remark = self.remark[needs.end():] if needs else self.remark

    def obstacle(self):
        """Why it cannot be run here; None: it can."""
        if self.needs and not is_there(self.needs):
            return f"no {self.needs}"
        return self.remark if self.remark.startswith("not run") else None

    def commands(self):
        """[(line in the page, command, shown output or None)]"""
        made = []
        for i, line in enumerate(self.lines):
            if self.language == "console" and line.startswith("$ "):
                made.append([self.begin + i + 1, line[2:], []])
            elif self.language == "console" and made:
                made[-1][2].append(line)
            elif self.language == "sh" and line.strip() and not line.startswith("#"):
                made.append([self.begin + i + 1, line, None])
        return made


def blocks(text):
    lines, begin, made = text.split("\n"), None, []
    for i, line in enumerate(lines):
        if line.startswith("```"):
            if begin is not None:
                made.append(Block(lines, begin, i))
            begin = i + 1 if begin is None else None
    return made


# ---- a place to run commands in ------------------------------------------------------------------

def run(command, folder):
    """(exit code, output) of a shell command; stdout and stderr as they come, nothing on stdin."""
    keep = {k: v for k, v in os.environ.items() if not k.startswith(("MAKE", "MFLAGS", "MOTE_"))}
    env = {**keep, "PATH": f"{folder}/build/release:{os.environ['PATH']}", "NO_COLOR": "1",
           "LC_ALL": "C.UTF-8", "HOME": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
    p = subprocess.Popen(["sh", "-c", command], cwd=folder, env=env, stdin=subprocess.DEVNULL,
                         stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True)
    try:
        printed = p.communicate(timeout=60 * SLOW)[0]
        return p.returncode, printed.decode("utf-8", "replace")
    except subprocess.TimeoutExpired:
        os.killpg(p.pid, signal.SIGKILL)  # with what it started
        return -1, p.communicate()[0].decode("utf-8", "replace") + "\n(took too long)"


class Places:
    """Folders that look like the tree after `make lesson-model`, one for each page, so that what its
    commands write is not in the tree. Files that pages speak of are there too, as tiny stand-ins."""

    def __init__(self):
        self.holder = tempfile.TemporaryDirectory(prefix="mote-docs-")
        self.top = pathlib.Path(self.holder.name)
        self.first = self.make("first")
        convert = "mote convert build/lesson/abc -o build/lesson/$t.mote --type $t -q || exit"
        code, said = run("python3 tests/lessons/model.py build/lesson/abc && "
                         f"for t in f32 q8 q4; do {convert}; done", self.first)
        assert code == 0, said
        self.add_stand_ins(self.first)

    def make(self, name):
        folder = self.top / name
        (folder / "build").mkdir(parents=True)
        for entry in ROOT.iterdir():
            if entry.name not in ("build", "models", ".git"):
                (folder / entry.name).symlink_to(entry)
        (folder / "models").mkdir()
        for model in (ROOT / "models").glob("story*.mote"):  # those of the tree
            (folder / "models" / model.name).symlink_to(model)
        (folder / "build" / "release").symlink_to(BUILD)
        return folder

    def add_stand_ins(self, folder):
        """text/: what pages speak of. The lessons' model as a chat model with a longer context, encoders, texts."""
        chat = folder / "text" / "SmolLM2-135M-Instruct"
        shutil.copytree(folder / "build" / "lesson" / "abc", chat)
        for name, key, value in (("config.json", "max_position_embeddings", 8192),
                                 ("tokenizer_config.json", "chat_template",
                                  "{% for m in messages %}{{ m['content'] }}{% endfor %}")):
            made = json.loads((chat / name).read_text())
            (chat / name).write_text(json.dumps({**made, key: value}))
        run("mote convert text/SmolLM2-135M-Instruct -o text/MODEL -q", folder)
        for name, kind in (("all-MiniLM-L6-v2", False), ("ms-marco", True)):
            (folder / "text" / name).mkdir()
            tiny_encoder.write_folder(folder / "text" / name, scores=kind)
            run(f"mote convert text/{name} -o text/{name.lower()}.mote -q", folder)
        texts = {"prompts.jsonl": '{"prompt": "abc"}\n{"prompt": "345"}\n', "TEXT": "a b c d\n" * 60,
                 "texts.jsonl": '{"text": "hello"}\n', "passages.txt": "hello\nworld\n",
                 "document.txt": "Explain:\n\n{{code}}\n", "pool.c": "int x;\n"}
        for name, text in texts.items():
            (folder / "text" / name).write_text(text)

    def open(self, page):
        """A folder for the commands of a page."""
        folder = self.make(str(page.relative_to(ROOT)).replace("/", "-"))
        links = {"build/lesson": "build/lesson"}
        for entry in (self.first / "text").iterdir():
            links.setdefault(entry.name, f"text/{entry.name}")
        (folder / "build" / "demo").symlink_to(ROOT / "build" / "demo")
        for name, to in links.items():
            if not (folder / name).exists():
                (folder / name).symlink_to(self.first / to)
        return folder

    def close(self):
        self.holder.cleanup()
