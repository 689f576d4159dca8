#!/usr/bin/env python3
"""Plants small faults, one at a time, and shows whether the test suite catches each.

    tests/mutation/run.py [--list norms|parts] [--only SUBSTRING] [--files PREFIX[,PREFIX]] [--missing] [--check]
                          [--table docs/mutation.md] [--jobs N]

There are two lists. `norms` (tests/mutation/mutants.txt) is about the kernels, operations and layers of the norms, and runs
the norms' own tests (norm_*_test.cpp) in Release until one fails, the likeliest first: what these catch, the whole suite
catches. `parts` (tests/mutation/parts.txt) is about everything else, and names for each fault the tests that are to catch it.

Works on a copy of the tree under out/mutation/, built with this machine's best instruction set alone; the test programs are
not linked again for a fault inside of the library. Each fault is planted, what depends on it is built, the tests run, and
the source is restored. A fault that the compiler refuses counts as caught by it.

A fault is a block of lines:

    # what is wrong
    @ file
    in name        function, class or struct whose body holds the place; several narrow it down; without: the file
    - text         what stands there (several lines are one text)
    + text         what shall stand there instead
    by program [filter]    the tests to run, with GoogleTest's filter

The text is found by its tokens: line breaks and spaces play no part. It must stand exactly once in its place, or the list no
longer keeps up with the code, which is an error; --check looks for that alone.

Ends with "N caught, N survived"; exit code 1 when one survived. Results are kept in out/mutation/LIST.json and hold while
neither the fault nor the text of its place changes; --table writes all of them, --only and --files choose what is run anew,
--missing leaves out what was caught already. --work keeps everything in another folder, so that two runs can share the work.
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
SECONDS = 300

# --- the lists


class List:
    """One list of faults, where it is worked on, and how it is built."""

    def __init__(self, name, file, title, text, programs, leave_out, options):
        self.name, self.file, self.title, self.text = name, file, title, text
        self.programs = programs  # those that every fault is tried on; empty: each fault names its own
        self.leave_out = re.compile(leave_out)
        self.options = options

    source = property(lambda self: WORK / self.name / "source")
    build = property(lambda self: WORK / self.name / "build")
    results = property(lambda self: WORK / (self.name + ".json"))


LISTS = [
    List("norms", "tests/mutation/mutants.txt", "The norms",
         ["What the test suite does when the norm kernels, operations and layers are wrong. A program that runs early may catch what many",
          "others would, too."],
         ["parity_test", "kernels_tests", "layers_tests", "ops_tests"], r"tests/(kernels|layers|ops)/(?!norm_)\w+_test\.cpp",
         ["-DCMAKE_BUILD_TYPE=Release"]),
    List("parts", "tests/mutation/parts.txt", "Everything else",
         ["The same for operations, autograd, layers, optimizers, data, files and the tools for whole models: the tests that a fault names",
          "are run alone."],
         [], r"(?!)", ["-DCMAKE_BUILD_TYPE=None", "-DCMAKE_CXX_FLAGS=-O1", "-DNORMGRAD_WERROR=OFF", "-DNORMGRAD_UNITY=OFF"]),
]
# The likeliest to fail for a fault in one of these folders, in the list of the norms.
FIRST = {"core/kernels": ["kernels_tests"], "core/ops": ["ops_tests", "layers_tests"], "layers": ["layers_tests"]}


def read_faults(path):
    faults, current = [], None
    for number, line in enumerate(path.read_text().splitlines(), 1):
        kind, _, rest = line.partition(" ")
        if kind == "#":
            current = {"what": rest, "file": None, "in": [], "old": [], "new": [], "by": [], "line": number}
            faults.append(current)
        elif kind == "@":
            current["file"] = rest
        elif kind == "in":
            current["in"].append(rest)
        elif kind == "by":
            program, _, chosen = rest.partition(" ")
            current["by"].append((program, chosen))
        elif kind == "-":
            current["old"].append(rest)
        elif kind == "+":
            current["new"].append(rest)
        elif line.strip():
            sys.exit(f"{path}:{number}: expected a line that starts with '#', '@', 'in', '-', '+' or 'by'")
    return faults


# --- where a fault goes

TOKEN = re.compile(r'"(?:\\.|[^"\\])*"|[A-Za-z_]\w*|\d(?:[eE][+-]|[\w.])*|\S')
NO_CODE = re.compile(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|(?<!\w)\'(?:\\.|[^\'\\])\'', re.S)


def pattern_of(text):
    tokens = TOKEN.findall(text)
    word = lambda token: re.match(r"\w", token[-1]) is not None
    parts = [r"(?<!\w)" if word(tokens[0][0]) else ""]
    for i, token in enumerate(tokens):
        if i > 0:
            parts.append(r"\s+" if word(tokens[i - 1]) and re.match(r"\w", token[0]) else r"\s*")
        parts.append(re.escape(token))
    parts.append(r"(?!\w)" if word(tokens[-1]) else "")
    return re.compile("".join(parts))


def closing(code, at):
    """Behind the bracket that closes the one at `at`."""
    pairs, depth = {"(": ")", "{": "}", "[": "]"}, 0
    opens, closes = code[at], pairs[code[at]]
    for i in range(at, len(code)):
        depth += (code[i] == opens) - (code[i] == closes)
        if depth == 0:
            return i + 1
    return len(code)


def body_at(code, at):
    """The span behind the parameters of a function, which open at `at`, to its end; None for a call or a declaration."""
    at = begin = closing(code, at)
    at += len(re.match(r"(\s|const\b|noexcept\b|override\b|final\b|mutable\b|&|->[\w:<>,&*\s]+)*", code[at:]).group())
    if code[at:at + 1] == ":" and code[at:at + 2] != "::":  # members and their values
        at += 1
        while True:
            entry = re.match(r"\s*[\w:<>]+\s*([({])", code[at:])
            if entry is None:
                return None
            at = closing(code, at + entry.end() - 1)
            more = re.match(r"\s*(\.\.\.)?\s*,", code[at:])
            if more is None:
                break
            at += more.end()
        at += len(re.match(r"\s*", code[at:]).group())
    return (begin, closing(code, at)) if code[at:at + 1] == "{" else None


def bodies(code, name, spans):
    """Spans of the bodies of all functions, classes and structs of that name within the given ones."""
    found = []
    for begin, end in spans:
        for match in re.finditer(r"(?<![\w~])" + re.escape(name) + r"\s*\(", code[begin:end]):
            found.append(body_at(code, begin + match.end() - 1))
        for match in re.finditer(r"\b(?:class|struct)\s+" + re.escape(name) + r"\b[^;{()]*\{", code[begin:end]):
            at = begin + match.end() - 1
            found.append((at, closing(code, at)))
    return [span for span in found if span is not None]


class Place:
    """Where a fault goes: the file's text, and what stands there with and without it."""

    def __init__(self, source, fault):
        self.path = source / fault["file"]
        if not self.path.exists():
            raise LookupError(f"line {fault['line']}: '{fault['what']}': there is no {fault['file']}")
        self.text = self.path.read_text()
        code = NO_CODE.sub(lambda match: " " * len(match.group()), self.text)
        spans = [(0, len(code))]
        for name in fault["in"]:
            spans = bodies(code, name, spans)
        old = pattern_of(" ".join(fault["old"]))
        matches = {match.span() for begin, end in spans for match in old.finditer(self.text, begin, end)}
        if len(matches) != 1:
            where = " in " + ", ".join(fault["in"]) if fault["in"] else ""
            raise LookupError(f"line {fault['line']}: '{fault['what']}': the text stands {len(matches)} times{where} of {fault['file']}")
        begin, end = matches.pop()
        self.changed = self.text[:begin] + "\n".join(fault["new"]) + self.text[end:]
        around = next((span for span in spans if span[0] <= begin and end <= span[1]))
        self.key = hashlib.sha256("\0".join([self.text[around[0]:around[1]], str(begin - around[0]), *fault["new"],
                                              *(" ".join(by) for by in fault["by"])]).encode()).hexdigest()


# --- building and running


def sh(command, **options):
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", **options)


def copy_tree(chosen):
    """The files that git knows, written only where they differ, so that a second run builds little."""
    names = set(sh(["git", "ls-files"], cwd=str(ROOT)).stdout.split("\n")) - {""}
    names = {name for name in names if not chosen.leave_out.fullmatch(name)}
    chosen.source.mkdir(parents=True, exist_ok=True)
    for name in names:
        content, target = (ROOT / name).read_bytes(), chosen.source / name
        if not target.exists() or target.read_bytes() != content:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
    for path in [p for p in chosen.source.rglob("*") if p.is_file() and str(p.relative_to(chosen.source)) not in names]:
        path.unlink()


def best_instruction_set():
    try:
        flags = next(l for l in pathlib.Path("/proc/cpuinfo").read_text().splitlines() if l.startswith("flags")).split()
    except (OSError, StopIteration):
        return ""
    if {"avx512f", "avx512cd", "avx512dq", "avx512bw"} <= set(flags):
        return "avx512"
    return "avx2" if {"avx2", "fma"} <= set(flags) else "sse2"


def configure(chosen):
    command = ["cmake", "-S", str(chosen.source), "-B", str(chosen.build), "-DCMAKE_LINK_DEPENDS_NO_SHARED=ON",
               "-DNORMGRAD_BUILD_EXAMPLES=OFF", "-DNORMGRAD_SIMD_ONLY=" + best_instruction_set(), *chosen.options]
    if shutil.which("ninja"):
        command += ["-G", "Ninja"]
    if shutil.which("ccache"):
        command += ["-DCMAKE_CXX_COMPILER_LAUNCHER=ccache"]
    result = sh(command)
    if result.returncode != 0:
        sys.exit(result.stdout)


def build(chosen, programs, jobs):
    return sh(["cmake", "--build", str(chosen.build), "-j", str(jobs), "--target", *sorted(programs)])


def failure_of(chosen, program, filter_):
    """What fails first in one program, or None."""
    arguments = ["--gtest_fail_fast"] if program.endswith("_tests") else []
    if filter_:
        arguments.append("--gtest_filter=" + filter_)
    try:
        result = sh([str(chosen.build / "tests" / program), *arguments], timeout=SECONDS, cwd=str(WORK))
    except subprocess.TimeoutExpired:
        return program + ": does not end"
    if result.returncode == 0:
        if filter_ and re.search(r"^\[  PASSED  \] [1-9]", result.stdout, re.M) is None:
            sys.exit(f"no test of {program} is called {filter_}")
        return None
    lines = result.stdout.splitlines()
    if program == "parity_test":
        return program + ": " + (lines[-1] if lines else "crash")
    failed = [l.replace("[  FAILED  ]", "").split(", where")[0].split(" (")[0].strip() for l in lines if l.startswith("[  FAILED  ]")]
    running = [l.split("]")[1].strip() for l in lines if l.startswith("[ RUN      ]")]
    return program + ": " + (failed[0] if failed else "crash in " + running[-1] if running else "exit code %d" % result.returncode)


def runs_of(chosen, fault):
    if fault["by"]:
        return fault["by"]
    first = ["parity_test"] + next((programs for prefix, programs in FIRST.items() if fault["file"].startswith(prefix)), [])
    return [(program, "") for program in first + [program for program in chosen.programs if program not in first]]


def first_failure(chosen, runs):
    return next(filter(None, (failure_of(chosen, program, filter_) for program, filter_ in runs)), None)


# --- results


def write_table(path):
    lines = ["# Planted faults", "",
             "What the test suite does when the code is wrong: each row is a small fault that `tests/mutation/run.py` planted alone, built, and",
             "ran the tests against. Written by that script.", ""]
    before = pathlib.Path(path).read_text() if pathlib.Path(path).exists() else ""
    for chosen in LISTS:
        kept = re.search(rf"^## {chosen.title}\n.*?(?=^## |\Z)", before, re.M | re.S)
        if not chosen.results.exists() and kept is not None:  # they are another machine's
            lines += kept.group().rstrip("\n").split("\n") + [""]
            continue
        faults = read_faults(ROOT / chosen.file)
        results = json.loads(chosen.results.read_text()) if chosen.results.exists() else {}
        caught = survived = earlier = 0
        rows = []
        for fault in faults:
            result = results.get(fault["what"])
            by = "not run yet"
            if result is not None:
                old = result["key"] != Place(ROOT, fault).key
                caught += result["caught"] is not None
                survived += result["caught"] is None
                earlier += old
                by = "**survived**" if result["caught"] is None else result["caught"].replace("|", "/")
                by += " (in an earlier version of the file)" if old else ""
            rows.append(f"| {fault['what']} | `{fault['file']}` | {by} |")
        last = max((result.get("date", "2026-11-23") for result in results.values()), default="never")
        lines += [f"## {chosen.title}", "", *chosen.text, f"The list of faults is `{chosen.file}`.", "",
                  f"{len(faults)} faults: {caught} caught, {survived} survived, {len(faults) - caught - survived} not run yet; {earlier} ran in an "
                  f"earlier version of their file. Last run on {last}.", "",
                  "| fault | file | first caught by |", "|---|---|---|"] + rows + [""]
    pathlib.Path(path).write_text("\n".join(lines[:-1]) + "\n")


def check(faults, source):
    wrong = []
    for fault in faults:
        try:
            Place(source, fault)
        except LookupError as error:
            wrong.append(str(error))
    return wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--list", default="norms", choices=[chosen.name for chosen in LISTS])
    parser.add_argument("--only", default="", help="run the faults whose description holds this text")
    parser.add_argument("--files", default="", help="run the faults in files that start with one of these")
    parser.add_argument("--missing", action="store_true", help="run only what has no result, or has survived")
    parser.add_argument("--check", action="store_true", help="say which faults of the list have no place in the code, and run nothing")
    parser.add_argument("--table", help="write tables of all results into this file, and run nothing; where this copy of the tree has no "
                        "results of a list, its table stays")
    parser.add_argument("--work", help="where to work, in place of out/mutation")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    args = parser.parse_args()
    if args.work:
        global WORK
        WORK = pathlib.Path(args.work).resolve()
    chosen = next(l for l in LISTS if l.name == args.list)
    faults = read_faults(ROOT / chosen.file)
    wrong = check(faults, ROOT)
    if wrong or args.check:
        print("\n".join(wrong) or f"all {len(faults)} faults have their place")
        return 1 if wrong else 0
    if args.table:
        write_table(args.table)
        return 0

    os.nice(10)
    copy_tree(chosen)
    results = json.loads(chosen.results.read_text()) if chosen.results.exists() else {}
    todo = [f for f in faults if args.only in f["what"] and f["file"].startswith(tuple(args.files.split(",")))]
    if args.missing:
        has_result = lambda f: f["what"] in results and results[f["what"]]["key"] == Place(ROOT, f).key and results[f["what"]]["caught"]
        todo = [f for f in todo if not has_result(f)]
    todo.sort(key=lambda f: f["file"].endswith(".hpp"))  # what builds slowly comes last
    survived = 0
    if todo:
        configure(chosen)
        print("building the tree without a fault", flush=True)
        runs = sorted({run for fault in todo for run in runs_of(chosen, fault)})
        built = build(chosen, {program for program, _ in runs}, args.jobs)
        if built.returncode != 0:
            sys.exit(built.stdout[-3000:])
        failure = first_failure(chosen, runs)
        if failure is not None:
            sys.exit("the tree without a fault does not pass: " + failure)
    for i, fault in enumerate(todo, 1):
        start = time.time()
        place, runs = Place(chosen.source, fault), runs_of(chosen, fault)
        place.path.write_text(place.changed)
        try:
            built = build(chosen, {"normgrad_shared", *(program for program, _ in runs)}, args.jobs)
            caught = "compiler" if built.returncode != 0 else first_failure(chosen, runs)
        finally:
            place.path.write_text(place.text)
        survived += caught is None
        results[fault["what"]] = {"key": place.key, "caught": caught, "date": datetime.date.today().isoformat()}
        chosen.results.write_text(json.dumps(results, indent=1))
        print(f"{i:3}/{len(todo)} {'SURVIVED' if caught is None else 'caught  '} {fault['what']} [{caught}] {time.time() - start:.0f} s", flush=True)
    print(f"{len(todo) - survived} caught, {survived} survived")
    return 1 if survived else 0


if __name__ == "__main__":
    sys.exit(main())
