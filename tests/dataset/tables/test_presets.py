from __future__ import annotations

import pytest

from ingest_guard.dataset.tables.presets import NAMES, preset_columns
from ingest_guard.errors import PolicyError


@pytest.mark.parametrize(
    ("name", "present", "expected"),
    [
        ("datacomp", ["uid", "url", "text", "sha256"], {"uid": "uid", "sha256": "sha256", "url": "url", "alt": "text"}),
        ("pd12m", ["id", "url", "caption", "hash"], {"uid": "id", "md5": "hash", "url": "url", "alt": "caption"}),
        ("laion-md5", ["URL", "TEXT", "hash", "md5"], {"md5": "md5", "url": "URL", "alt": "TEXT"}),
        ("laion-md5", ["image_md5"], {"md5": "image_md5"}),
        ("relaion", ["url", "caption", "key"], {"url": "url", "alt": "caption"}),
        ("relaion", ["URL", "TEXT", "md5"], {"url": "URL", "alt": "TEXT", "md5": "md5"}),
    ],
)
def test_what_columns_stand_for(name: str, present: list[str], expected: dict[str, str]) -> None:
    """Each preset knows its data set's columns, and leaves out those that a table lacks."""
    assert preset_columns(name, present, "x") == expected


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("present", [[], ["other"]])
def test_a_table_of_another_data_set(name: str, present: list[str]) -> None:
    """A table without the column that the preset is for is an error that says what it has."""
    with pytest.raises(PolicyError, match=f"--preset {name}: x.parquet has no column") as error:
        preset_columns(name, present, "x.parquet")
    assert ", ".join(present) in str(error.value)
