from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from incidents.samples import FULL, IDENTITY, RECIPIENT

from ingest_guard.errors import IncidentError
from ingest_guard.incidents import chain, writer
from ingest_guard.incidents.entry import Addresses, Incident
from ingest_guard.incidents.lines import Checkpoint, Entry, read_lines
from ingest_guard.incidents.log import Log
from ingest_guard.incidents.sealing import Opener, Sealer
from ingest_guard.incidents.writer import IncidentWriter
from ingest_guard.signing.keys import write_signing_key

if TYPE_CHECKING:
    from pathlib import Path

FIRST = replace(FULL, count=1, more_of=None, more_addresses=())


def opened(folder: Path) -> list[Incident]:
    """Open each entry of a log."""
    opener = Opener(str(IDENTITY), "key")
    return [opener.open(line.content.sealed) for line in read_lines(folder) if isinstance(line.content, Entry)]


def at(number: int) -> Incident:
    """Return the picture of the samples at another address."""
    return replace(FIRST, addresses=Addresses(f"https://a.example/{number}"))


def test_many_incidents_make_few_flushes(tmp_path: Path) -> None:
    """What comes while a batch is written makes the next batch; all is on the disk, in order, and counted."""
    each = IncidentWriter.open(tmp_path, (RECIPIENT,), None, "r1")
    appended = []
    append = each.log.append
    each.log.append = lambda *what, **how: (appended.append(what), append(*what, **how))[1]  # type: ignore[method-assign]
    futures = [each.write(at(number)) for number in range(300)]
    assert [future.result(60) for future in futures] == list(range(1, 301))
    assert len(appended) < 100
    each.close()
    each.close()
    assert [incident.addresses.requested for incident in opened(tmp_path)] == [
        f"https://a.example/{number}" for number in range(300)
    ]
    assert (each.written, each.waiting) == (300, 300)
    assert each.checkpoint is not None
    assert (each.checkpoint.checkpoint.why, each.checkpoint.checkpoint.entries) == ("end", 300)
    assert chain.verify(tmp_path).is_whole


def test_a_flood_is_one_entry_and_a_count(tmp_path: Path) -> None:
    """A picture that comes again and again has one entry; lines with counts and addresses say how often it came."""
    each = IncidentWriter.open(tmp_path, (RECIPIENT,), None, "r1")
    futures = [each.write(at(number), "picture") for number in range(1000)]
    futures.append(each.write(at(5000), "another"))
    assert {future.result(60) for future in futures[:1000]} == {futures[0].result()}
    each.close()
    found = opened(tmp_path)
    more = [incident for incident in found if incident.more_of is not None]
    assert len(found) - len(more) == 2
    assert len(more) <= 21
    assert {incident.more_of for incident in more} == {1}
    assert sum(incident.count for incident in more) == 999
    listed = [address for incident in more for address in incident.more_addresses]
    assert len(set(listed)) == len(listed) == 999


def test_counts_are_written_in_between(tmp_path: Path) -> None:
    """After the interval a count and a checkpoint are written, so that a kill loses no more than that."""
    each = IncidentWriter(Log(tmp_path, "r1"), Sealer([RECIPIENT]), interval=0)
    each.begin()
    each.write(at(0), "picture").result(60)
    each.write(at(1), "picture").result(60)
    each.write(at(2), "other").result(60)
    deadline = time.monotonic() + 60
    while len(opened(tmp_path)) < 3 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert [incident.more_of for incident in opened(tmp_path)].count(1) == 1
    whys = {line.content.checkpoint.why for line in read_lines(tmp_path) if isinstance(line.content, Checkpoint)}
    assert whys == {"start", "interval"}
    each.close()


def test_forgotten_pictures_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory is bounded: the count of a picture that is forgotten is written then, and it gets a new entry later."""
    monkeypatch.setattr(writer, "_REMEMBERED", 2)
    each = IncidentWriter.open(tmp_path, (RECIPIENT,), None, "r1")
    for name in ("a", "a", "b", "c", "a"):
        each.write(at(0), name).result(60)
    each.close()
    assert [incident.more_of for incident in opened(tmp_path)].count(None) == 4
    assert [incident.more_of for incident in opened(tmp_path)].count(1) == 1


def test_what_waits_is_counted_from_the_first_day(tmp_path: Path) -> None:
    """Entries of earlier runs count, from the day of the first on."""
    first = IncidentWriter.open(tmp_path, (RECIPIENT,), None, "r1")
    assert (first.waiting, first.since) == (0, None)
    first.write(FIRST).result(60)
    first.close()
    second = IncidentWriter.open(tmp_path, (RECIPIENT,), None, "r2")
    assert (second.written, second.waiting) == (0, 1)
    assert second.since is not None
    second.write(FIRST).result(60)
    assert (second.written, second.waiting) == (1, 2)
    second.close()


def test_nothing_is_acknowledged_after_a_failure(tmp_path: Path) -> None:
    """From the first batch that cannot be written on, every incident is an error, floods and the end too."""
    folder = tmp_path / "log"
    each = IncidentWriter.open(folder, (RECIPIENT,), None, "r1")
    each.write(FIRST, "picture").result(60)
    folder.rename(tmp_path / "gone")
    with pytest.raises(IncidentError, match="cannot be written"):
        each.write(FIRST).result(60)
    folder.mkdir(0o700)
    for future in (each.write(FIRST), each.write(FIRST, "picture"), each.write(FIRST, "new")):
        with pytest.raises(IncidentError, match="cannot be written"):
            future.result(60)
    with pytest.raises(IncidentError):
        each.close()


def test_a_fault_of_our_own_is_a_failure_without_content(tmp_path: Path) -> None:
    """Whatever goes wrong in the thread, those who wait learn of it, and its text quotes nothing."""
    each = IncidentWriter.open(tmp_path, (RECIPIENT,), None, "r1")
    each._sealer.seal = lambda _: 1 / 0  # type: ignore[assignment,method-assign,return-value]
    with pytest.raises(IncidentError, match=r"cannot be written \(ZeroDivisionError\)"):
        each.write(FIRST).result(60)


def test_after_the_end_nothing_is_written(tmp_path: Path) -> None:
    """A late incident is an error, not an entry behind the last checkpoint."""
    each = IncidentWriter.open(tmp_path, (RECIPIENT,), None, "r1")
    each.close()
    with pytest.raises(IncidentError, match="has ended"):
        each.write(FIRST).result(60)


def test_checkpoints_are_signed(tmp_path: Path) -> None:
    """The policy's key signs; one that others can read is refused in one line."""
    key = tmp_path / "sign.key"
    _, public = write_signing_key(key)
    IncidentWriter.open(tmp_path / "log", (RECIPIENT,), key, "r1").close()
    assert chain.verify(tmp_path / "log", keys=[public]).keys == {public}
    key.chmod(0o644)
    with pytest.raises(IncidentError, match=r"incidents\.signing_key: .*chmod 600"):
        IncidentWriter.open(tmp_path / "log", (RECIPIENT,), key, "r2")
