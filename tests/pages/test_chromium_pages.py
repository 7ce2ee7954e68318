"""What Chromium shows of generated pages, and what ordinary pages are to the guard."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from benchmarks.pages import comparison, mutations, ordinary, themes
from benchmarks.pages.generator import make_page
from benchmarks.pages.judge import Judge, make_list

if TYPE_CHECKING:
    from pathlib import Path

PAGES = 200


@pytest.fixture(scope="module")
def policy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the policy of a guard whose list has the photograph."""
    return make_list(tmp_path_factory.mktemp("pages"))


def test_no_page_that_chromium_shows_passes(policy: Path) -> None:
    """The photograph in the browser's screenshot is a match, and so is the page."""
    result = comparison.compare(range(PAGES), policy)
    assert result.shown >= 0.3 * PAGES
    assert result.missed == []


def test_a_page_is_made_from_its_seed() -> None:
    """The same one each time, and another one for another seed."""
    assert make_page(7) == make_page(7)
    assert make_page(7).body != make_page(8).body


@pytest.mark.parametrize("name", themes.THEMES)
def test_ordinary_pages_pass(name: str, policy: Path) -> None:
    """Placeholders, icons, fonts, linked data and the errors of feeds are no doubt."""
    guard = Judge(policy).guard
    verdicts = [guard.check(body, declared_type=kind) for kind, body in (themes.theme_page(name, n) for n in range(12))]
    assert [verdict.reason for verdict in verdicts] == [None] * 12


def test_ordinary_pages_are_counted(policy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """By source and reason; pages with a video are refused, and counted apart."""
    assert ordinary.measure(Judge(policy).guard, most=1, count=2, seed=1)
    assert "{'embedded': 2}" in capsys.readouterr().out


def test_a_mutation_is_made_from_its_seed() -> None:
    """It changes the text."""
    body = themes.theme_page("shop", 1)[1]
    assert mutations.mutate(body, 3) == mutations.mutate(body, 3) != body
