"""Break the code in a copy of the project, one place at a time, and see whether its tests fail.

`make mutate`: small edits to the functions that differ from a commit. `make mutate ARGS=--promises`: the promises of
promises.yaml. Each run of the tests is a fork of a process that has loaded the libraries: they take longer than most tests.
"""

from __future__ import annotations

import argparse
import compileall
import difflib
import importlib
import os
import py_compile
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from lofi_pipeline_tests.mutants.edits import changed_lines, edits_of, tests_of
from lofi_pipeline_tests.mutants.promises import PROJECT, Mutant, load_promises

COPIED = ("lofi_pipeline", "lofi_pipeline_tests", "config", "docs", "benchmarks")
LIBRARIES = (
    "dagster",
    "diffusers.models.autoencoders.autoencoder_oobleck",
    "diffusers.pipelines.ace_step.pipeline_ace_step",
    "hypothesis",
    "license_expression",
    "peft",
    "pytest",
    "scipy.signal",
    "soundfile",
    "transformers.models.qwen3.modeling_qwen3",
    "xdist",
)
OURS = ("lofi_pipeline", "lofi_pipeline_tests")
TIMED_OUT = -1


@dataclass
class Copy:
    """A copy of the project in a temporary folder, and where its tests write."""

    folder: Path
    log: Path = field(init=False)

    def __post_init__(self) -> None:
        for name in COPIED:
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(PROJECT / name, self.folder / name, ignore=ignored)
        for path in PROJECT.iterdir():
            if path.is_file():
                shutil.copy2(path, self.folder)
        mode = (
            py_compile.PycInvalidationMode.CHECKED_HASH
        )  # an edit of the same size in the same second counts
        compileall.compile_dir(self.folder / "lofi_pipeline", quiet=1, invalidation_mode=mode)
        self.log = self.folder / "tests.log"

    def run(self, tests: tuple[str, ...], timeout: float) -> int:
        """pytest's exit code over some tests, in a fork of this process; TIMED_OUT where they do not end."""
        child = os.fork()
        if child == 0:
            os.setsid()
            self._become_pytest(tests)
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            done, status = os.waitpid(child, os.WNOHANG)
            if done:
                return os.waitstatus_to_exitcode(status)
            time.sleep(0.05)
        with suppress(ProcessLookupError):
            os.killpg(child, signal.SIGKILL)
        os.waitpid(child, 0)
        return TIMED_OUT

    def _become_pytest(self, tests: tuple[str, ...]) -> None:
        code = 3
        try:
            with self.log.open("w") as log:
                os.dup2(log.fileno(), 1)
                os.dup2(log.fileno(), 2)
            os.chdir(self.folder)
            sys.dont_write_bytecode = True
            for name in [name for name in sys.modules if name.split(".")[0] in OURS]:
                del sys.modules[name]
            sys.path[:] = [str(self.folder), *(path for path in sys.path if path not in ("", str(PROJECT)))]
            os.environ |= {"PYTHONPATH": str(self.folder), "OMP_NUM_THREADS": "1"}
            import pytest

            temporary = f"--basetemp={self.folder / 'temporary'}"
            code = int(
                pytest.main(["-x", "-q", "-n0", "-p", "no:cacheprovider", "--durations=0", temporary, *tests])
            )
        finally:
            sys.stdout.flush()
            os._exit(code)

    def survives(self, mutant: Mutant, timeout: float) -> bool:
        """Whether the tests, which pass over the code as it is, pass although it is broken."""
        path = self.folder / mutant.path
        whole = path.read_text(encoding="utf-8")
        path.write_text(mutant.broken(whole), encoding="utf-8")
        try:
            return self.run(mutant.tests, timeout) == 0
        finally:
            path.write_text(whole, encoding="utf-8")


def round_of(copy: Copy, mutants: list[Mutant], timeout: float) -> list[Mutant]:
    """Break each and say what became of it; those that survived are returned."""
    survivors = []
    for number, mutant in enumerate(mutants, start=1):
        began = time.monotonic()
        survived = copy.survives(mutant, timeout)
        word = "SURVIVED" if survived else "killed"
        seconds = time.monotonic() - began
        print(f"{number}/{len(mutants)} {word} ({seconds:.0f} s) {mutant.path}: {mutant.promise}", flush=True)
        if survived:
            survivors.append(mutant)
            print(difference(copy, mutant), flush=True)
    return survivors


def difference(copy: Copy, mutant: Mutant) -> str:
    """The change as a diff."""
    whole = (copy.folder / mutant.path).read_text(encoding="utf-8")
    before, after = (text.splitlines() for text in (whole, mutant.broken(whole)))
    return "\n".join(difflib.unified_diff(before, after, mutant.path, mutant.path, n=1, lineterm=""))


def baseline(copy: Copy, mutants: list[Mutant]) -> float:
    """Seconds that all the tests take over the code as it is.

    Raises:
        SystemExit: they do not pass: then nothing that they say of broken code counts.
    """
    tests = tuple(dict.fromkeys(test for mutant in mutants for test in mutant.tests))
    began = time.monotonic()
    code = copy.run(tests, 3600.0)
    if code != 0:
        raise SystemExit(f"the tests do not pass as it is ({code}):\n{copy.log.read_text()[-3000:]}")
    return time.monotonic() - began


def edits_since(base: str) -> list[Mutant]:
    """Small edits to the functions that differ from a commit, uncommitted changes included."""
    shown = subprocess.run(
        ["git", "diff", "--unified=0", base, "--", "lofi_pipeline"],
        cwd=PROJECT, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    return [
        Mutant(edit.words, path, whole, edit.text, tests_of(path))
        for path, lines in changed_lines(shown).items()
        if (PROJECT / path).is_file()
        for whole in [(PROJECT / path).read_text(encoding="utf-8")]
        for edit in edits_of(whole, lines)
    ]


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="make mutate", description=__doc__)
    parser.add_argument("--promises", action="store_true", help="break the promises of promises.yaml")
    parser.add_argument("--base", default="HEAD~1", help="commit to compare with (default: HEAD~1)")
    parser.add_argument("--only", default="", help="a part of the path or the promise")
    parser.add_argument("--most", type=int, default=200, help="edits at most, spread evenly (default: 200)")
    given = parser.parse_args()
    mutants = load_promises() if given.promises else edits_since(given.base)
    mutants = [item for item in mutants if given.only in item.path or given.only in item.promise]
    if not given.promises:
        mutants = mutants[:: -(-len(mutants) // given.most) or 1]
    if not mutants:
        raise SystemExit("nothing to break: no function of lofi_pipeline differs, or no promise is meant")
    for name in LIBRARIES:
        importlib.import_module(name)
    with tempfile.TemporaryDirectory(prefix="lofi-mutants-") as folder:
        copy = Copy(Path(folder))
        seconds = baseline(copy, mutants)
        survivors = round_of(copy, mutants, 60 + 3 * seconds)
    print(f"{len(survivors)} of {len(mutants)} survived")
    for mutant in survivors:
        print(f"  {mutant.path}: {mutant.promise}")
    raise SystemExit(bool(survivors))


if __name__ == "__main__":
    main()
