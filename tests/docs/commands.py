#!/usr/bin/env python3
"""Runs the commands that the pages show and compares what they print (pages.py says how blocks are marked).
Usage: commands.py [--write] [PAGE-PART...]    --write: puts what was printed into the pages instead"""
import re
import sys

from pages import IS_RELEASE, ROOT, Places, blocks, pages, run


def without_figures(text):
    """Numbers become #, and blanks, which they push about, one."""
    return re.sub(r"[ \t]+", " ", re.sub(r"\d+(\.\d+)?", "#", text)).strip()


def differs(block, shown, printed):
    if block.remark == "this machine":
        return not printed.strip()
    form = without_figures if block.remark == "figures differ" else str
    both = ("\n".join(line.rstrip() for line in form(text).rstrip().split("\n"))
            for text in ("\n".join(shown), printed))
    return next(both) != next(both)


def is_tame(command):
    """Of what a page may have run: nothing that installs, gets or tests."""
    words = command.split()
    if words[0] == "make":
        return all(w in ("make", "&&", "lesson-model", "ladder", "#") for w in words)
    return words[0].partition("=")[0] in ("mote", "echo", "cat", "for", "python3", "PATH")


class Results:
    def __init__(self):
        self.passed = self.failed = 0

    def check(self, good, where, why):
        self.passed += good
        self.failed += not good
        print(f"ok   {where}" if good else f"FAIL {where}: {why}")


def run_block(block, folder, page, results):
    """Gives the lines that the block should have."""
    lines = []
    for number, command, shown in block.commands():
        where = f"{page.relative_to(ROOT)}:{number}: {command}"
        tame, other = is_tame(command), command.startswith("make") and not IS_RELEASE
        if other:
            print(f"skip {where}: this is another build")
        elif not tame:
            results.check(False, where, "not run in tests: mark the block <!-- not run: WHY -->")
        if other or not tame:
            lines += ["$ " + command] + (shown or [])
            continue
        code, printed = run(command, folder)
        results.check(code == 0, where, f"exit {code}: {printed.strip()[-300:]}")
        if shown is not None:
            results.check(not differs(block, shown, printed), where + " prints what is shown",
                          f"it printed\n{printed}")
            lines += ["$ " + command] + [p.rstrip() for p in printed.rstrip().split("\n") if printed]
    return lines if block.language == "console" else block.lines


def run_page(page, places, results, write):
    text = page.read_text()
    lines, found = text.split("\n"), [b for b in blocks(text) if b.language in ("sh", "console")]
    folder = places.open(page) if found else None
    for block in reversed(found) if write else found:
        if block.obstacle():
            print(f"skip {page.relative_to(ROOT)}:{block.begin}: {block.obstacle()}")
        else:
            lines[block.begin:block.end] = run_block(block, folder, page, results)
    if write:
        page.write_text("\n".join(lines))


def main():
    write, parts = "--write" in sys.argv, [a for a in sys.argv[1:] if a != "--write"]
    results, places = Results(), Places()
    try:
        for page in pages():
            if not parts or any(p in str(page) for p in parts):
                run_page(page, places, results, write)
    finally:
        places.close()
    print(f"{results.passed} passed, {results.failed} failed")
    sys.exit(results.failed != 0 and not write)


if __name__ == "__main__":
    main()
