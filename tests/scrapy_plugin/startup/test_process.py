from __future__ import annotations

import ctypes
import resource
import sys
from typing import TYPE_CHECKING

import pytest

from ingest_guard.policy.operation import Hygiene
from ingest_guard.scrapy_plugin.startup import process

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_GET_DUMPABLE, _SET_DUMPABLE = 3, 4


def _dumpable() -> int:
    return int(ctypes.CDLL(None).prctl(_GET_DUMPABLE, 0, 0, 0, 0))


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    """Give the process of the tests back what it had."""
    limits, dumpable = resource.getrlimit(resource.RLIMIT_CORE), _dumpable()
    yield
    resource.setrlimit(resource.RLIMIT_CORE, limits)
    ctypes.CDLL(None).prctl(_SET_DUMPABLE, dumpable, 0, 0, 0)


def test_core_dumps_end() -> None:
    """By the soft limit, which can be raised again; memory stays as it was where the policy says so."""
    limit, dumpable = resource.getrlimit(resource.RLIMIT_CORE)[1], _dumpable()
    process.apply(Hygiene(dumpable=True))
    assert resource.getrlimit(resource.RLIMIT_CORE) == (0, limit)
    assert _dumpable() == dumpable


def test_memory_is_closed() -> None:
    """The flag is the kernel's own; core dumps stay as they were where the policy says so."""
    limits = resource.getrlimit(resource.RLIMIT_CORE)
    process.apply(Hygiene(core_dumps=True))
    assert _dumpable() == 0
    assert resource.getrlimit(resource.RLIMIT_CORE) == limits


def test_systems_without_these_means(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """A warning says what cannot be switched off."""

    def refuse(*_: object) -> None:
        raise OSError(1, "Operation not permitted")

    monkeypatch.setattr(process.resource, "setrlimit", refuse)
    monkeypatch.setattr(process, "_prctl", lambda *_: -1)
    process.apply(Hygiene())
    monkeypatch.undo()
    assert "could not switch core dumps off" in caplog.text
    assert "could not close this process's memory" in caplog.text


def test_swap(tmp_path: Path) -> None:
    """Compressed memory is no disk; no table, no swap."""
    table = tmp_path / "swaps"
    table.write_text("Filename\tType\n/dev/sda2 partition 1 0 -2\n/dev/zram0 partition 1 0 -2\n")
    assert process.swap_in_use(table) == ["/dev/sda2"]
    assert process.swap_in_use(tmp_path / "absent") == []


@pytest.mark.parametrize(("before", "after"), [(0.005, 0.0005), (0.0001, 0.0001)])
def test_the_event_loop_has_the_interpreter_back_soon(before: float, after: float) -> None:
    """A thread may hold the interpreter for half a millisecond; a shorter interval of the program's own stays."""
    usual = sys.getswitchinterval()
    try:
        sys.setswitchinterval(before)
        process.share_the_interpreter()
        assert sys.getswitchinterval() == pytest.approx(after, rel=0.05)
    finally:
        sys.setswitchinterval(usual)
