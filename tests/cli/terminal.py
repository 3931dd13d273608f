#!/usr/bin/env python3
"""The program among others: pipes that close, full and missing streams, signals, and a conversation on a
terminal. Usage: terminal.py [NAME-PART...]"""
import os
import select
import signal
import subprocess
import time

from frame import MOTE, SLOW, Skip, main, mote, refused, test

try:
    import pty
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

    def __init__(self, *args):
        if pty is None:
            raise Skip("no pty module")
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.execv(MOTE, [MOTE, *map(str, args)])
        self.seen = ""

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
    t.type("hello\n")
    t.until("hello\r\n")
    time.sleep(0.2 * SLOW)
    t.type("\x03")
    t.until("; cancelled; seed")
    t.until("\n> ")
    t.type("\x04")
    assert t.end() == 0


@test
def ctrl_c_at_the_prompt(m):
    t = Terminal("chat", m.good)
    t.until("> ")
    t.type("\x03")
    said = t.until("> ")
    assert "Ctrl-C again" in said and "\\x" not in said, said
    t.type("\x03")
    assert t.end() == 130


@test
def run_on_a_terminal(m):
    t = Terminal("run", m.good, "-p", "hello", "-n", 4, "--temp", 0)
    assert t.end() == 0
    t = Terminal("run", m.good)
    t.until("no text given")
    assert t.end() == 2


if __name__ == "__main__":
    main()
