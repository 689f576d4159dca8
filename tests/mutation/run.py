#!/usr/bin/env python3
"""Plants small faults, one at a time, and shows whether the test suite catches each.

    tests/mutation/run.py [--only SUBSTRING] [--files PREFIX[,PREFIX]] [--table docs/mutation.md] [--jobs N]

Reads tests/mutation/mutants.txt, works on a copy of the tree under out/mutation/, and builds there: the library with this
machine's best instruction set alone, and the test programs, which are not linked again for a fault inside of the library. Each
fault is planted, what depends on it is built, and programs run until one fails, the likeliest first. To be quick, the
test programs are made of the norms' own tests alone (norm_*_test.cpp): what these catch, the whole suite catches. A fault
that the compiler refuses counts as caught by it.

Ends with "N caught, N survived"; exit code 1 when one survived. A fault whose text does not stand in its file exactly
once is an error: the list must keep up with the code. Results are kept in out/mutation/results.json and hold while
neither the fault nor its file changes; --table writes all of them, --only and --files choose what is run anew.
"""
import argparse
import datetime
import hashlib
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
WORK = ROOT / "out" / "mutation"
SOURCE = WORK / "source"
BUILD = WORK / "build"
RESULTS = WORK / "results.json"
PROGRAMS = ["parity_test", "kernels_tests", "layers_tests", "ops_tests"]
# The likeliest to fail for a fault in one of these folders.
FIRST = {"core/kernels": ["kernels_tests"], "core/ops": ["ops_tests", "layers_tests"], "layers": ["layers_tests"]}
OTHER_TESTS = re.compile(r"tests/(kernels|layers|ops)/(?!norm_)\w+_test\.cpp")
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
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", **options)


def copy_tree():
    """The files that git knows, written only where they differ, so that a second run builds little."""
    names = set(sh(["git", "ls-files"], cwd=str(ROOT)).stdout.split("\n")) - {""}
    names = {name for name in names if not OTHER_TESTS.fullmatch(name)}
    for name in names:
        content, target = (ROOT / name).read_bytes(), SOURCE / name
        if not target.exists() or target.read_bytes() != content:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
    for path in [p for p in SOURCE.rglob("*") if p.is_file() and str(p.relative_to(SOURCE)) not in names]:
        path.unlink()


def best_instruction_set():
    try:
        flags = next(l for l in pathlib.Path("/proc/cpuinfo").read_text().splitlines() if l.startswith("flags")).split()
    except (OSError, StopIteration):
        return ""
    if {"avx512f", "avx512cd", "avx512dq", "avx512bw"} <= set(flags):
        return "avx512"
    return "avx2" if {"avx2", "fma"} <= set(flags) else "sse2"


def configure():
    command = ["cmake", "-S", str(SOURCE), "-B", str(BUILD), "-DCMAKE_BUILD_TYPE=Release", "-DCMAKE_LINK_DEPENDS_NO_SHARED=ON",
               "-DNORMGRAD_BUILD_EXAMPLES=OFF", "-DNORMGRAD_SIMD_ONLY=" + best_instruction_set()]
    if shutil.which("ninja"):
        command += ["-G", "Ninja"]
    if shutil.which("ccache"):
        command += ["-DCMAKE_CXX_COMPILER_LAUNCHER=ccache"]
    result = sh(command)
    if result.returncode != 0:
        sys.exit(result.stdout)


def build(jobs):
    return sh(["cmake", "--build", str(BUILD), "-j", str(jobs), "--target", *PROGRAMS])


def failure_of(program):
    """What fails first in one program, or None."""
    arguments = ["--gtest_fail_fast"] if program.endswith("_tests") else []
    try:
        result = sh([str(BUILD / "tests" / program), *arguments], timeout=SECONDS, cwd=str(WORK))
    except subprocess.TimeoutExpired:
        return program + ": does not end"
    if result.returncode == 0:
        return None
    lines = result.stdout.splitlines()
    if program == "parity_test":
        return program + ": " + (lines[-1] if lines else "crash")
    failed = [l.replace("[  FAILED  ]", "").split(", where")[0].split(" (")[0].strip() for l in lines if l.startswith("[  FAILED  ]")]
    return program + ": " + (failed[0] if failed else "exit code %d" % result.returncode)


def first_failure(file):
    first = ["parity_test"] + next((programs for prefix, programs in FIRST.items() if file.startswith(prefix)), [])
    for program in first + [program for program in PROGRAMS if program not in first]:
        failure = failure_of(program)
        if failure is not None:
            return failure
    return None


def planted(mutant):
    path = SOURCE / mutant["file"]
    text = path.read_text()
    old, new = "\n".join(mutant["old"]), "\n".join(mutant["new"])
    if text.count(old) != 1:
        sys.exit(f"mutants.txt:{mutant['line']}: '{mutant['what']}': the old text stands {text.count(old)} times in {mutant['file']}")
    return path, text, text.replace(old, new)


def key_of(mutant):
    _, text, changed = planted(mutant)
    return hashlib.sha256((text + "\0" + changed).encode()).hexdigest()


def write_table(path, mutants, results):
    caught = survived = earlier = 0
    rows = []
    for m in mutants:
        result = results.get(m["what"])
        by = "not run yet"
        if result is not None:
            old = result["key"] != key_of(m)
            caught += result["caught"] is not None
            survived += result["caught"] is None
            earlier += old
            by = "**survived**" if result["caught"] is None else result["caught"].replace("|", "/")
            by += " (in an earlier version of the file)" if old else ""
        rows.append(f"| {m['what']} | `{m['file']}` | {by} |")
    lines = ["# Planted faults", "",
             "What the test suite does when the norm kernels, operations and layers are wrong: each row is a small fault that",
             "`tests/mutation/run.py` planted alone, built, and ran the tests against. Written by that script; the list of faults is",
             "`tests/mutation/mutants.txt`. A program that runs early in the list may catch what many others would, too.", "",
             f"{len(mutants)} faults: {caught} caught, {survived} survived, {len(mutants) - caught - survived} not run yet; {earlier} ran in an "
             f"earlier version of their file. Last run on {datetime.date.today().isoformat()}.", "",
             "| fault | file | first caught by |", "|---|---|---|"] + rows
    pathlib.Path(path).write_text("\n".join(lines) + "\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="run the faults whose description holds this text")
    parser.add_argument("--files", default="", help="run the faults in files that start with one of these")
    parser.add_argument("--missing", action="store_true", help="run only what has no result, or has survived")
    parser.add_argument("--table", help="write a Markdown table of all results here")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    args = parser.parse_args()

    os.nice(10)
    WORK.mkdir(parents=True, exist_ok=True)
    SOURCE.mkdir(exist_ok=True)
    copy_tree()
    mutants = read_mutants(SOURCE / "tests" / "mutation" / "mutants.txt")
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    chosen = [m for m in mutants if args.only in m["what"] and m["file"].startswith(tuple(args.files.split(",")))]
    if args.missing:
        has_result = lambda m: m["what"] in results and results[m["what"]]["key"] == key_of(m) and results[m["what"]]["caught"]
        chosen = [m for m in chosen if not has_result(m)]
    chosen.sort(key=lambda m: m["file"].endswith(".hpp"))  # what builds slowly comes last
    for mutant in chosen:
        planted(mutant)
    survived = 0
    if chosen:
        configure()
        print("building the tree without a fault", flush=True)
        built = build(args.jobs)
        if built.returncode != 0:
            sys.exit(built.stdout[-3000:])
        failure = first_failure("")
        if failure is not None:
            sys.exit("the tree without a fault does not pass: " + failure)
    for i, mutant in enumerate(chosen, 1):
        start = time.time()
        path, text, changed = planted(mutant)
        key = key_of(mutant)
        path.write_text(changed)
        try:
            caught = "compiler" if build(args.jobs).returncode != 0 else first_failure(mutant["file"])
        finally:
            path.write_text(text)
        survived += caught is None
        results[mutant["what"]] = {"key": key, "caught": caught}
        RESULTS.write_text(json.dumps(results, indent=1))
        print(f"{i:3}/{len(chosen)} {'SURVIVED' if caught is None else 'caught  '} {mutant['what']} [{caught}] {time.time() - start:.0f} s", flush=True)
    if args.table:
        write_table(args.table, mutants, results)
    print(f"{len(chosen) - survived} caught, {survived} survived")
    return 1 if survived else 0


if __name__ == "__main__":
    sys.exit(main())
