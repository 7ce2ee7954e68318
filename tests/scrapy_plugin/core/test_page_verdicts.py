from __future__ import annotations

from typing import TYPE_CHECKING

from ingest_guard.scrapy_plugin.core import page_verdicts
from ingest_guard.scrapy_plugin.core.page_verdicts import DroppedPages, ItemPages

if TYPE_CHECKING:
    import pytest

URL = "https://site.example/"
PAGE = URL + "page"
CLEAN, OTHER, LISTED = (f"https://cdn.example/{name}" for name in ("clean", "other", "listed"))


def test_pages_tell_items_apart_by_identity(monkeypatch: pytest.MonkeyPatch) -> None:
    """Equal items are two items; those that nobody takes are pushed out."""
    monkeypatch.setattr(page_verdicts, "_MOST_ITEMS", 2)
    known = ItemPages()
    items: list[dict[str, int]] = [{}, {}, {}]
    for number, item in enumerate(items):
        known.note(item, f"{URL}{number}")
    assert [known.get(item) for item in items] == [None, f"{URL}1", f"{URL}2"]
    known.forget(items[1])
    known.forget(items[1])
    assert known.get(items[1]) is None


def test_dropped_pages_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest are forgotten first; asking for one keeps it. So it is with what a spider asked for."""
    monkeypatch.setattr(page_verdicts, "_MOST_PAGES", 2)
    monkeypatch.setattr(page_verdicts, "_MOST_ASKED", 2)
    monkeypatch.setattr(page_verdicts, "_MOST_ASKERS", 3)
    known = DroppedPages()
    known.add(["https://a.example/", None, "", "https://b.example/"])
    assert known.holds_any([None, "https://A.example"])
    known.add(["no address"])
    assert [known.holds_any([each]) for each in ("https://a.example", "https://b.example", "no address")] == [
        True,
        False,
        True,
    ]
    assert not known.holds_any([None])
    for number in range(5):
        known.note_request(CLEAN, f"{PAGE}{number % 4}")
    assert known.askers(CLEAN) == (f"{PAGE}1", f"{PAGE}2", f"{PAGE}3") or len(known.askers(CLEAN)) == 3
    known.note_redirect(CLEAN, OTHER)
    assert known.askers(OTHER) == known.askers(CLEAN)
    known.note_redirect("https://never.example/asked", LISTED)
    assert known.askers(LISTED) == ()
