"""The guard's word on a page as it was sent, and on what a browser shows of it."""

from __future__ import annotations

import base64
import contextlib
import io
import json
import subprocess
import sys
from typing import TYPE_CHECKING, Final

import numpy as np

from benchmarks.pages.generator import picture
from ingest_guard import Guard, Policy
from ingest_guard.blocklist.build.build import ListSource, build
from ingest_guard.checking.bodies import with_doubts
from ingest_guard.encodings.stages import content_codings, undo
from ingest_guard.hashing.pdq import pdq
from ingest_guard.scrapy_plugin.check.inspection import PASSING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from PIL import Image

    from benchmarks.pages.generator import Page
    from ingest_guard.guard.inquiry import Part
    from ingest_guard.guard.scan_result import Scan
    from ingest_guard.verdict import Verdict

_OLDER: Final = r"""
import base64, json, pathlib, subprocess, sys
from ingest_guard import Guard, Policy
folder = pathlib.Path(sys.argv[1])
build = [sys.executable, "-c", "from ingest_guard.cli import main; main()", "blocklist", "build", folder / "older"]
subprocess.run([*build, "--list", f"made-up:plain:{folder / 'list.txt'}"], check=True)
(folder / "older.yaml").write_text(f"blocklist: {folder / 'older'}\nworkers: inline\n")
guard = Guard.from_policy(Policy.load(folder / "older.yaml"))
print("ready", flush=True)
for line in sys.stdin:
    kind, body = json.loads(line)
    print(guard.check(base64.b64decode(body), declared_type=kind).outcome.value, flush=True)
"""


def make_list(folder: Path) -> Path:
    """Build a blocklist that knows the photograph, and return the path of a policy for it."""
    luma = np.asarray(picture().convert("L"))
    (folder / "list.txt").write_text(f"pdq {pdq(luma)[0].hex()}\n")
    build(folder / "blocklist", [ListSource("made-up", "plain", folder / "list.txt")])
    policy = folder / "policy.yaml"
    policy.write_text(f"blocklist: {folder / 'blocklist'}\nworkers: inline\n")
    return policy


class Judge:
    """A guard, and the scans that it has made."""

    def __init__(self, policy: Path) -> None:
        self.guard = Guard.from_policy(Policy.load(policy))
        self._scans: dict[str, Scan] = {}

    def check(self, page: Page) -> Verdict:
        """Check a page as the crawl does: each stage of its content codings, then the text."""
        guard = self.guard
        codings = content_codings([page.codings.encode()] if page.codings else [])
        stages = undo(page.body, codings, guard.policy.limits.bytes)
        last = stages.bodies[-1]
        inquiry = guard.begin(last)
        if inquiry.is_unread:
            inquiry = guard.finish(inquiry, guard.read(last, page.content_type))
        verdict = guard.conclude(inquiry, [self._scan(part) for part in inquiry.parts])
        return with_doubts(verdict, inquiry, stages, is_partial=False)

    def passes(self, page: Page) -> bool:
        """Return whether a crawl would let the page through."""
        return self.check(page).outcome in PASSING

    def knows(self, shown: Image.Image) -> bool:
        """Return whether what a browser shows is the listed photograph, by the guard's own scan."""
        if max(high - low for low, high in shown.getextrema()) < 40:
            return False
        buffer = io.BytesIO()
        shown.save(buffer, "BMP")
        return bool(self.guard.scanner.scan(buffer.getvalue()).matches)

    def _scan(self, part: Part) -> Scan:
        if part.sha256 not in self._scans:
            self._scans[part.sha256] = self.guard.scanner.scan(part.data)
        return self._scans[part.sha256]


class Older:
    """The guard of another state of the project, in a process of its own."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def passes(self, page: Page, limit: int) -> bool:
        """Return whether that state lets the page through; its content codings are undone by this one."""
        codings = content_codings([page.codings.encode()] if page.codings else [])
        body = undo(page.body, codings, limit).bodies[-1]
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps([page.content_type, base64.b64encode(body).decode()]) + "\n")
        self._process.stdin.flush()
        return self._process.stdout.readline().strip() in {outcome.value for outcome in PASSING}


@contextlib.contextmanager
def older_state(folder: Path, policy: Path) -> Iterator[Older]:
    """Start the guard of a checkout, with its own interpreter where it has one."""
    own = folder / ".venv" / "bin" / "python"
    process = subprocess.Popen(
        [own if own.exists() else sys.executable, "-c", _OLDER, policy.parent],
        env={"PYTHONPATH": str(folder), "PATH": "/usr/bin:/bin"},
        cwd=folder,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        while process.stdout.readline() not in {"ready\n", ""}:
            pass
        yield Older(process)
    finally:
        assert process.stdin is not None
        process.stdin.close()
        process.wait(30)
