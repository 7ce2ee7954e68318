from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings
from support.listed import World, make_world

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

# How long an example takes depends on what else the machine does; a test that hangs is another matter.
settings.register_profile("no-deadline", deadline=None)
settings.load_profile("no-deadline")

REQUIRE_ALL = os.environ.get("INGEST_GUARD_REQUIRE_ALL") == "1"


def pytest_configure(config: pytest.Config) -> None:
    """Measure the coverage of the tests' own processes alone: measured, what they start takes twice as long."""
    if hasattr(config, "workerinput") or not config.getoption("numprocesses", None):
        os.environ.pop("COVERAGE_PROCESS_CONFIG", None)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, Any, Any]:
    """Let a test that was skipped fail where every test is required."""
    report = yield
    if REQUIRE_ALL and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome, report.longrepr = "failed", f"skipped, though every test is required: {report.longrepr}"
    return report


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Return some bodies, and a blocklist that knows some of them."""
    return make_world(tmp_path_factory.mktemp("world") / "blocklist")


@pytest.fixture
def policy_file(world: World, tmp_path: Path) -> Path:
    """Write a policy for the world's blocklist that scans without processes."""
    path = tmp_path / "policy.yaml"
    path.write_text(f"blocklist: {world.blocklist}\nworkers: inline\n", encoding="utf-8")
    return path
