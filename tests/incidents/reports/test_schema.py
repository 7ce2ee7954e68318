from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from lxml import etree

from ingest_guard.incidents.reports.schema import Schema, SchemaError

if TYPE_CHECKING:
    from pathlib import Path

_HEAD = '<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema">'
_REPORT = '<xs:element name="report" type="xs:string"/></xs:schema>'


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (None, "cannot be read"),
        ("not XML", "is not XML"),
        ("", "is not XML"),
        ("<report/>", "no XML schema"),
        (f'{_HEAD}<xs:element name="report" type="missing"/></xs:schema>', "no XML schema"),
        (f'{_HEAD}<xs:include schemaLocation="http://127.0.0.1:1/a.xsd"/>{_REPORT}', "elsewhere"),
        (f'{_HEAD}<xs:import namespace="x" schemaLocation="/etc/passwd"/>{_REPORT}', "elsewhere"),
        (f'{_HEAD}<xs:redefine schemaLocation="../a.xsd"/>{_REPORT}', "elsewhere"),
        (f'<!DOCTYPE s [<!ENTITY e SYSTEM "/etc/passwd">]>{_HEAD}&e;{_REPORT}', "declares entities"),
        (" " * (4 << 20) + _HEAD, "longer than a schema"),
    ],
)
def test_what_is_no_schema_is_an_error(tmp_path: Path, content: str | None, match: str) -> None:
    """Files that are missing, too long, no XML, no schema, or that name other files elsewhere."""
    path = tmp_path / "a.xsd"
    if content is not None:
        path.write_text(content)
    with pytest.raises(SchemaError, match=match):
        Schema(path)


def test_a_file_beside_is_read(tmp_path: Path) -> None:
    """A schema of two files in one folder works, and knows what does not fit."""
    (tmp_path / "types.xsd").write_text(f"{_HEAD}{_REPORT}")
    path = tmp_path / "a.xsd"
    path.write_text(f'{_HEAD}<xs:include schemaLocation="types.xsd"/></xs:schema>')
    schema = Schema(path)
    assert schema.faults(etree.fromstring("<report>x</report>")) == []
    assert [each.tag for each in schema.faults(etree.fromstring("<other/>"))] == ["other"]
