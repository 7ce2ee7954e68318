from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from support.blocklists import make_blocklist
from support.listed import pdq_of
from support.pictures import drawn, encode
from support.waiting import until

from ingest_guard import GuardFailedError, Reason
from ingest_guard.policy.policy import InFlight, Limits
from ingest_guard.policy.records import Records
from ingest_guard.workers import memory, probes
from ingest_guard.workers import pool as pool_module
from ingest_guard.workers.pool import WorkerPool

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from ingest_guard import Guard

HOSTILE = Records(hashes=("hostile",))


def is_alive(pid: int) -> bool:
    """Tell whether a process runs; an orphan that has ended and waits for the system to reap it does not."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    return False


def wait_until_gone(pids: Iterable[int], seconds: float = 10.0) -> None:
    """Wait until processes have ended: the workers of a nursery that was killed are ended by the kernel, not by us."""
    deadline = time.monotonic() + seconds
    while alive := [pid for pid in pids if is_alive(pid)]:
        assert time.monotonic() < deadline, alive
        time.sleep(0.01)


def pids_of(pool: WorkerPool) -> list[int]:
    """Return the process ids of a pool's workers and of the process that they come from."""
    nursery = [pool._source.nursery.pid] if pool._source.nursery else []
    return nursery + [worker.pid for worker in pool._workers if worker.pid]


def run(
    guard: Guard,
    work: Callable[[WorkerPool], Awaitable[Any]],
    failures: list[str] | None = None,
    *,
    killed_nursery: bool = False,
) -> Any:
    """Run work on a started pool, and check that its processes are gone afterwards."""

    async def main() -> Any:
        pool = WorkerPool(guard, (failures if failures is not None else []).append)
        pool.start()
        pids = pids_of(pool)
        try:
            await asyncio.wait_for(pool.ready(), 60)
            pids += pids_of(pool)
            return await asyncio.wait_for(work(pool), 120)
        finally:
            pids += pids_of(pool)
            pool.close()
            assert pool.is_over
            wait_until_gone(set(pids), 10.0 if killed_nursery else 0.0)

    return asyncio.run(main())


def picture(width: int, seed: int = 1) -> bytes:
    """Return a PNG of a width."""
    return encode(drawn(seed, (width, 90)), "PNG")


def test_workers_find_what_the_guard_itself_finds(guard_with: Callable[..., Guard]) -> None:
    """Every image gets the scan that it would get in the parent, in whatever order workers answer."""
    guard = guard_with(workers=2)
    images = [encode(drawn(seed, (60 + 5 * seed, 80)), "JPEG") for seed in range(20)]

    async def work(pool: WorkerPool) -> list[Any]:
        return list(await asyncio.gather(*(pool.scan(image) for image in images)))

    assert run(guard, work) == [guard.scanner.scan(image) for image in images]


@pytest.mark.usefixtures("hostile")
def test_a_worker_that_dies_costs_its_own_image_only(guard_with: Callable[..., Guard]) -> None:
    """Segfaults, exits and endless allocation end as a reason; every image around them is scanned."""
    guard = guard_with(workers=1, records=HOSTILE, limits=Limits(memory=256 << 20))
    widths = [90, 101, 91, 92, 105, 93, 103, 94, 104, 95, 106, 107]

    async def work(pool: WorkerPool) -> tuple[list[Any], int]:
        scans = await asyncio.gather(*(pool.scan(picture(width)) for width in widths))
        return [scan.reason for scan in scans], pool.crashes

    reasons, crashes = run(guard, work)
    assert dict(zip(widths, reasons, strict=True)) == {
        **dict.fromkeys((90, 91, 92, 93, 94, 95)),
        101: Reason.WORKER_CRASHED,
        105: Reason.WORKER_CRASHED,
        103: Reason.MEMORY,
        104: Reason.HASHER_FAILED,
        106: Reason.HASHER_FAILED,
        107: Reason.HASHER_FAILED,
    }
    assert crashes == 2
    assert not Path("/tmp/a-worker-must-not-write-this").exists()  # noqa: S108 - the very file that it tries to write


@pytest.mark.usefixtures("hostile")
def test_a_worker_that_never_ends_is_killed_after_the_limit(guard_with: Callable[..., Guard]) -> None:
    """An image over the time limit is a timeout; the one behind it in the same worker is scanned."""
    guard = guard_with(workers=1, records=HOSTILE, limits=Limits(seconds=0.5))

    async def work(pool: WorkerPool) -> list[Any]:
        return [scan.reason for scan in await asyncio.gather(*(pool.scan(picture(w)) for w in (102, 90)))]

    assert run(guard, work) == [Reason.TIMEOUT, None]


def test_workers_retire_after_their_share_of_images(guard_with: Callable[..., Guard]) -> None:
    """A worker that has handled its share is replaced by a fresh one, and no image is lost meanwhile."""
    guard = guard_with(workers=1, images_per_worker=5)

    async def work(pool: WorkerPool) -> tuple[set[int], list[Any]]:
        pids, reasons = set(), []
        images = [picture(80, seed) for seed in range(7)]
        while len(pids) < 3:
            pids.update(worker.pid for worker in pool._workers)
            reasons.append((await pool.scan(images[len(reasons) % 7])).reason)
        return pids, reasons

    pids, reasons = run(guard, work)
    assert len(pids) == 3
    assert set(reasons) == {None}


def test_workers_that_cannot_start_fail_the_pool_with_their_reason(guard_with: Callable[..., Guard]) -> None:
    """A worker that cannot open the very version that the parent holds says so, and nothing starts."""
    guard = guard_with(workers=1)
    guard.blocklist.version = "0" * 64
    failures: list[str] = []

    async def work(pool: WorkerPool) -> None:
        raise AssertionError

    with pytest.raises(GuardFailedError, match="changed while a worker started"):
        run(guard, work, failures)
    assert len(failures) == 1


def test_replacements_that_keep_dying_fail_the_pool(
    guard_with: Callable[..., Guard], monkeypatch: pytest.MonkeyPatch
) -> None:
    """When workers die before they are ready, several in a row, the pool gives up: scans end as guard_failed."""
    guard = guard_with(workers=1)
    failures: list[str] = []

    async def work(pool: WorkerPool) -> list[Any]:
        monkeypatch.setattr("ingest_guard.workers.nursery._START", "raise SystemExit(1)")
        assert pool._source.nursery is not None
        os.kill(pool._source.nursery.pid, 9)
        scans = await asyncio.gather(*(pool.scan(picture(90, seed)) for seed in range(8)))
        return [*(scan.reason for scan in scans), (await pool.scan(picture(91))).reason]

    reasons = run(guard, work, failures, killed_nursery=True)
    assert set(reasons) <= {Reason.GUARD_FAILED, Reason.WORKER_CRASHED}
    assert reasons[-1] is Reason.GUARD_FAILED
    assert len(failures) == 1
    assert "do not work" in failures[0]


def test_workers_stand_back(guard_with: Callable[..., Guard]) -> None:
    """Where cores are few, the event loop goes before them."""

    async def work(pool: WorkerPool) -> list[int]:
        return [os.getpriority(os.PRIO_PROCESS, pid) for pid in pids_of(pool)]

    assert set(run(guard_with(workers=1), work)) == {min(19, os.getpriority(os.PRIO_PROCESS, 0) + 5)}


def test_a_wrong_answer_to_a_probe_fails_the_pool(
    guard_with: Callable[..., Guard], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Probes with a known answer are mixed in; a wrong answer means that no answer can be trusted."""
    guard = guard_with(workers=1)
    monkeypatch.setattr(probes, "_EVERY", 3)
    failures: list[str] = []

    async def work(pool: WorkerPool) -> tuple[list[Any], list[Any], bool]:
        before = [(await pool.scan(picture(90, seed))).reason for seed in range(7)]
        pool._probes._fingerprint = "0" * 64
        after = [(await pool.scan(picture(90, seed))).reason for seed in range(7)]
        return before, after, pool.gave_wrong_answer

    before, after, gave_wrong_answer = run(guard, work, failures)
    assert set(before) == {None}
    assert after[-1] is Reason.GUARD_FAILED
    assert gave_wrong_answer
    assert failures == ["a worker gave a wrong answer to a picture whose answer is known"]


def test_images_and_bytes_in_flight_are_bounded_whoever_asks(guard_with: Callable[..., Guard]) -> None:
    """However many scans are asked for at once, no more than the policy's images and bytes are under way."""
    image = picture(200)
    guard = guard_with(workers=1, in_flight=InFlight(images=5, bytes=3 * len(image) + 10))

    async def work(pool: WorkerPool) -> tuple[int, int, list[Any]]:
        scans = await asyncio.gather(*(pool.scan(image) for _ in range(60)))
        await pool.budget.room()
        assert (pool.budget.images, pool.budget.bytes) == (0, 0)
        return pool.budget.peak_images, pool.budget.peak_bytes, [scan.reason for scan in scans]

    images, size, reasons = run(guard, work)
    assert images == 3
    assert size == 3 * len(image)
    assert reasons == [None] * 60


def test_room_waits_while_the_bounds_are_reached(guard_with: Callable[..., Guard]) -> None:
    """A download that asks for room waits its turn behind the images that wait already."""
    image = picture(200)
    guard = guard_with(workers=1, in_flight=InFlight(images=1))
    order: list[str] = []

    async def work(pool: WorkerPool) -> None:
        async def scan(name: str) -> None:
            await pool.scan(image)
            order.append(name)

        async def room() -> None:
            await pool.budget.room()
            order.append("room")

        tasks = [asyncio.create_task(scan("first")), asyncio.create_task(scan("second"))]
        await asyncio.sleep(0)
        await asyncio.gather(*tasks, asyncio.create_task(room()))

    run(guard, work)
    assert order == ["first", "second", "room"]


def test_closing_ends_what_is_under_way_without_a_pass(guard_with: Callable[..., Guard]) -> None:
    """Scans that are under way when the pool closes end as guard_failed."""
    guard = guard_with(workers=1)

    async def work(pool: WorkerPool) -> list[Any]:
        tasks = [asyncio.create_task(pool.scan(picture(90, seed))) for seed in range(5)]
        await asyncio.sleep(0)
        pool.close()
        return [scan.reason for scan in await asyncio.gather(*tasks)]

    assert set(run(guard, work)) == {Reason.GUARD_FAILED}


def test_a_nursery_that_dies_is_one_death_and_is_replaced(guard_with: Callable[..., Guard]) -> None:
    """All its workers end with it; new ones come from a new one, and images are scanned again."""
    guard = guard_with(workers=6)

    async def work(pool: WorkerPool) -> tuple[list[Any], int, int]:
        before = pids_of(pool)
        os.kill(before[0], 9)
        wait_until_gone(before)
        await until(lambda: pool.crashes and sum(worker.is_ready for worker in pool._workers) == 6)
        assert not set(before) & set(pids_of(pool))
        scans = await asyncio.gather(*(pool.scan(picture(90, seed)) for seed in range(8)))
        return [scan.reason for scan in scans], pool.crashes, len(pool._workers)

    assert run(guard, work, killed_nursery=True) == ([None] * 8, 6, 6)


def test_a_nursery_that_keeps_dying_fails_the_pool(
    guard_with: Callable[..., Guard], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that ends as soon as it starts, several times in a row, is given up; so is one that talks nonsense."""
    for start in ("raise SystemExit(1)", "import os, sys; os.write(int(sys.argv[1]), b'{' * 64)"):
        failures: list[str] = []
        monkeypatch.setattr("ingest_guard.workers.nursery._START", start)
        with pytest.raises(GuardFailedError, match="do not work"):
            run(guard_with(workers=1), lambda _: asyncio.sleep(0), failures)
        assert len(failures) == 1


def test_a_system_without_room_for_a_process_fails_the_pool(
    guard_with: Callable[..., Guard], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where no other process can be started in place of one that died, the pool fails."""
    guard = guard_with(workers=1)
    failures: list[str] = []

    def no_room(*args: object, **kwargs: object) -> None:
        raise OSError(11, "Resource temporarily unavailable")

    async def work(pool: WorkerPool) -> Any:
        monkeypatch.setattr("ingest_guard.workers.nursery.subprocess.Popen", no_room)
        os.kill(pids_of(pool)[0], 9)
        await until(lambda: failures)
        return (await pool.scan(picture(90))).reason

    assert run(guard, work, failures, killed_nursery=True) is Reason.GUARD_FAILED
    assert failures == ["no scan worker can be started (Resource temporarily unavailable)"]


def test_what_does_not_start_in_time_is_ended(
    guard_with: Callable[..., Guard], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A nursery that never says that it is ready is replaced, and in the end the pool fails."""
    monkeypatch.setattr("ingest_guard.workers.nursery._START", "import time; time.sleep(60)")
    monkeypatch.setattr("ingest_guard.workers.source.START_SECONDS", 0.05)
    monkeypatch.setattr("ingest_guard.workers.nursery._SECONDS_TO_END", 0.1)
    with pytest.raises(GuardFailedError, match="did not start within"):
        run(guard_with(workers=1), lambda _: asyncio.sleep(0), [])


def test_workers_tell_what_memory_they_use(guard_with: Callable[..., Guard], monkeypatch: pytest.MonkeyPatch) -> None:
    """They are closed to everybody else: they say it when they start, and when they are asked."""
    guard = guard_with(workers=1)
    monkeypatch.setattr(memory, "_EVERY", 0.0)
    monkeypatch.setattr(pool_module, "_TICK", 0.01)

    async def work(pool: WorkerPool) -> tuple[dict[str, int], dict[str, int], int]:
        worker = pool._workers[0]
        first = dict(worker.memory)
        await pool.scan(encode(drawn(1, (1600, 1200)), "JPEG"))
        await until(lambda: worker.memory != first)
        await until(lambda: pool.memory.peak["private"] >= worker.memory["private"])
        return first, dict(pool.memory.peak), (await pool.scan(picture(90))).reason

    first, peak, reason = run(guard, work)
    assert 0 < first["private"] <= first["pss"] + (1 << 20)
    assert first["private"] < 60 << 20
    assert peak["private"] >= first["private"]
    assert reason is None


def test_a_retired_pool_ends_without_being_waited_for(guard_with: Callable[..., Guard]) -> None:
    """Its processes end by themselves, and nothing ticks any more."""
    guard = guard_with(workers=2)

    async def work(pool: WorkerPool) -> Any:
        pids = pids_of(pool)
        pool.retire()
        assert not pool.is_over
        await until(lambda: pool.is_over)
        assert pool._timer is None
        assert not [pid for pid in pids if is_alive(pid)]
        return (await pool.scan(picture(90))).reason

    assert run(guard, work) is Reason.GUARD_FAILED


def test_a_crawl_with_a_thousand_connections_can_start_workers(guard_with: Callable[..., Guard]) -> None:
    """Descriptors beyond what select() takes are handed down and served like any other."""
    with ExitStack() as held:
        while held.enter_context(Path(os.devnull).open("rb")).fileno() < 1100:
            pass
        assert run(guard_with(workers=1), lambda pool: pool.scan(picture(91))).image is not None


_WITHOUT_SCRAPY = """
import asyncio, pathlib, sys
from ingest_guard import Guard, Policy
from ingest_guard.workers.pool import WorkerPool

async def main():
    pool = WorkerPool(Guard.from_policy(Policy(blocklist=sys.argv[1], workers=1)), sys.exit)
    pool.start()
    await pool.ready()
    try:
        image = pathlib.Path(sys.argv[2]).read_bytes()
        scans = await asyncio.gather(*(pool.scan(image) for _ in range(5)))
    finally:
        pool.close()
    print([str(hit.list_id) for scan in scans for hit in scan.matches])
    print([name for name in ("scrapy", "twisted", "pydispatch") if name in sys.modules])

asyncio.run(main())
"""


def test_a_pool_works_in_any_asyncio_program(tmp_path: Path) -> None:
    """Workers scan under plain asyncio; neither Scrapy nor Twisted is imported for it."""
    folder = make_blocklist(tmp_path / "blocklist", {"made-up": [("pdq", pdq_of(drawn(1, (320, 240))))]})
    image = tmp_path / "image.png"
    image.write_bytes(encode(drawn(1, (320, 240)), "PNG"))
    command = [sys.executable, "-c", _WITHOUT_SCRAPY, str(folder), str(image)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    assert done.stdout.splitlines() == [str(["made-up"] * 5), "[]"]


def test_a_scan_that_is_cancelled_gives_back_its_room(guard_with: Callable[..., Guard]) -> None:
    """Callers that go away, waiting or being served, leave nothing in flight; later images are scanned."""
    guard = guard_with(workers=1, in_flight=InFlight(images=1))

    async def work(pool: WorkerPool) -> tuple[Any, int, int]:
        tasks = [asyncio.create_task(pool.scan(picture(90, seed))) for seed in range(4)]
        await asyncio.sleep(0)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        return (await pool.scan(picture(91))).reason, pool.budget.images, pool.budget.waiting

    assert run(guard, work) == (None, 0, 0)


@pytest.mark.usefixtures("hostile")
def test_images_of_other_domains_do_not_wait_behind_slow_ones(guard_with: Callable[..., Guard]) -> None:
    """Slow images that were all asked for before: quick ones of another domain wait for one of them at most."""
    guard = guard_with(workers=1, records=HOSTILE)

    async def work(pool: WorkerPool) -> int:
        slow = [asyncio.ensure_future(pool.scan(picture(108, seed), "slow.example")) for seed in range(5)]
        await asyncio.sleep(0.1)
        quick = await asyncio.gather(*(pool.scan(picture(90, seed), "quick.example") for seed in range(30)))
        assert {scan.reason for scan in quick} == {None}
        done = sum(future.done() for future in slow)
        assert {scan.reason for scan in await asyncio.gather(*slow)} == {None}
        return done

    assert run(guard, work) <= 2


@pytest.mark.usefixtures("hostile")
def test_a_domain_whose_scans_fail_is_dropped_at_once(guard_with: Callable[..., Guard]) -> None:
    """After three time limits its images are domain_budget, what it holds is given back, and other domains go on."""
    guard = guard_with(workers=2, records=HOSTILE, limits=Limits(seconds=0.5))

    async def work(pool: WorkerPool) -> tuple[list[Any], Any]:
        scans = await asyncio.gather(*(pool.scan(picture(102, seed), "stuck.example") for seed in range(12)))
        other = await pool.scan(picture(90), "other.example")
        assert pool.budget.images == pool.budget.waiting == len(pool._waiting) == 0
        assert pool.budget.domains.get("stuck.example").with_workers == 0
        return [scan.reason for scan in scans], other.reason

    reasons, other = run(guard, work)
    assert other is None
    assert set(reasons) == {Reason.TIMEOUT, Reason.DOMAIN_BUDGET}
    # Two were under way when the first one failed; on a slow machine two cost as much as three.
    assert 2 <= reasons.count(Reason.TIMEOUT) <= 4
