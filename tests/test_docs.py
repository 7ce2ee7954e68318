from __future__ import annotations

import re
from pathlib import Path

import pytest
from pydantic import BaseModel

from ingest_guard import Policy, Reason
from ingest_guard.scrapy_plugin.core import placement

ROOT = Path(__file__).parent.parent
REFERENCE = (ROOT / "docs" / "reference.md").read_text(encoding="utf-8")


def policy_keys(model: type[BaseModel] = Policy, prefix: str = "") -> list[str]:
    """Return the dotted names of all policy keys that hold a value."""
    keys = []
    for name, field in model.model_fields.items():
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            keys += policy_keys(inner, f"{prefix}{name}.")
        elif name != "lists":
            keys.append(prefix + name)
    return keys


@pytest.mark.parametrize("key", policy_keys())
def test_each_policy_key_is_in_the_reference(key: str) -> None:
    """No policy key is undocumented."""
    assert f"| `{key}` |" in REFERENCE


@pytest.mark.parametrize("reason", list(Reason))
def test_each_reason_is_in_the_reference(reason: Reason) -> None:
    """The list of reasons is closed and documented."""
    assert f"| `{reason}` |" in REFERENCE


def statistics_keys() -> set[str]:
    """Return the fixed beginnings of all statistics keys that the code counts."""
    source = "\n".join(path.read_text() for path in (ROOT / "ingest_guard" / "scrapy_plugin").rglob("*.py"))
    calls = re.findall(r'(?:count|set_value)\((f?"[a-z_/]+[^"\n]*"(?: if [^"\n]* else f?"[a-z_/]+[^"\n]*")?)', source)
    counted = [key for call in calls for key in re.findall(r'"([a-z_/]+)', call)]
    counted += re.findall(r'"ingest_guard/([a-z_/]+)"', source)
    return {key.rstrip("/") for key in counted if key}


@pytest.mark.parametrize("key", sorted(statistics_keys()))
def test_each_statistic_is_in_the_reference(key: str) -> None:
    """No statistic is undocumented."""
    assert re.search(rf"`{re.escape(key)}[`/]", REFERENCE), key


def test_the_statistics_were_found() -> None:
    """The search for keys finds those that are certainly there."""
    assert {"checked", "matched", "records", "refused", "list_version"} <= statistics_keys()


def test_each_part_is_in_the_architecture() -> None:
    """The table of parts names each of them."""
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    for part in placement.PARTS:
        assert f"| `{part.path.rpartition('.')[2]}` | `{part.setting}` |" in text


def test_no_page_names_a_place_where_it_was_made() -> None:
    """Pages and code speak of the product alone: no path of a machine stands in them."""
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "ingest_guard").rglob("*.py")]
    assert not [page for page in pages if re.search(r"/(work|home|root)/", page.read_text(encoding="utf-8"))]
