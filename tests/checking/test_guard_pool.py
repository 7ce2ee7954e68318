from __future__ import annotations

import asyncio
import base64
import gzip
import hashlib
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from support.blocklists import make_blocklist
from support.hostile import install
from support.listed import PDF, World
from support.pictures import drawn, encode
from support.server import Server

from ingest_guard import BlocklistError, GuardFailedError, GuardPool, Outcome, Policy, PolicyError, Reason
from ingest_guard.guard.guard import Guard
from ingest_guard.workers.pool import WorkerPool

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

_EXAMPLE = Path(__file__).parents[2] / "examples" / "check_with_httpx.py"


def _policy(world: World, **keys: Any) -> Policy:
    return Policy.model_validate({"blocklist": world.blocklist, "workers": 1, **keys})


def _in_pool(policy: Policy, work: Callable[[GuardPool], Awaitable[Any]]) -> Any:
    async def run() -> Any:
        async with GuardPool.from_policy(policy) as pool:
            return await work(pool)

    return asyncio.run(run())


@pytest.mark.parametrize("workers", [1, "inline"])
def test_bodies_are_checked_as_a_guard_checks_them(world: World, workers: Any) -> None:
    """Matches, doubts and passes of each kind, in processes or without; what is not an image is none."""
    page = b'<img src="data:image/png;base64,' + base64.b64encode(world.near) + b'">'
    bodies = [world.exact, world.near, world.clean, world.clean[:-50], PDF, PDF + b" ", b"hello", b"", page]
    policy = _policy(world, workers=workers)
    guard = Guard.from_policy(policy)

    async def work(pool: GuardPool) -> Any:
        assert pool.attestation == guard.attestation
        return await asyncio.gather(*map(pool.check, bodies))

    found = _in_pool(policy, work)
    assert found == [guard.check(body) for body in bodies]
    assert [each.outcome for each in found].count(Outcome.MATCH) == 4


@pytest.mark.parametrize(
    ("encoding", "outcome", "reason"),
    [
        ("gzip", Outcome.MATCH, None),
        ("GZIP, identity", Outcome.MATCH, None),
        ("br", Outcome.NOT_SCANNABLE, Reason.ENCODING),
        (None, Outcome.NOT_SCANNABLE, None),
    ],
)
def test_codings_are_undone(world: World, encoding: str | None, outcome: Outcome, reason: Reason | None) -> None:
    """What a header announces is undone and held against the lists; what cannot be is a doubt."""
    body = gzip.compress(world.exact, mtime=0)
    verdict = _in_pool(_policy(world, workers="inline"), lambda pool: pool.check(body, content_encoding=encoding))
    assert verdict.outcome is outcome
    assert reason in (None, verdict.reason)


def test_the_stage_that_is_listed_is_found(tmp_path: Path) -> None:
    """A digest of the body as it was sent counts as well as one of what is inside."""
    body = gzip.compress(encode(drawn(5), "PNG"), mtime=0)
    lists = {"a": [("sha1", hashlib.sha1(body, usedforsecurity=False).hexdigest())]}
    policy = Policy(blocklist=make_blocklist(tmp_path / "b", lists), workers="inline")
    verdict = _in_pool(policy, lambda pool: pool.check(bytearray(body), content_encoding="gzip"))
    assert [match.algorithm for match in verdict.matches] == ["sha1"]


@pytest.fixture
def hostile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Install the hostile hasher as a package of its own, for this process and its workers."""
    install(tmp_path / "plugins")
    monkeypatch.syspath_prepend(str(tmp_path / "plugins"))
    yield
    sys.modules.pop("hostile_hasher", None)


@pytest.mark.usefixtures("hostile")
def test_a_body_that_kills_its_worker_costs_itself(world: World) -> None:
    """A crash, too much memory, too much time: a doubt each; the others are checked, and the program goes on."""
    bodies = {width: encode(drawn(width, (width, 60)), "PNG") for width in (90, 101, 102, 103, 91)}
    policy = _policy(world, records={"hashes": ("hostile",)}, limits={"seconds": 3, "memory": 256 << 20})
    found = _in_pool(policy, lambda pool: asyncio.gather(*map(pool.check, bodies.values()), pool.check(world.near)))
    reasons = [None, Reason.WORKER_CRASHED, Reason.TIMEOUT, Reason.MEMORY, None, None]
    assert [verdict.reason for verdict in found] == reasons
    assert found[-1].outcome is Outcome.MATCH


def test_a_pool_that_cannot_check_lets_nothing_through(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before it is open, after it has failed, when it is closed, and where a fault comes up: an error each time."""

    async def work(pool: GuardPool) -> None:
        with pytest.raises(GuardFailedError, match="open already"):
            await pool.__aenter__()
        with monkeypatch.context() as patched:
            patched.setattr(Guard, "begin", lambda *_, **__: 1 / 0)
            with pytest.raises(
                GuardFailedError, match=r"^a body could not be checked \(ZeroDivisionError\)$"
            ) as caught:
                await pool.check(world.clean)
            assert caught.value.__suppress_context__
        assert (await pool.check(world.clean)).outcome is Outcome.NO_KNOWN_MATCH
        pool._pool._fail("scan workers do not work")  # type: ignore[union-attr]
        with pytest.raises(GuardFailedError, match="scan workers do not work"):
            await pool.check(world.clean)

    pool = GuardPool.from_policy(_policy(world))
    with pytest.raises(GuardFailedError, match="not open"):
        asyncio.run(pool.check(world.clean))
    with pytest.raises(GuardFailedError, match="not open"):
        _ = pool.attestation
    _in_pool(_policy(world), work)

    async def closed() -> None:
        async with GuardPool.from_policy(_policy(world, workers="inline")) as other:
            pass
        with pytest.raises(GuardFailedError, match="is closed"):
            await other.check(world.clean)

    asyncio.run(closed())


def test_what_is_under_way_when_it_closes_does_not_pass(world: World) -> None:
    """A check whose pool goes away ends with an error, never with a verdict."""

    async def run() -> Any:
        async with GuardPool.from_policy(_policy(world)) as pool:
            (worker,) = pool._pool._workers  # type: ignore[union-attr]
            os.kill(worker.pid, signal.SIGSTOP)
            task = asyncio.create_task(pool.check(world.clean))
            await asyncio.sleep(0.1)
        return (await asyncio.gather(task, return_exceptions=True))[0]

    assert isinstance(asyncio.run(run()), GuardFailedError)


@pytest.mark.parametrize("trouble", [OSError(11, "no room"), GuardFailedError("they do not work")])
def test_workers_that_do_not_start(world: World, monkeypatch: pytest.MonkeyPatch, trouble: Exception) -> None:
    """The context is not entered, and no process is left."""

    def fail(_: WorkerPool) -> None:
        raise trouble

    monkeypatch.setattr(WorkerPool, "start", fail)
    with pytest.raises(GuardFailedError, match=r"no room|do not work"):
        _in_pool(_policy(world), lambda pool: pool.check(b""))


def test_what_cannot_be_opened_says_so(tmp_path: Path) -> None:
    """A policy that is not there, or a blocklist: the errors that a crawl has."""
    with pytest.raises(PolicyError):
        GuardPool.from_policy(tmp_path / "absent.yaml")
    (tmp_path / "policy.yaml").write_text("blocklist: absent\n")
    with pytest.raises(BlocklistError):
        _in_pool(Policy.load(tmp_path / "policy.yaml"), lambda pool: pool.check(b""))


def test_the_example_runs(world: World, tmp_path: Path) -> None:
    """As documented, in at most thirty lines, with no trace of Scrapy; nothing is printed of what matched."""
    assert len(_EXAMPLE.read_text().splitlines()) <= 30
    policy = tmp_path / "policy.yaml"
    policy.write_text(f"blocklist: {world.blocklist}\nworkers: 1\n")
    with Server() as server:
        server.add("/listed", world.exact, type="image/jpeg")
        server.add("/clean", world.clean, type="image/jpeg")
        command = [sys.executable, str(_EXAMPLE), str(policy), *map(server.url, ("/listed", "/clean", "/absent"))]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert sorted(done.stdout.splitlines()) == ["1 dropped", "2 320 x 240", "3 dropped"]
    assert done.stderr == ""
