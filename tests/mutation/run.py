#!/usr/bin/env python3
"""Plants small faults, one at a time, and shows whether the test suite catches each.

    tests/mutation/run.py [--only SUBSTRING] [--table docs/mutation.md]

Reads tests/mutation/mutants.txt, works on a copy of the tree under out/mutation/, and builds there. Each fault is applied,
the library and the test programs are rebuilt, and the programs run in order until one fails. A fault that the compiler
refuses counts as caught by it and is told apart. Ends with "N caught, N survived"; exit code 1 when one survived. A fault
whose text does not stand in its file exactly once is an error: the list must keep up with the code.
"""
import argparse
import os
import pathlib
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
WORK = ROOT / "out" / "mutation"
SOURCE = WORK / "source"
BUILD = WORK / "build"
# Quick programs first: a fault is settled by the first one that fails.
PROGRAMS = ["kernels_tests", "ops_tests", "layers_tests", "parity_test", "autograd_tests", "optim_tests", "gradcheck_report"]
SECONDS = 300


def read_mutants(path):
    """Blocks of: '# what', '@ file', '- old line' ..., '+ new line' ..."""
    mutants, current = [], None
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if line.startswith("# "):
            current = {"what": line[2:], "file": None, "old": [], "new": [], "line": number}
            mutants.append(current)
        elif line.startswith("@ "):
            current["file"] = line[2:]
        elif line.startswith("- "):
            current["old"].append(line[2:])
        elif line.startswith("+ "):
            current["new"].append(line[2:])
        elif line.strip():
            sys.exit(f"{path}:{number}: expected a line that starts with '#', '@', '-' or '+'")
    return mutants


def sh(command, **options):
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **options)


def copy_tree():
    """The files that git knows, written only where they differ, so that a second run builds little."""
    names = set(sh(["git", "ls-files"], cwd=str(ROOT)).stdout.split("\n")) - {""}
    for name in names:
        content, target = (ROOT / name).read_bytes(), SOURCE / name
        if not target.exists() or target.read_bytes() != content:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
    for path in [p for p in SOURCE.rglob("*") if p.is_file() and str(p.relative_to(SOURCE)) not in names]:
        path.unlink()


def build():
    return sh(["cmake", "--build", str(BUILD), "-j", str(os.cpu_count() or 1), "--target", *PROGRAMS])


def first_failure():
    """The program that fails, with its first failing test; None when all pass."""
    for program in PROGRAMS:
        path = BUILD / "tests" / program
        try:
            result = sh([str(path)], timeout=SECONDS, cwd=str(WORK))
        except subprocess.TimeoutExpired:
            return program, "does not end"
        if result.returncode != 0:
            failed = [l for l in result.stdout.splitlines() if "FAILED" in l and "ms)" in l or l.startswith("FAIL")]
            return program, failed[0].replace("[  FAILED  ]", "").split("(")[0].strip() if failed else "exit code %d" % result.returncode
    return None


def planted(mutant):
    path = SOURCE / mutant["file"]
    text = path.read_text()
    old, new = "\n".join(mutant["old"]), "\n".join(mutant["new"])
    if text.count(old) != 1:
        sys.exit(f"mutants.txt:{mutant['line']}: '{mutant['what']}': the old text stands {text.count(old)} times in {mutant['file']}")
    return path, text, text.replace(old, new)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="run the faults whose description holds this text")
    parser.add_argument("--table", help="write a Markdown table here")
    args = parser.parse_args()

    WORK.mkdir(parents=True, exist_ok=True)
    SOURCE.mkdir(exist_ok=True)
    copy_tree()
    mutants = [m for m in read_mutants(SOURCE / "tests" / "mutation" / "mutants.txt") if args.only in m["what"]]
    for mutant in mutants:
        planted(mutant)
    configured = sh(["cmake", "-S", str(SOURCE), "-B", str(BUILD), "-DCMAKE_BUILD_TYPE=Release"])
    if configured.returncode != 0:
        sys.exit(configured.stdout)
    print("building the tree without a fault", flush=True)
    if build().returncode != 0 or first_failure() is not None:
        sys.exit("the tree without a fault does not pass: " + str(first_failure()))

    rows, survived = [], 0
    for i, mutant in enumerate(mutants, 1):
        start = time.time()
        path, text, changed = planted(mutant)
        path.write_text(changed)
        try:
            caught = ("compiler", "") if build().returncode != 0 else first_failure()
        finally:
            path.write_text(text)
        survived += caught is None
        by = "**survived**" if caught is None else f"{caught[0]}: {caught[1]}" if caught[1] else caught[0]
        rows.append((mutant["what"], mutant["file"], by))
        print(f"{i:3}/{len(mutants)} {'SURVIVED' if caught is None else 'caught  '} {mutant['what']} [{by}] {time.time() - start:.0f} s", flush=True)

    if args.table:
        lines = ["| fault | file | first caught by |", "|---|---|---|"] + [f"| {w} | {f} | {b} |" for w, f, b in rows]
        pathlib.Path(args.table).write_text("\n".join(lines) + "\n")
    print(f"{len(rows) - survived} caught, {survived} survived")
    return 1 if survived else 0


if __name__ == "__main__":
    sys.exit(main())
