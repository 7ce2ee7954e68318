"""Asking services about near and held entries, and writing what they say into the officer's journal.

What has an answer in the journal is not asked again, so a run that ended early goes on where it was.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ingest_guard.incidents import officers_journal as journal
from ingest_guard.incidents.entry import Incident
from ingest_guard.incidents.officers_journal import State
from ingest_guard.incidents.opinions.services import Answer, Opinion, Service, shortened
from ingest_guard.verdict import Grade

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

_PDQ = re.compile(r"[0-9a-f]{64}")
_UNSURE = frozenset({Grade.NEAR, Grade.SUSPICION})


class Wanted(NamedTuple):
    """An entry that is asked about: its number, the SHA-256 of its line, its PDQ hash."""

    n: int
    digest: str
    pdq: str


def wanted(entries: Iterable[tuple[int, str, Incident]]) -> Iterator[Wanted]:
    """Yield the entries that a second opinion says something of: near, suspected and held ones that have a PDQ hash."""
    for n, digest, incident in entries:
        pdq = incident.fingerprints.get("pdq", "")
        if (incident.grade in _UNSURE or incident.action == "hold") and _PDQ.fullmatch(pdq):
            yield Wanted(n, digest, pdq)


def ask(
    services: Mapping[str, Service], entries: Iterable[Wanted], book: Path, key: Ed25519PrivateKey
) -> dict[str, Counter[Answer]]:
    """Ask each service about the entries that it has not answered for yet; return the number of each answer.

    Parameters
    ----------
    services
        By name.
    entries
        What to ask about.
    book, key
        The officer's journal and key: what is known, or not known, is written there after each batch.

    Raises
    ------
    IncidentError
        The journal does not hold, or cannot be read or written.
    """
    every = list(entries)
    public = key.public_key().public_bytes_raw().hex()
    counts: dict[str, Counter[Answer]] = {}
    for name, service in services.items():
        counts[name] = Counter()
        answered = journal.read(book, {public}).answered(name)
        left = (each for each in every if each.digest not in answered)
        while batch := list(islice(left, max(1, service.batch))):
            found = _asked(service, batch)
            said = [(each, found.get(each.pdq, Opinion(Answer.NONE))) for each in batch]
            counts[name].update(opinion.answer for _, opinion in said)
            marks = [
                (each.n, each.digest, f"{name}: {opinion.answer} {opinion.words}".rstrip())
                for each, opinion in said
                if opinion.answer is not Answer.NONE
            ]
            if marks:
                journal.mark(book, marks, State.OPINION, key)
    return counts


def _asked(service: Service, batch: list[Wanted]) -> Mapping[str, Opinion]:
    """Return what a service answers; nothing where it fails, whatever the failure is."""
    try:
        found = service.ask(list(dict.fromkeys(each.pdq for each in batch)))
        return {pdq: Opinion(Answer(each.answer), shortened(str(each.words))) for pdq, each in found.items()}
    except Exception:  # noqa: BLE001 - of a service or a plug-in: its text may repeat what was asked
        return {}
