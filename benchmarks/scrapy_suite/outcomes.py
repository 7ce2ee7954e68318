"""A plug-in for pytest: writes one line for each test, with what became of it, into the file ``SUITE_OUTCOMES``."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest

_IS_WORKER = "PYTEST_XDIST_WORKER" in os.environ


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Note a phase of a test; what counts of the three is decided when they are read."""
    if _IS_WORKER or (report.when != "call" and report.outcome == "passed"):
        return
    why = str(report.longrepr or "")[-3000:] if report.outcome == "failed" else ""
    line = {"test": report.nodeid, "outcome": _outcome(report), "why": why, "seconds": round(report.duration, 2)}
    with Path(os.environ["SUITE_OUTCOMES"]).open("a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")


def _outcome(report: pytest.TestReport) -> str:
    if hasattr(report, "wasxfail"):
        return f"x{report.outcome}"
    return "error" if report.outcome == "failed" and report.when != "call" else report.outcome
