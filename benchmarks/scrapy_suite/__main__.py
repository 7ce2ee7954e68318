"""Run Scrapy's own test suite with and without the guard in every crawler, and print the tests that differ.

The source archive of the Scrapy that is installed here comes from the package index, with the tests in it; they run
against that version in a virtual environment of their own, in ``.scrapy-suite``. Tests that end differently are run
again by themselves, both ways, so that those that are merely unsteady drop out. What then still differs must be in
``expected.yaml``, with a reason. Run it with ``make scrapy-suite``.
"""

from __future__ import annotations

import argparse
import fnmatch
import importlib.metadata
import json
import os
import shutil
import subprocess
import sys
import tarfile
import time
from pathlib import Path
from typing import NamedTuple

import yaml

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
SEVERITY = ("passed", "xfailed", "skipped", "xpassed", "failed", "error")
# tox.ini of the archive, "test-requirements" and what of "extra-deps" has to do with downloads. The classes of its
# tests use fixtures in a way that pytest 9 no longer takes.
REQUIREMENTS = (
    *("attrs", "pexpect>=4.8.0", "psutil", "pyftpdlib>=2.0.1", "pygments", "sybil>=1.3.0", "testfixtures"),
    *("pytest>=8.4.1,<9", "pytest-cov>=7", "pytest-rerunfailures", "pytest-timeout", "pytest-twisted>=1.14.3"),
    *("pytest-xdist", "Twisted[http2]", "httpx2[http2,socks]", "boto3"),
)
# No crawl passes through these, or hardly one: handlers and queues by themselves, files made from templates.
NO_CRAWLS = (
    *("tests/test_downloader_handler_*", "tests/test_http2_*", "tests/test_squeues*", "tests/test_commands.py"),
    *(f"tests/test_command_{name}.py" for name in ("genspider", "startproject", "version")),
)
# The suite's items have the addresses of pages in "url", and its projects say nothing of ROBOTSTXT_OBEY: one request
# more for each host would hide what else a test that counts requests finds.
POLICY = """\
blocklist: blocklist
workers: inline
old_stores: accept
opt_outs: {robots_txt: false}
records: {items_without_image: pass, image_url_fields: [image_url], private_addresses: allow}
"""


class Difference(NamedTuple):
    """A test that ends in another way with the guard, and what it says then."""

    test: str
    without: str
    guarded: str
    why: str


class Suite:
    """The archive's tests, an environment for them, and a policy with a list of one entry."""

    def __init__(self, folder: Path, version: str) -> None:
        self.folder = folder
        self.left_out: tuple[str, ...] = ()
        self.version = version
        self.source = folder / f"scrapy-{version}"
        self.python = folder / "venv" / "bin" / "python"

    def prepare(self) -> None:
        """Get and make whatever is not there yet."""
        self.folder.mkdir(exist_ok=True)
        self._make_environment()
        self._get_source()
        self._make_policy()

    def run(self, tests: list[str], *, guarded: bool, processes: int) -> tuple[dict[str, str], dict[str, str], float]:
        """Run tests; return test -> outcome, test -> what it says of a failure, and the seconds it took."""
        name = "with" if guarded else "without"
        outcomes = self.folder / f"{name}.jsonl"
        outcomes.unlink(missing_ok=True)
        environment = {key: value for key, value in os.environ.items() if not key.startswith("INGEST_GUARD")}
        environment |= {"SUITE_OUTCOMES": str(outcomes), "PYTHONPATH": str(HERE)}
        if guarded:
            environment["INGEST_GUARD_INJECT"] = str(self.folder / "policy.yaml")
        options = ["-p", "outcomes", "-p", "no:cacheprovider", "--no-header", "-q", "--timeout", "120"]
        options += ["-m", "not requires_internet", *(f"--ignore-glob={each}" for each in self.left_out)]
        parallel = ["-n", str(processes)] if processes else []
        began = time.monotonic()
        with (self.folder / f"{name}.log").open("ab") as log:
            subprocess.run(
                [str(self.python), "-m", "pytest", *options, *parallel, *tests],
                cwd=self.source,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                check=False,
            )
        if not outcomes.exists():
            sys.exit(f"The test suite did not run; see {self.folder / name}.log")
        return (*_read(outcomes), time.monotonic() - began)

    def _make_environment(self) -> None:
        done = self.folder / "venv" / f"made-for-{self.version}"
        if done.exists():
            return
        print("Making a virtual environment for the suite ...", flush=True)
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(self.folder / "venv")], check=True)
        self._pip("install", f"scrapy=={self.version}", *REQUIREMENTS, "--editable", str(ROOT))
        libraries = next((self.folder / "venv" / "lib").glob("python3*")) / "site-packages"
        # At the start of every interpreter, those that the tests start among them.
        (libraries / "ingest_guard_inject.pth").write_text(
            f"import sys; sys.path.append({str(HERE)!r}); import inject; sys.path.remove({str(HERE)!r})\n"
        )
        done.touch()

    def _get_source(self) -> None:
        if self.source.exists():
            return
        print(f"Getting the source archive of Scrapy {self.version} ...", flush=True)
        archives = self.folder / "archives"
        requirement = f"scrapy=={self.version}"
        self._pip("download", "--no-deps", "--no-binary", "scrapy", "--dest", str(archives), requirement)
        archive = next(archives.glob(f"[Ss]crapy-{self.version}.tar.gz"))
        with tarfile.open(archive) as opened:
            opened.extractall(self.folder, filter="data")
        # The tests shall import what is installed, which is the same.
        shutil.rmtree(self.source / "scrapy")

    def _make_policy(self) -> None:
        rows = ["md5 " + "5a" * 16, "sha256 " + "5a" * 32, "pdq " + "0123456789abcdef" * 4]
        (self.folder / "one.txt").write_text("\n".join(rows))
        code = (
            "import sys; from pathlib import Path; from ingest_guard.blocklist.build.build import ListSource, build; "
            "folder = Path(sys.argv[1]); build(folder / 'blocklist', [ListSource('one', 'plain', folder / 'one.txt')])"
        )
        subprocess.run([str(self.python), "-c", code, str(self.folder)], check=True)
        (self.folder / "policy.yaml").write_text(POLICY)

    def _pip(self, command: str, *arguments: str) -> None:
        pip = [str(self.python), "-m", "pip", command, "-qq", "--disable-pip-version-check", *arguments]
        subprocess.run(pip, check=True)


def _read(file: Path) -> tuple[dict[str, str], dict[str, str]]:
    """Return the worst outcome of a test's phases; its last run counts where it was run again."""
    outcomes: dict[str, str] = {}
    said: dict[str, str] = {}
    for line in file.read_text(encoding="utf-8").splitlines():
        each = json.loads(line)
        test, outcome = each["test"], each["outcome"]
        if outcome not in SEVERITY:  # a rerun is on its way
            continue
        before = outcomes.get(test, "passed")
        outcomes[test] = max(before, outcome, key=SEVERITY.index)
        said[test] = each["why"] or said.get(test, "")
    return outcomes, said


def differences(suite: Suite, tests: list[str], processes: int) -> tuple[list[Difference], list[str]]:
    """Run the suite both ways, and the tests that differ once more; return those that still do, and some figures."""
    without, _, seconds_without = suite.run(tests, guarded=False, processes=processes)
    guarded, said, seconds_guarded = suite.run(tests, guarded=True, processes=processes)
    differing = [test for test in sorted({*without, *guarded}) if without.get(test) != guarded.get(test)]
    figures = [
        f"{_figures(without)}   without the guard, {seconds_without:.0f} s",
        f"{_figures(guarded)}   with the guard, {seconds_guarded:.0f} s",
        f"{len(differing)} ended in another way; run again by themselves:",
    ]
    if differing:
        again, _, _ = suite.run(differing, guarded=False, processes=0)
        again_guarded, said, _ = suite.run(differing, guarded=True, processes=0)
        without, guarded = {**without, **again}, {**guarded, **again_guarded}
    found = [
        Difference(test, without.get(test, "not run"), guarded.get(test, "not run"), said.get(test, ""))
        for test in differing
        if without.get(test) != guarded.get(test)
    ]
    return found, figures


def _figures(outcomes: dict[str, str]) -> str:
    counts = {each: list(outcomes.values()).count(each) for each in SEVERITY}
    return f"{len(outcomes)} tests: " + ", ".join(f"{count} {each}" for each, count in counts.items() if count)


def expectation(test: str, expected: list[dict[str, str]]) -> dict[str, str] | None:
    """Return the entry that covers a test; none covers it by its parameters alone."""
    return next((each for each in expected if fnmatch.fnmatchcase(test, each["test"].replace("[", "[[]"))), None)


def main() -> None:
    """Run, compare, print; exit with 1 where a difference is not expected, or an expected one is gone."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "tests", nargs="*", default=["tests"], help="modules or tests; those that run crawls without any"
    )
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--folder", type=Path, default=ROOT / ".scrapy-suite")
    parser.add_argument("--all", action="store_true", help="the modules that hardly run a crawl, too (twice as long)")
    parser.add_argument("--why", action="store_true", help="print what each differing test says")
    options = parser.parse_args()
    suite = Suite(options.folder.resolve(), importlib.metadata.version("scrapy"))
    suite.left_out = () if options.all else NO_CRAWLS
    suite.prepare()
    expected = yaml.safe_load((HERE / "expected.yaml").read_text(encoding="utf-8"))
    found, figures = differences(suite, options.tests, options.processes)
    print(f"Scrapy {suite.version}", *figures, sep="\n")
    unexpected = 0
    for each in found:
        known = expectation(each.test, expected)
        unexpected += known is None
        verdict = "NOT EXPECTED" if known is None else f"on purpose: {known['reason']}"
        print(f"{each.test}\n    {each.without} -> {each.guarded}   {verdict}")
        if options.why:
            print("\n".join(f"    | {line}" for line in each.why.splitlines()[-12:]))
    gone = [each for each in expected if not any(expectation(diff.test, [each]) for diff in found)]
    if options.tests == ["tests"]:
        for each in gone:
            print(f"no longer different, take it out of expected.yaml: {each['test']}")
        unexpected += len(gone)
    print(f"{len(found)} differ, {unexpected} of them without a reason")
    sys.exit(1 if unexpected else 0)


if __name__ == "__main__":
    main()
