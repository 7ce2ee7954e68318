from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ingest_guard.incidents.reports.reporter import Reporter, ReporterError, read_reporter

if TYPE_CHECKING:
    from pathlib import Path


def test_an_address_is_enough(tmp_path: Path) -> None:
    """Only the e-mail address has to be there; what else is given is read."""
    path = tmp_path / "reporter.yaml"
    path.write_text("email: officer@example.org")
    assert read_reporter(path) == Reporter(email="officer@example.org")
    path.write_text("email: o@example.org\nlast_name: Þórsdóttir\nlegal_url: https://example.org/legal\n")
    assert read_reporter(path).last_name == "Þórsdóttir"


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (None, "cannot be read"),
        ("", "line 1"),
        ("- a", "line 1"),
        ("first_name: SECRET", "email: this key is missing"),
        ("email: SECRET", "line 1: key email: expected an e-mail address"),
        ("email: 17", "line 1: key email"),
        ("email: SECRET@localhost", "expected an e-mail"),
        ("email: SECRET SECRET@example.org", "expected an e-mail"),
        ('email: "SECRET@example.org\\n"', "line 1: key email"),
        (f"email: {'SECRET' * 50}@example.org", "line 1: key email"),
        ("email: a@example.org\nphone: SECRET", "line 2: key phone: unknown key"),
        ("email: a@example.org\nemail: SECRET@example.org", "stands here and in line 1"),
        ('email: a@example.org\ncompany: "SECRET\\x07"', "line 2: key company"),
        ("email: a@example.org\ncompany: ''", "line 2: key company"),
        ("email: a@example.org\nlegal_url: SECRET", "line 2: key legal_url: expected an address"),
        ("email: a@example.org\nlegal_url: https://example.org/SECRET SECRET", "line 2: key legal_url"),
        (f"email: a@example.org\nfirst_name: {'SECRET' * 100}", "line 2: key first_name"),
        ("email: [a@example.org", "line 1"),
    ],
)
def test_what_is_wrong_is_named_by_line_and_key(tmp_path: Path, content: str | None, match: str) -> None:
    """One line says where, and shows no value."""
    path = tmp_path / "reporter.yaml"
    if content is not None:
        path.write_text(content)
    with pytest.raises(ReporterError, match=match) as caught:
        read_reporter(path)
    assert "SECRET" not in str(caught.value)
    assert "\n" not in str(caught.value)
