from __future__ import annotations

import asyncio
import base64
import json
import struct
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.hostile import install_page_faults
from support.pictures import drawn, encode

from ingest_guard import Reason
from ingest_guard.guard.page_reading import largest_answer, needs_reading, pack_reading, unpack_reading
from ingest_guard.pages.findings import EMBEDDED, NESTING, InlineBody, PageLimits
from ingest_guard.pages.reading import PageDocument, PageQuestion, PageReading
from ingest_guard.policy.policy import Limits
from ingest_guard.policy.records import Records
from ingest_guard.workers import probes
from ingest_guard.workers.inline import InlinePool
from ingest_guard.workers.protocol import LARGEST_ANSWER, frame_header
from ingest_guard.workers.worker import Events, TextJob, Worker

from .test_pool import run

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable
    from pathlib import Path

    from ingest_guard import Guard
    from ingest_guard.workers.pool import WorkerPool

PICTURE = encode(drawn(3, (90, 90)), "PNG")
PAGE = b'<!doctype html><p>x</p><img src="data:image/png;base64,%s">' % base64.b64encode(PICTURE)
QUESTION = PageQuestion("https://site.example/p/\u00e9")
BODIES = st.builds(
    InlineBody, st.binary(max_size=50), st.text(max_size=20), is_whole=st.booleans(), is_shown=st.booleans()
)
METAS = st.lists(st.tuples(st.text(max_size=9), st.text(max_size=9)), max_size=3).map(tuple)
COUNTS, ROWS = st.integers(0, 1 << 40), st.binary(max_size=60)
DOCUMENTS = st.builds(PageDocument, METAS, COUNTS, ROWS, COUNTS, ROWS, COUNTS, st.booleans())
READINGS = st.builds(
    PageReading,
    st.lists(BODIES, max_size=4),
    st.sampled_from([None, NESTING, EMBEDDED, str(Reason.MEMORY)]),
    st.none(),
    st.sampled_from([None, "utf-8", "windows-1252", "x-user-defined"]),
    st.none() | DOCUMENTS,
)


@pytest.fixture
def page_faults(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the workers, and no other process, do what a page says."""
    folder = tmp_path / "plugins"
    install_page_faults(folder)
    monkeypatch.syspath_prepend(str(folder))


def test_workers_read_what_the_guard_itself_reads(guard_with: Callable[..., Guard]) -> None:
    """A text that goes through a worker gives the bodies, doubt and encoding that it would give in the parent."""
    guard = guard_with(workers=2)
    texts = [
        (PAGE, "text/html; charset=utf-8"),
        (PAGE.decode().encode("utf-16-le"), "text/html; charset=utf-16le"),
        (b'{"a": "data:image/png;base64,%s"}' % base64.b64encode(PICTURE), "application/json"),
        (b'<svg xmlns="http://www.w3.org/2000/svg"><image href="data:image/png,%89', "image/svg+xml"),
        (b"", None),
        (b"a" * 100_000, ""),
    ]

    async def work(pool: WorkerPool) -> list[Any]:
        return list(await asyncio.gather(*(pool.read(text, declared) for text, declared in texts)))

    found = run(guard, work)
    for (text, declared), reading in zip(texts, found, strict=True):
        own = guard.read(text, declared)
        assert (reading.bodies, reading.doubt, reading.encoding) == (own.bodies, own.doubt, own.encoding)
    assert [body.data for body in found[0].bodies] == [PICTURE]


def test_workers_read_what_is_asked_of_a_page(guard_with: Callable[..., Guard]) -> None:
    """A question goes to the worker with the page; elements, images and links come back as they were found."""
    guard = guard_with(workers=1)
    page = b'<meta name=robots content=noai><title>x</title><img src="a.jpg" alt="b"><a href="/c">d</a>' + PAGE
    questions = [QUESTION, QUESTION._replace(wants_images=False), None]
    declared = ["text/html", None, "application/xhtml+xml"]

    async def work(pool: WorkerPool) -> list[Any]:
        return [await pool.read(page, kind, "", question) for kind in declared for question in questions]

    own = [guard.read(page, kind, question) for kind in declared for question in questions]
    found = run(guard, work)
    assert [reading.document for reading in found] == [reading.document for reading in own]
    assert [image.url for image in found[0].document.images()] == ["https://site.example/p/a.jpg"]
    assert [link.url for link in found[0].document.links()] == ["https://site.example/c"]
    assert found[1].document == PageDocument((("robots", "noai"),))
    assert found[2].document is None


def test_every_charset_is_read_in_a_worker_that_can_open_no_file(guard_with: Callable[..., Guard]) -> None:
    """Nothing that a charset needs is loaded only when it is met: a worker could not."""
    guard = guard_with(workers=1)
    names = ["gb18030", "gbk", "big5", "euc-jp", "euc-kr", "shift_jis", "iso-2022-jp", "koi8-r", "macintosh"]
    names += ["windows-1251", "windows-1252", "x-mac-cyrillic", "iso-8859-8-i", "utf-16be", "x-user-defined", ""]

    async def work(pool: WorkerPool) -> list[Any]:
        return [await pool.read(PAGE, f"text/html; charset={name}") for name in names]

    own = [guard.read(PAGE, f"text/html; charset={name}") for name in names]
    assert [(r.bodies, r.doubt, r.encoding) for r in run(guard, work)] == [(r.bodies, r.doubt, r.encoding) for r in own]


def test_answers_larger_than_a_scan_may_be_are_taken(guard_with: Callable[..., Guard]) -> None:
    """The bodies of a text may be as large as the policy's limit for bodies; images in between are scanned."""
    guard = guard_with(workers=1)
    large = bytes(range(256)) * (3 * LARGEST_ANSWER // 512)
    page = b'<img src="data:image/png;base64,%s">' % base64.b64encode(large)

    async def work(pool: WorkerPool) -> list[Any]:
        return list(await asyncio.gather(pool.scan(PICTURE), pool.read(page, "text/html"), pool.scan(PICTURE)))

    before, reading, after = run(guard, work)
    assert [body.data for body in reading.bodies] == [large]
    assert before == after == guard.scanner.scan(PICTURE)


@pytest.mark.usefixtures("page_faults")
def test_a_page_that_kills_its_worker_costs_itself_only(guard_with: Callable[..., Guard]) -> None:
    """A crash, an endless loop, endless memory and a fault end as a reason; what is beside them is read and scanned."""
    guard = guard_with(
        workers=1,
        records=Records(hashes=("page_faults",)),
        limits=Limits(seconds=1.0, memory=256 << 20),
        fairness={"failures": 0},
    )
    texts = [PAGE, b"<p>exit", PAGE, b"<p>loop", PAGE, b"<p>memory", b"<p>raise", b"<p>segfault", b"<p>deep", PAGE]

    async def work(pool: WorkerPool) -> tuple[list[Any], int]:
        readings = await asyncio.gather(*(pool.read(text, "text/html") for text in texts))
        assert pool.budget.images == pool.budget.bytes == 0
        assert (await pool.scan(PICTURE)).reason is None
        return readings, pool.crashes

    readings, crashes = run(guard, work)
    assert [reading.doubt for reading in readings] == [
        None, "worker_crashed", None, "timeout", None, "memory", "embedded", "worker_crashed", "embedded", None,
    ]  # fmt: skip
    assert all(len(reading.bodies) == (reading.doubt is None) for reading in readings)
    assert crashes == 3


@pytest.mark.usefixtures("page_faults")
def test_pages_that_fail_close_their_domain_and_no_other(guard_with: Callable[..., Guard]) -> None:
    """Reading a text is paid by its domain as scanning an image is."""
    guard = guard_with(workers=1, records=Records(hashes=("page_faults",)), limits=Limits(seconds=0.5))

    async def work(pool: WorkerPool) -> tuple[list[Any], Any]:
        bad = [await pool.read(b"<p>loop", None, "stuck.example") for _ in range(6)]
        return bad, await pool.read(PAGE, None, "other.example")

    bad, other = run(guard, work)
    assert other.doubt is None
    assert [bad[0].doubt, bad[-1].doubt] == ["timeout", "domain_budget"]


def test_a_retired_pool_reads_nothing(guard_with: Callable[..., Guard]) -> None:
    """Where the guard has failed, a text is a doubt."""

    async def work(pool: WorkerPool) -> Any:
        pool.retire()
        return await pool.read(PAGE)

    assert run(guard_with(workers=1), work).doubt == "guard_failed"


def test_the_inline_pool_reads_in_the_same_process(guard_with: Callable[..., Guard]) -> None:
    """The inline mode gives the same reading."""
    guard = guard_with(workers="inline")
    assert asyncio.run(InlinePool(guard).read(PAGE, "text/html")) == guard.read(PAGE, "text/html")


@given(READINGS)
def test_a_reading_survives_the_wire(reading: PageReading) -> None:
    """What a worker read is what its parent gets."""
    wire = b"".join(pack_reading(reading))
    assert unpack_reading(wire, PageLimits(), QUESTION) == reading
    assert len(wire) <= largest_answer(PageLimits())


def head_of(value: object) -> bytes:
    """Return a packed reading with any JSON for a head, and ten bytes of bodies."""
    head = json.dumps(value).encode()
    return struct.pack("!I", len(head)) + head + b"x" * 10


GOOD = {"doubt": None, "encoding": None, "bodies": [[4, "", True, True], [6, "", True, True]], "document": None}
BROKEN = {
    "no object": [],
    "nothing": {},
    "a doubt of its own": {**GOOD, "doubt": "fine"},
    "a doubt of the parent's": {**GOOD, "doubt": "guard_failed"},
    "an encoding of its own": {**GOOD, "encoding": "a b"},
    "too long": {**GOOD, "bodies": [[4, "", True, True], [7, "", True, True]]},
    "too short": {**GOOD, "bodies": [[4, "", True, True]]},
    "negative": {**GOOD, "bodies": [[-4, "", True, True], [14, "", True, True]]},
    "a number that is none": {**GOOD, "bodies": [[True, "", True, True], [9, "", True, True]]},
    "a flag that is none": {**GOOD, "bodies": [[10, "", 1, True]]},
    "a type without measure": {**GOOD, "bodies": [[10, "x" * 1000, True, True]]},
    "another row": {**GOOD, "bodies": [[10, "", True]]},
    "bodies without measure": {**GOOD, "bodies": [[0, "", True, True]] * 3000 + [[10, "", True, True]]},
}


@pytest.mark.parametrize("name", BROKEN)
def test_an_answer_that_is_none_is_refused(name: str) -> None:
    """A worker that was taken over cannot make the parent take anything but bodies that it has sent."""
    assert len(unpack_reading(head_of(GOOD), PageLimits()).bodies) == 2
    with pytest.raises((ValueError, KeyError, TypeError)):
        unpack_reading(head_of(BROKEN[name]), PageLimits())


PAGE_HEAD = {"metas": [["a", "b"]], "rows": [4, 6], "cut": [0, 0, 0], "is_guess": False}
BROKEN_PAGES = {
    "no object": [],
    "nothing": {},
    "no elements": {**PAGE_HEAD, "metas": None},
    "an element that is none": {**PAGE_HEAD, "metas": [["a"]]},
    "an element of other things": {**PAGE_HEAD, "metas": [["a", None]]},
    "an element without measure": {**PAGE_HEAD, "metas": [["a", "b" * 20_000]]},
    "a name without measure": {**PAGE_HEAD, "metas": [["a" * 200, "b"]]},
    "elements without measure": {**PAGE_HEAD, "metas": [["a", "b"]] * 3000},
    "too much in elements": {**PAGE_HEAD, "metas": [["a", "b" * 16_000]] * 20},
    "a guess that is none": {**PAGE_HEAD, "is_guess": 1},
    "counts that are none": {**PAGE_HEAD, "cut": [0, 0]},
    "negative counts": {**PAGE_HEAD, "cut": [0, -1, 0]},
    "counts of other things": {**PAGE_HEAD, "cut": [0, True, 0]},
    "no rows": {**PAGE_HEAD, "rows": [None, None]},
    "rows for one": {**PAGE_HEAD, "rows": [10]},
    "negative rows": {**PAGE_HEAD, "rows": [-1, 11]},
    "rows that are longer than the answer": {**PAGE_HEAD, "rows": [4, 7]},
    "rows that are shorter than the answer": {**PAGE_HEAD, "rows": [4, 5]},
}


@pytest.mark.parametrize("name", BROKEN_PAGES)
def test_a_document_that_is_none_is_refused(name: str) -> None:
    """Nor can it make the parent take anything for what a page says."""
    good = {**GOOD, "bodies": [], "document": PAGE_HEAD}
    assert unpack_reading(head_of(good), PageLimits(), QUESTION).document is not None
    with pytest.raises((ValueError, KeyError, TypeError)):
        unpack_reading(head_of({**good, "document": BROKEN_PAGES[name]}), PageLimits(), QUESTION)


def test_a_document_that_was_not_asked_for_is_refused() -> None:
    """Neither a whole one nor rows beside the elements."""
    head = head_of({**GOOD, "bodies": [], "document": PAGE_HEAD})
    for question in (None, QUESTION._replace(wants_images=False)):
        with pytest.raises((ValueError, TypeError)):
            unpack_reading(head, PageLimits(), question)


def test_a_worker_that_reads_a_probe_wrongly_fails_the_pool(
    guard_with: Callable[..., Guard], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page whose answer is known goes to workers now and then; one that finds nothing in it is not trusted."""
    assert probes.is_probe_read(guard_with(workers=1).read(PROBE, "text/html", probes.PROBE_QUESTION), PROBE_PICTURE)
    monkeypatch.setattr(probes, "make_text_probe", lambda: (PROBE, PROBE_PICTURE + b"x"))

    async def work(pool: WorkerPool) -> tuple[Any, bool]:
        await pool.read(PAGE)
        await asyncio.sleep(0)
        return (await pool.read(PAGE)).doubt, pool.gave_wrong_answer

    assert run(guard_with(workers=1), work) == ("guard_failed", True)


PROBE, PROBE_PICTURE = probes.make_text_probe()


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"document": PageDocument()},
        {"document": PageDocument(image_rows=b"{", link_rows=b"")},
        {"document": PageDocument((("robots", "noarchive"),), image_rows=b"", link_rows=b"")},
        {"bodies": []},
        {"doubt": EMBEDDED},
    ],
)
def test_what_is_no_answer_to_the_probe(guard_with: Callable[..., Guard], change: dict[str, Any]) -> None:
    """Body, element, image and link are all to be found, without a doubt."""
    right = guard_with().read(PROBE, "text/html", probes.PROBE_QUESTION)
    assert probes.is_probe_read(right, PROBE_PICTURE)
    assert not probes.is_probe_read(replace(right, **(change or {"document": None})), PROBE_PICTURE)


@given(st.binary(max_size=60))
def test_no_answer_is_read_as_a_reading_by_accident(wire: bytes) -> None:
    """Whatever a worker sends, it is a reading or an error that the pool expects."""
    with suppress(ValueError, KeyError, TypeError):
        unpack_reading(wire, PageLimits())


class Liar:
    """A nursery whose worker greets, and sends an answer whatever it is asked."""

    def __init__(self, answer: bytes) -> None:
        self._answer = frame_header(0, 2) + b"{}" + answer

    def fork(self, theirs: socket.socket) -> int:
        """Take the worker's end of a socket pair."""
        theirs.sendall(self._answer)
        self.held = theirs.dup()
        return 7

    def kill(self, serial: int) -> None:
        """Do nothing."""


@pytest.mark.parametrize("more", [0, 1])
def test_an_answer_to_a_text_has_a_bound_of_its_own(more: int) -> None:
    """A worker may announce as much as a text's limits allow, and not a byte more."""
    limits = PageLimits(body_bytes=4 << 20)

    async def main() -> str | None:
        lost: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        liar = Liar(frame_header(1, largest_answer(limits) + more))

        def ready(worker: Worker) -> None:
            worker.give(TextJob(b"x", None, limits=limits))

        worker = Worker(liar, Events(ready, lambda *_: None, lambda _, why: lost.set_result(why)))  # type: ignore[arg-type]
        with suppress(TimeoutError):
            await asyncio.wait_for(asyncio.shield(lost), 0.5)
        worker.end(kill=True)
        liar.held.close()
        return lost.result() if lost.done() else None

    assert asyncio.run(main()) == ("a worker announced an answer that is too long" if more else None)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"<p>an ordinary page about data: nothing", True),
        (b"<p>an ordinary page", False),
        (b"<p>d\x1b(Bata:", True),
        ("data:".encode("utf-16-le"), True),
        (b'{"type": "Buffer", "data": [1, 2]}', True),
        (b'{"a": "\\/9j\\/4AAQSkZJRgABAQAAAQABAAD"}', True),
        (b"body { color: red }", False),
    ],
)
def test_what_can_hold_nothing_is_not_read(text: bytes, expected: bool) -> None:  # noqa: FBT001 - a parameter
    """Ordinary pages do not go to a worker; a charset that can spell the scheme otherwise always does."""
    assert needs_reading(text) is expected
