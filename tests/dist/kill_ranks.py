#!/usr/bin/env python3
"""Kills a random rank of train_mnist at a random moment, resumes the run, and compares it with one that was not stopped.

    tests/dist/kill_ranks.py [--times 20] [--ranks 2] [--seed 1] [--build build]

Every run has a time limit. A killed run must end within 10 s of the kill, with an exit code other than 0 and a message that
names the rank; a resumed run must write the same files as the whole one, bit for bit. Prints a line per kill. Exit code 1 if
one fails. Not part of scripts/test.sh, which kills once (tests/dist/launch): 20 kills take two to four minutes.
"""
import argparse
import os
import pathlib
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

FILES = ["model.safetensors", "metrics.csv", "metrics.jsonl"]
ENVIRONMENT = {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1", "OMPI_MCA_rmaps_base_oversubscribe": "1",
               "OMPI_MCA_hwloc_base_binding_policy": "none", "OMPI_MCA_btl_vader_single_copy_mechanism": "none",
               "OMP_NUM_THREADS": "1"}


class Run:
    def __init__(self, arguments, out, ranks, resume=False):
        command = ["mpirun", "-n", str(ranks), str(arguments.program), "--distributed", "--data", "digits", "--train-limit",
                   "384", "--epochs", "2", "--batch-size", "24", "--warmup", "2", "--checkpoint-every", "1", "--out", str(out)]
        self.out = out
        self.text = tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen(command + ["--resume"] * resume, stdout=self.text, stderr=subprocess.STDOUT,
                                        env={**os.environ, **ENVIRONMENT})

    def wait(self, seconds):
        """The exit code, or None if the run hangs."""
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            for process in [*processes_of(self.out).values(), self.process.pid]:
                os.kill(process, signal.SIGKILL)
            self.process.wait()
            return None

    def printed(self):
        self.text.seek(0)
        return self.text.read()


def processes_of(out):
    """The process of each rank that trains into the folder."""
    found = {}
    for folder in pathlib.Path("/proc").iterdir():
        try:
            command = (folder / "cmdline").read_bytes().split(b"\0")
            environment = (folder / "environ").read_bytes()
        except OSError:
            continue
        rank = re.search(rb"(?:OMPI_COMM_WORLD_RANK|PMI_RANK)=(\d+)", environment)
        if rank and str(out).encode() in command and b"--distributed" in command and command[0].endswith(b"train_mnist"):
            found[int(rank.group(1))] = int(folder.name)
    return found


def same_files(a, b):
    return [name for name in FILES if (a / name).read_bytes() != (b / name).read_bytes()]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--times", type=int, default=20)
    parser.add_argument("--ranks", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--build", type=pathlib.Path, default=pathlib.Path("build"))
    arguments = parser.parse_args()
    arguments.program = (arguments.build / "examples" / "train_mnist").resolve()
    draw = random.Random(arguments.seed)
    work = pathlib.Path(tempfile.mkdtemp(prefix="kill_ranks_"))

    start = time.monotonic()
    whole = Run(arguments, work / "whole", arguments.ranks)
    if whole.wait(300) != 0:
        sys.exit("the run that is not stopped failed:\n" + whole.printed())
    length = time.monotonic() - start
    faults = 0
    kills = 0
    for i in range(4 * arguments.times):
        if kills == arguments.times:
            break
        out = work / f"killed{i}"
        rank, after = draw.randrange(arguments.ranks), draw.random()
        run = Run(arguments, out, arguments.ranks)
        while run.process.poll() is None and not (out / "checkpoint.safetensors").exists():
            time.sleep(0.01)
        time.sleep(after * after * 0.6 * length)  # rather early: a run that is through cannot be killed
        process = processes_of(out).get(rank)
        killed = time.monotonic()
        if process:
            try:
                os.kill(process, signal.SIGKILL)
            except ProcessLookupError:  # it has just ended
                process = None
        kills += process is not None
        code = run.wait(30)
        seconds = time.monotonic() - killed
        wrong = []
        if process and code is None:
            wrong.append("the run hung")
        elif process and (code == 0 or seconds > 10):
            wrong.append(f"the run ended with {code} after {seconds:.1f} s")
        elif process and f"rank {rank} " not in run.printed():
            wrong.append("no message names the rank:\n" + run.printed())
        resumed = Run(arguments, out, arguments.ranks, resume=True)
        code = resumed.wait(300)
        if code != 0:
            wrong.append(f"the resumed run ended with {code}:\n" + resumed.printed())
        elif same_files(work / "whole", out):
            wrong.append("the resumed run differs in " + ", ".join(same_files(work / "whole", out)))
        step = re.search(r"continuing after step (\d+)", resumed.printed())
        print(f"{kills}: rank {rank} killed" if process else "the run was through, too early for a kill:",
              f"after step {step.group(1) if step else '?'}, ended after {seconds:.1f} s:", "; ".join(wrong) or "same bits",
              flush=True)
        faults += len(wrong) > 0
    if faults == 0:
        shutil.rmtree(work)
    print(f"{kills} kills of {arguments.times}, {faults} faults" + (f"; see {work}" if faults else ""))
    sys.exit(1 if faults or kills < arguments.times else 0)


if __name__ == "__main__":
    main()
