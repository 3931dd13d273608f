#!/usr/bin/env python3
"""The manual page and the completions: every command and option that mote's own help tells of is in
them, and the shells at hand read and use them. Usage: manual.py [NAME-PART...]"""
import re
import shutil
import subprocess

from frame import COMMANDS, Skip, main, out, refused, test

SHELLS = ("bash", "zsh", "fish")


def commands():
    return re.findall(r"^  ([a-z]+) ", out("help"), re.M)


def options(command):
    """(names, value or "") of each option of a command, from its help."""
    rows = re.findall(r"^  (?:(-\w+), )? *(--[a-z0-9-]+)(?: (\S+))?(?:  .*)?$", out(command, "--help"), re.M)
    assert len(rows) > 2, command
    return [([n for n in row[:2] if n], row[2]) for row in rows]


def script(m, shell):
    path = m.folder / f"mote.{shell}"
    path.write_text(out("help", "--completions", shell))
    return path


def run(m, shell, *args):
    if not shutil.which(shell):
        raise Skip(f"no {shell}")
    p = subprocess.run([shell, *map(str, args)], capture_output=True, text=True, timeout=60,
                       cwd=m.folder, stdin=subprocess.DEVNULL)
    assert p.returncode == 0 and not p.stderr, f"{p.returncode} {p.stderr}"
    return p.stdout.split()


@test
def the_manual_has_every_command_and_option(m):
    text = out("help", "--man")
    assert text.startswith(".TH MOTE 1 ") and "(null)" not in text
    plain = re.sub(r"\\f[BIR]", "", text).replace("\\-", "-").replace("\\e", "\\")
    assert set(COMMANDS) <= set(commands()), "frame.py knows other commands"
    sections = plain.split(".SH OPTIONS")
    for c in commands():
        part = re.search(rf'^\.SS "mote {c}[ "].*?(?=^\.S|\Z)', sections[0], re.M | re.S)
        assert part, f"no section for {c}"
        for names, value in options(c):
            assert re.search(rf"{names[-1]}[,.]", part[0]), f"{c} without {names}"
            line = ", ".join(names) + (" " + value if value else "")
            assert f".TP\n{line}\n" in sections[1], line


@test
def the_manual_is_good_roff(m):
    if not shutil.which("groff"):
        raise Skip("no groff")
    p = subprocess.run(["groff", "-man", "-ww", "-z", "-Tascii"], input=out("help", "--man"),
                       capture_output=True, text=True, timeout=60)
    assert p.returncode == 0 and not p.stderr, p.stderr


@test
def completions_have_every_command_and_option(m):
    for shell in SHELLS:
        text = script(m, shell).read_text()
        assert "(null)" not in text
        for c in commands():
            if shell == "fish":
                part = "\n".join(line for line in text.splitlines()
                                 if f"_from {c}'" in line or f"-a {c} " in line)
            else:
                part = re.search(rf"^    {c}\)\n.*?^        ;;$", text, re.M | re.S)[0]
            for names, value in options(c):
                for name in names:
                    own = {"bash": name, "zsh": "'*" + name,
                           "fish": " -l " + name[2:] if name.startswith("--") else
                                   (" -s " if len(name) == 2 else " -o ") + name[1:]}[shell]
                    assert re.search(re.escape(own) + r"[\s\[=\"'|)]", part), (shell, c, name)
                if "|" in value:
                    assert value.replace("|", " ") in part, (shell, c, value)


@test
def bash_completes(m):
    def words(*line):
        code = ". ./mote.bash; COMP_WORDS=(\"$@\"); COMP_CWORD=$(($# - 1)); _mote; " \
               "printf '%s\\n' \"${COMPREPLY[@]}\""
        return run(m, "bash", "-c", code, "bash", *line)
    script(m, "bash")
    assert words("mote", "") == commands() + ["help", "--version"]
    assert words("mote", "te") == ["template"]
    assert words("mote", "run", "--top") == ["--top-k", "--top-p"]
    assert words("mote", "run", "x.mote", "--kv", "") == ["f32", "f16", "q8"]
    assert words("mote", "bench", "-o", "j") == ["json", "jsonl"]
    assert words("mote", "convert", "-o", "j") == [] and words("mote", "run", "x") == []
    assert words("mote", "help", "--completions", "") == list(SHELLS)


@test
def fish_completes(m):
    def words(line):
        text = run(m, "fish", "--no-config", "-c", f"source mote.fish; complete -C '{line}' | cut -f1")
        return [w for w in text if not w.endswith(".fish")]
    script(m, "fish")
    assert "template" in words("mote te")
    assert words("mote run --top") == ["--top-k", "--top-p"]
    assert words("mote run x.mote --kv ") == ["f16", "f32", "q8"]


@test
def zsh_reads_its_script(m):
    script(m, "zsh")
    run(m, "zsh", "-n", "mote.zsh")
    assert run(m, "zsh", "-fc", "autoload -U compinit; compinit -D; . ./mote.zsh; "
               "print $_comps[mote]") == ["_mote"]


@test
def other_shells_are_refused(m):
    refused(2, "bash, zsh or fish", "help", "--completions", "tcsh")
    refused(2, "bash, zsh or fish", "help", "--completions")


if __name__ == "__main__":
    main()
