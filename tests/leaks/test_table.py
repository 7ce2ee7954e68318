from __future__ import annotations

import ast
from pathlib import Path

import pytest
from support.leaks_table import WAYS, Way, as_markdown

_HERE = Path(__file__).parent
_PAGE = _HERE.parent.parent / "docs" / "leaks.md"


def _functions() -> set[str]:
    """Return all tests of this folder, as ``module::function``."""
    found = set()
    for file in _HERE.glob("test_*.py"):
        tree = ast.parse(file.read_text(encoding="utf-8"))
        names = [node.name for node in tree.body if isinstance(node, ast.FunctionDef)]
        found |= {f"{file.stem}::{name}" for name in names if name.startswith("test_")}
    return found


def test_the_page_shows_the_table() -> None:
    """The documentation has every row as it is here; write it anew with what this test expects."""
    assert as_markdown() in _PAGE.read_text(encoding="utf-8")


def test_no_way_is_missing() -> None:
    """There are thirty ways, and three hooks for addresses that are images."""
    numbers = [way.number for way in WAYS]
    assert sorted({int(number.partition(",")[0]) for number in numbers}) == list(range(1, 31))
    assert [number for number in numbers if "hook" in number] == [f"10, hook {hook}" for hook in (1, 2, 3)]
    assert len(set(numbers)) == len(numbers) == 33


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.number)
def test_each_way_has_its_tests(way: Way) -> None:
    """A row names at least one test, and each that it names is there."""
    assert way.tests
    assert set(way.tests) <= _functions()
