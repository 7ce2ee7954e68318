"""Which entries go into which report: one report covers one page."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ingest_guard.errors import IncidentError
from ingest_guard.incidents.entry import Finding, Incident
from ingest_guard.verdict import Grade

_KIND = "csam"


@dataclass(frozen=True, slots=True)
class Report:
    """What one report is about.

    Attributes
    ----------
    page
        The page that shows the images; None where the log names none, and then the host stands for it.
    host
        Of the first entry.
    entries
        Number -> incident, ascending, one at least.
    as_suspicion
        The report says that it is a suspicion.
    """

    page: str | None
    host: str | None
    entries: Mapping[int, Incident]
    as_suspicion: bool = False

    def findings(self, number: int) -> list[Finding]:
        """Return the matches of an entry that the report names: without ``as_suspicion`` those that need none."""
        return [each for each in findings_of(self.entries[number]) if self.as_suspicion or _is_plain(each)]


class UnfitEntryError(IncidentError):
    """An entry has no match that can be reported without saying that it is a suspicion."""


def findings_of(incident: Incident) -> list[Finding]:
    """Return all matches of an incident, the surest first."""
    first = Finding(incident.list, incident.grade, incident.algorithm, incident.distance, incident.view)
    return [first, *incident.others]


def make_reports(entries: Iterable[tuple[int, Incident]], *, as_suspicion: bool = False) -> list[Report]:
    """Sort entries into reports, in the order of their lowest numbers.

    Raises
    ------
    UnfitEntryError
        An entry has neither an exact nor a near match of a list of kind ``csam``, and ``as_suspicion`` is False.
    """
    groups: dict[tuple[str | None, str | None], dict[int, Incident]] = {}
    unfit = []
    for number, incident in sorted(entries, key=lambda each: each[0]):
        if not any(map(_is_plain, findings_of(incident))):
            unfit.append(number)
        page = incident.addresses.page
        groups.setdefault((page, incident.host if page is None else None), {})[number] = incident
    if unfit and not as_suspicion:
        raise UnfitEntryError(
            f"{_numbered(unfit)} neither an exact nor a near match of a list of kind {_KIND}: leave it out, or add "
            "--as-suspicion, and each report says that it is one"
        )
    return [
        Report(page, next(iter(inside.values())).host, inside, as_suspicion) for (page, _), inside in groups.items()
    ]


def _is_plain(finding: Finding) -> bool:
    return finding.list.kind == _KIND and finding.grade is not Grade.SUSPICION


def _numbered(numbers: list[int]) -> str:
    return f"entry {numbers[0]} has" if len(numbers) == 1 else f"entries {', '.join(map(str, numbers))} have"
