"""Break the code in a copy of the project and see whether its tests fail.

`make mutate`: mutmut's small edits in the files that differ from a commit, each against the tests of its package.
`make mutate ARGS=--promises`: the promises of promises.yaml, one after the other. There each run of the tests is a fork of a
process that has loaded the libraries, which takes longer than most tests.
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
from configparser import ConfigParser
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

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
        # By content: an edit of the same size in the same second counts
        mode = py_compile.PycInvalidationMode.CHECKED_HASH
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
            os.environ |= {"PYTHONPATH": str(self.folder), "OMP_NUM_THREADS": "1", "TMPDIR": str(self.folder)}
            tempfile.tempdir = None  # what the tests leave goes with the copy
            import pytest

            code = int(pytest.main(["-x", "-q", "-n0", "-p", "no:cacheprovider", *tests]))
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


def referees(path: str) -> tuple[str, ...]:
    """The tests of a module: those of the folder that mirrors its package, the module's own file first."""
    module = PurePosixPath(path)
    folder = PurePosixPath("lofi_pipeline_tests", *module.parent.parts[1:])
    if len(module.parts) == 2:
        folder /= module.stem
    while not (PROJECT / folder).is_dir():
        folder = folder.parent
    if folder.name == "lofi_pipeline_tests":
        folder /= "assets"  # definitions and resources
    own = sorted((PROJECT / folder).rglob(f"test_{module.stem}.py"))
    return (*(file.relative_to(PROJECT).as_posix() for file in own), folder.as_posix())


def changed_files(base: str) -> list[str]:
    """Modules of the package that differ from a commit, uncommitted changes included."""
    command = ["git", "diff", "--name-only", "--diff-filter=d", base, "--", "lofi_pipeline/*.py"]
    shown = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=True)
    return shown.stdout.split()


def let_through(copy: Copy, path: str, minutes: float) -> list[str]:
    """Every small edit of a module that its tests do not notice, as mutmut shows it.

    Raises:
        SystemExit: mutmut can't begin, such as where the tests do not pass over the code as it is.
    """
    settings = ConfigParser()
    settings["mutmut"] = {
        "source_paths": path,
        "pytest_add_cli_args_test_selection": "\n".join(referees(path)),
        "pytest_add_cli_args": "-n0\n-p\nno:cacheprovider",
        "also_copy": "\n".join(item.name for item in copy.folder.iterdir() if item.name != "mutants"),
    }
    with (copy.folder / "setup.cfg").open("w") as file:
        settings.write(file)
    shutil.rmtree(copy.folder / "mutants", ignore_errors=True)
    with suppress(subprocess.TimeoutExpired):
        if mutmut(copy, "run", "--max-children", "1", timeout=60 * minutes).returncode != 0:
            raise SystemExit(f"{path}: nothing was broken; what mutmut says above is why")
    results = mutmut(copy, "results", stdout=subprocess.PIPE).stdout.splitlines()
    found = [line.strip() for line in results if line.endswith(("survived", "no tests"))]
    return [mutmut(copy, "show", line.split(":")[0], stdout=subprocess.PIPE).stdout for line in found]


def mutmut(copy: Copy, *words: str, **how: Any) -> subprocess.CompletedProcess[str]:
    """mutmut on the command line, in the copy."""
    environment = os.environ | {"PYTHONPATH": "", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "mutmut", *words]
    return subprocess.run(command, cwd=copy.folder, env=environment, text=True, **how)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="make mutate", description=__doc__)
    parser.add_argument("--promises", action="store_true", help="break the promises of promises.yaml")
    parser.add_argument("--base", default="HEAD~1", help="commit to compare with (default: HEAD~1)")
    parser.add_argument("--only", default="", help="a part of the path, or of the promise")
    parser.add_argument("--minutes", type=float, default=20, help="for each file at most (default: 20)")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="lofi-mutants-") as folder:
        copy = Copy(Path(folder))
        survivors = (
            broken_promises(copy, given.only)
            if given.promises
            else small_edits(copy, given.base, given.only, given.minutes)
        )
    print(*survivors, f"{len(survivors)} survived", sep="\n")
    raise SystemExit(bool(survivors))


def small_edits(copy: Copy, base: str, only: str, minutes: float) -> list[str]:
    """What survives in the files that differ from a commit."""
    files = [path for path in changed_files(base) if only in path]
    print(f"{len(files)} files differ from {base}", flush=True)
    return [difference for path in files for difference in let_through(copy, path, minutes)]


def broken_promises(copy: Copy, only: str) -> list[str]:
    """Which promises can be broken without a test that fails."""
    mutants = [item for item in load_promises() if only in item.path or only in item.promise]
    if not mutants:
        raise SystemExit(f"no promise has {only!r} in its path or its words")
    for name in LIBRARIES:
        importlib.import_module(name)
    timeout = 60 + 3 * baseline(copy, mutants)
    return [f"{item.path}: {item.promise}" for item in round_of(copy, mutants, timeout)]


if __name__ == "__main__":
    main()
