from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from incidents.samples import FULL, RECIPIENT

from ingest_guard import Policy
from ingest_guard.errors import IncidentError
from ingest_guard.incidents import chain, removals
from ingest_guard.incidents.removals import IncidentSink, incident_sink
from ingest_guard.incidents.writer import open_incidents
from ingest_guard.policy.operation import Incidents

if TYPE_CHECKING:
    from pathlib import Path


def policy(folder: Path, *recipients: str) -> Policy:
    """Return a policy with a log of incidents."""
    return Policy(blocklist=folder, incidents=Incidents(folder=folder / "log", recipients=recipients))


def test_without_recipients_there_is_no_sink(tmp_path: Path) -> None:
    """A program that is no crawl asks the same policy, and writes nothing either."""
    with incident_sink(policy(tmp_path)) as sink:
        assert sink is None
    assert list(tmp_path.iterdir()) == []


def test_a_program_writes_into_the_same_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Entries of a scan are on the disk when the sink is flushed, and a last checkpoint is when it is closed."""
    monkeypatch.setattr(removals, "_BATCH", 2)
    with incident_sink(policy(tmp_path, RECIPIENT)) as sink:
        assert sink is not None
        for _ in range(3):
            sink.write(FULL)
        assert chain.verify(tmp_path / "log").entries >= 2
        sink.flush()
        assert chain.verify(tmp_path / "log").entries == 3
    found = chain.verify(tmp_path / "log")
    assert found.last_checkpoint is not None
    assert (found.is_whole, found.last_checkpoint.checkpoint.why) == (True, "end")


def test_a_program_learns_that_nothing_could_be_written(tmp_path: Path) -> None:
    """Flushing raises where an entry is not on the disk."""
    writer = open_incidents(policy(tmp_path, RECIPIENT))
    assert writer is not None
    sink = IncidentSink(writer)
    (tmp_path / "log").rename(tmp_path / "gone")
    sink.write(FULL)
    with pytest.raises(IncidentError, match="cannot be written"):
        sink.flush()
