#!/usr/bin/env python3
"""The program among others: pipes that close, full and missing streams, signals, and a conversation on a
terminal. Usage: terminal.py [NAME-PART...]"""
import json
import os
import select
import signal
import subprocess
import time

from frame import MOTE, SLOW, Skip, main, mote, refused, test

try:
    import fcntl
    import pty
    import struct
    import termios
except ImportError:
    pty = None

LONG = ["-n", "-1", "--ignore-eos", "-c", "8192"]  # some seconds of work on the wide model


def start(*args, **more):
    return subprocess.Popen([MOTE, *map(str, args)], stdin=more.pop("stdin", subprocess.PIPE),
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, **more)


# ---- streams -------------------------------------------------------------------------------------

@test
def a_reader_that_leaves(m):
    p = start("run", m.wide, "-p", "hello", *LONG)
    assert p.stdout.read(1)
    p.stdout.close()
    err = p.stderr.read().decode()
    assert p.wait(30 * SLOW) == 141 and "error" not in err, err
    p = start("tokenize", m.good, "--jsonl")
    p.stdout.close()
    try:
        p.stdin.write(b'{"text":"hello"}\n' * 10000)
        p.stdin.close()
    except BrokenPipeError:
        pass
    assert p.stderr.read() == b"" and p.wait(30 * SLOW) == 141


@test
def head_takes_one_line(m):
    line = f'"{MOTE}" info "{m.good}" | head -n 1'
    p = subprocess.run(["sh", "-c", line], capture_output=True)
    assert p.returncode == 0 and p.stdout.startswith(b"name") and not p.stderr, p


@test
def a_full_disk(m):
    if not os.path.exists("/dev/full"):
        raise Skip("no /dev/full")
    for args in (["info", m.good], ["help"], ["run", m.good, "-p", "a", "-n", "2", "-q"],
                 ["plan", m.good, "--json"]):
        with open("/dev/full", "wb") as full:
            p = mote(*args, stdout=full)
        assert p.returncode == 4 and p.stderr.startswith("mote: error: stdout"), (args, p)


@test
def closed_streams(m):
    for how, code in ((">&-", 4), ("<&-", 0), ("2>&-", 0)):
        p = subprocess.run(["sh", "-c", f'"{MOTE}" info "{m.good}" {how}'], capture_output=True)
        assert p.returncode == code, (how, p)
    p = subprocess.run(["sh", "-c", f'"{MOTE}" run "{m.good}" <&-'], capture_output=True)
    assert p.returncode == 4 and p.stderr.startswith(b"mote: error: stdin"), p


# ---- signals -------------------------------------------------------------------------------------

@test
def signals_end_work(m):
    for number, code in ((signal.SIGINT, 130), (signal.SIGTERM, 143)):
        p = start("run", m.wide, "-p", "hello", *LONG)
        assert p.stdout.read(1)
        p.send_signal(number)
        begin = time.monotonic()
        text, err = p.communicate(timeout=30 * SLOW)
        assert p.returncode == code, (p.returncode, err)
        assert time.monotonic() - begin < 1 * SLOW and b"error" not in err
        p = start("bench", m.wide, "-r", "1000", "-p", "512", "-n", "512", stdin=subprocess.DEVNULL)
        time.sleep(0.05 * SLOW)
        p.send_signal(number)
        p.communicate(timeout=30 * SLOW)
        assert p.returncode == code


@test
def signals_end_waiting(m):
    for args in (["run", m.good], ["run", m.good, "--jsonl"], ["tokenize", m.good, "--jsonl"],
                 ["chat", m.good]):
        for number, code in ((signal.SIGINT, 130), (signal.SIGTERM, 143)):
            p = start(*args)
            time.sleep(0.1 * SLOW)
            p.send_signal(number)
            p.stderr.read()
            assert p.wait(10 * SLOW) == code, (args, p.returncode)


@test
def answers_come_at_once(m):
    """A row is answered before the next one comes: a program may hold a conversation."""
    p = start("tokenize", m.good, "--jsonl")
    for _ in range(3):
        p.stdin.write(b'{"text":"hello"}\n')
        p.stdin.flush()
        assert select.select([p.stdout], [], [], 10 * SLOW)[0], "no answer"
        assert p.stdout.readline().startswith(b'{"ids":[')
    p.stdin.close()
    assert p.wait(10 * SLOW) == 0


# ---- conversations -------------------------------------------------------------------------------

@test
def chat_from_a_pipe(m):
    args = ["chat", m.good, "-n", 4, "--temp", 0, "-c", 128]
    p = mote(*args, text="hello\n\nworld\n/clear\nhello")
    assert p.returncode == 0 and not p.stderr, p
    lines = p.stdout.decode().split("\n")
    once = mote(*args, text="hello\n").stdout.decode()
    assert p.stdout.decode().startswith(once) and p.stdout.decode().endswith("\n" + once), lines
    refused(6, "chat template", "chat", m.convert(m.gguf, "plain.mote", "--force"))


class Terminal:
    """mote on a terminal of its own."""

    def __init__(self, *args, **env):
        if pty is None:
            raise Skip("no pty module")
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            own = {**os.environ, "TERM": "xterm", "XDG_STATE_HOME": "", "HOME": ""}
            os.execve(MOTE, [MOTE, *map(str, args)], {**own, **env})
        self.seen = ""

    def resize(self, columns, rows):
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def said(self, text):
        """What /show messages has for it: the line of the user's last message."""
        self.until("> ")
        self.type("/show messages\r")
        before = self.until(text)
        self.until("> ")
        return before

    def until(self, text, seconds=10):
        """Reads until `text` appears; what came before it."""
        end = time.monotonic() + seconds * SLOW
        while text not in self.seen:
            left = end - time.monotonic()
            if left <= 0 or not select.select([self.fd], [], [], left)[0]:
                raise AssertionError(f"no {text!r} in {self.seen[-200:]!r}")
            try:
                self.seen += os.read(self.fd, 4096).decode("utf-8", "replace")
            except OSError:
                raise AssertionError(f"ended without {text!r}: {self.seen[-200:]!r}") from None
        before, self.seen = self.seen.split(text, 1)
        return before

    def type(self, text):
        os.write(self.fd, text.encode())

    def end(self):
        """The exit code, after all output is read."""
        try:
            while select.select([self.fd], [], [], 10 * SLOW)[0] and os.read(self.fd, 4096):
                pass
        except OSError:
            pass
        status = os.waitpid(self.pid, 0)[1]
        os.close(self.fd)
        return os.waitstatus_to_exitcode(status) if os.WIFEXITED(status) else -os.WTERMSIG(status)


@test
def chat_on_a_terminal(m):
    t = Terminal("chat", m.good, "-n", 4, "--temp", 0)
    t.until("> ")
    t.type("hello\n")
    t.until("tokens/s")
    t.until("> ")
    t.type("/help\n")
    t.until("/exit")
    t.until("> ")
    t.type("/exit\n")
    assert t.end() == 0


@test
def ctrl_c_stops_the_answer_only(m):
    t = Terminal("chat", m.wide, *LONG)
    t.until("> ")
    t.type("hello\r")
    t.until("\x1b[?2004l")  # the line is taken; a fast machine needs but tenths of a second for all
    time.sleep(0.02)
    t.type("\x03")
    t.until("; cancelled; seed")
    t.until("> ")
    t.type("\x04")
    assert t.end() == 0


@test
def ctrl_c_at_the_prompt(m):
    t = Terminal("chat", m.good)
    t.until("> ")
    t.type("\x03")
    t.until("(Ctrl-C again, Ctrl-D or /exit leaves)\r\n")
    t.until("> ")
    t.type("\x03")
    assert t.end() == 130


SHORT = ["-n", 2, "--temp", 0]


@test
def keys_edit_an_entry(m):
    left, right, home, end, delete = "\x1b[D", "\x1b[C", "\x1b[H", "\x1b[F", "\x1b[3~"
    for keys, want in ((f"helo{left}l", "hello"), (f"ello{home}h", "hello"),
                       (f"hell{home}{end}o", "hello"), (f"xhello{home}{delete}", "hello"),
                       ("hello there\x17", "hello "), ("hello\x15bye", "bye"),
                       (f"abc{left}{left}\x0b", "a"), ("abc\x15x\x19", "xabc"),
                       ("h\xe9\u4f60\x7f\x7fi", "hi"), (f"a\u4f60b{left}{left}{delete}", "ab"),
                       (f"one two\x1bbX{end}Y", "one XtwoY"), (f"ab{left}{right}{right}c", "abc"),
                       ("gone\x03kept", "kept"), ("a\\\rb", "a"), ("a\x1b\rb\x1b[A\x0bc", "ac")):
        t = Terminal("chat", m.good, *SHORT)
        t.until("> ")
        t.type(keys + "\r")
        t.until("context: ")
        t.said(f"  {want}\r\n")
        t.type("\x04")
        assert t.end() == 0, keys


@test
def pasted_text_is_one_entry(m):
    t = Terminal("chat", m.good, *SHORT)
    t.until("> ")
    t.type("see: \x1b[200~first line\rsecond\x07 line\r\x1b[201~end\r")
    t.until("context: ")
    t.said("  see: first line\r\nsecond line\r\nend\r\n")
    t.type('"""three\rquoted\rlines"""\r')
    t.until("context: ")
    t.said("  three\r\nquoted\r\nlines\r\n")
    t.type("/exit\r")
    assert t.end() == 0


@test
def history_is_kept(m):
    home = m.folder / "state"
    for keys in ("first entry\r", "\x1b[A\x1b[F!\r", "draft\x1b[A\x1b[A\x1b[B\x1b[F?\r"):
        t = Terminal("chat", m.good, *SHORT, XDG_STATE_HOME=str(home))
        t.until("> ")
        t.type(keys)
        t.until("context: ")
        t.until("> ")
        t.type("\x04")
        assert t.end() == 0
    with open(os.path.join(home, "mote", "history")) as f:
        assert f.read().splitlines() == ["first entry", "first entry!", "first entry!?"]
    assert os.stat(os.path.join(home, "mote", "history")).st_mode & 0o077 == 0
    t = Terminal("chat", m.good, "--no-history", *SHORT, XDG_STATE_HOME=str(m.folder / "none"))
    t.until("> ")
    t.type("hello\r")
    t.until("context: ")
    t.until("> ")
    t.type("\x04")
    assert t.end() == 0 and not os.path.exists(m.folder / "none")


@test
def long_entries_wrap_and_windows_change(m):
    t = Terminal("chat", m.good, *SHORT)
    t.resize(20, 6)
    t.until("> ")
    t.type("x" * 50)
    t.until("x" * 18 + "\r\r\n" + "x" * 20 + "\r\r\n" + "x" * 12)
    t.resize(40, 10)
    t.type("y")
    t.until("x" * 38 + "\r\r\n" + "x" * 12 + "y")
    t.type("\r")
    t.until("context: ")
    t.said("  " + "x" * 50 + "y")
    t.type("\x1b[200~" + "\r".join(str(i) for i in range(10, 25)) + "\x1b[201~")
    t.until("24")
    t.type("\r")
    t.until("context: ")
    t.until("> ")
    t.type("\x04")
    assert t.end() == 0


@test
def colours_can_be_off(m):
    for env, colour in (({}, True), ({"NO_COLOR": "1"}, False), ({"NO_COLOR": ""}, True)):
        t = Terminal("chat", m.good, *SHORT, **env)
        assert ("\x1b[1m" in t.until("> ")) == colour, env
        t.type("\x04")
        assert t.end() == 0
    t = Terminal("chat", m.good, *SHORT, TERM="dumb")
    assert "\x1b" not in t.until("> ")
    t.type("hello\n")
    assert "\x1b" not in t.until("tokens/s")
    t.until("> ")
    t.type("\x04")
    assert t.end() == 0


@test
def commands_of_a_conversation(m):
    kept, note = m.folder / "kept.jsonl", m.folder / "note.txt"
    note.write_text("a note")
    t = Terminal("chat", m.good, *SHORT)

    def ask(text, want):
        t.until("> ")
        t.type(text + "\r")
        return t.until(want) if want else ""

    ask("hello", "context: ")
    ask("/regen", "context: ")
    ask("/set temp 0.25", "")
    ask("/show parameters", "temp 0.25")
    ask("/set parameter top-k 7", "")
    ask("/show parameters", "top-k 7")
    ask("/set top-k many", "mote: error: --top-k")
    ask("/set nothing 5", "mote: error: nothing")
    ask("/set repeat-last-n 4000", "")
    ask("/set system You are brief.", "")
    ask("/show system", "system: You are brief.")
    ask("/think off", "thinking: off")
    ask("/stats", "2 messages; context")
    ask("/nonsense", "no such command")
    ask("/read /no/such/file", "mote: error")
    ask(f"/read {note}", "stand before your next message")
    ask("/clear", "")
    ask("hello again", "context: ")
    ask(f"/save {kept}", "saved 2 messages")
    ask(f"/save {kept}", "saved 2 messages")
    ask(f"/save {m.good}", "it is there already")
    ask("/clear", "")
    ask(f"/load {kept}", "loaded 2 messages")
    ask(f"/load {m.good}", "no saved conversation")
    ask("/show messages", "a note")
    ask("/bye", "")
    assert t.end() == 0
    with open(kept) as f:
        roles = [json.loads(line)["role"] for line in f]
    assert roles == ["system", "user", "assistant"], roles


@test
def run_on_a_terminal(m):
    t = Terminal("run", m.good, "-p", "hello", "-n", 4, "--temp", 0)
    assert t.end() == 0
    t = Terminal("run", m.good)
    t.until("no text given")
    assert t.end() == 2


if __name__ == "__main__":
    main()
