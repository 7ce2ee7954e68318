from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from ingest_guard import data

ROOT = Path(__file__).parent.parent
IMPORTS = re.compile(r"^ *(from ingest_guard[\w.]* import [\w, ]+)$", re.MULTILINE)
IN_DOCS = sorted(
    {(page.name, line) for page in (ROOT / "docs").glob("*.md") for line in IMPORTS.findall(page.read_text("utf-8"))}
)


def test_what_is_promised_is_there_and_nothing_else() -> None:
    """__all__ is exactly what can be had, sorted, and dir() shows it."""
    assert data.__all__ == sorted(set(data.__all__)) == sorted(data._HOME) == dir(data)
    public = {name for name in vars(data) if not name.startswith("_")}
    assert public <= {*data.__all__, "Any", "TYPE_CHECKING", "annotations"}
    for name in data.__all__:
        if name in ("clean", "doomed", "write_clean"):
            pytest.importorskip("pyarrow")
        assert getattr(data, name).__module__.startswith(("ingest_guard.dataset.", "ingest_guard.pages."))


def test_unknown_name_is_an_attribute_error() -> None:
    """A name that is not there says so, as in any module."""
    with pytest.raises(AttributeError, match=r"'ingest_guard\.data' has no attribute 'recheque'"):
        _ = data.recheque


def test_import_loads_nothing_heavy() -> None:
    """Neither the import nor the names that need no extra load Scrapy, pyarrow or pyspark."""
    program = (
        "import sys, ingest_guard.data as data\n"
        "heavy = {'scrapy', 'twisted', 'pyarrow', 'pyspark', 'jinja2'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
        "for name in data.__all__:\n"
        "    getattr(data, name)\n"
        "assert not {'scrapy', 'twisted', 'pyspark', 'jinja2'} & set(sys.modules), 'loaded too early'\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(("page", "line"), IN_DOCS)
def test_imports_of_the_docs(page: str, line: str) -> None:
    """Each import that a page shows works, and none names a module below the faces that data people need."""
    exec(line, {})  # noqa: S102 - a line of our own docs
    assert "ingest_guard.dataset" not in line


def test_the_imports_were_found() -> None:
    """The pages about data sets have imports."""
    assert {"records.md", "recheck.md", "extraction.md", "attestation.md"} <= {page for page, _ in IN_DOCS}
