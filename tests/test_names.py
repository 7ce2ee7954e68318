from __future__ import annotations

import subprocess
import sys
import types

import pytest
from scrapy.exceptions import IgnoreRequest

import ingest_guard
from ingest_guard import errors


def test_all_names_are_there_and_no_others() -> None:
    """What __all__ promises can be had, and what can be had without an underscore is promised."""
    for name in ingest_guard.__all__:
        assert getattr(ingest_guard, name) is not None
    defined = {
        name
        for name, value in vars(ingest_guard).items()
        if not name.startswith("_")
        and not isinstance(value, types.ModuleType)
        and getattr(value, "__module__", "").startswith("ingest_guard")
    }
    assert defined <= set(ingest_guard.__all__)


def test_names_are_sorted_and_listed() -> None:
    """The names stand in order, once each, and dir() shows them."""
    names = ingest_guard.__all__
    assert names == sorted(set(names))
    assert dir(ingest_guard) == names


def test_unknown_name_is_an_attribute_error() -> None:
    """A name that is not there says so, as in any module."""
    with pytest.raises(AttributeError, match="'ingest_guard' has no attribute 'Gaurd'"):
        _ = ingest_guard.Gaurd


def test_import_loads_no_scrapy() -> None:
    """The guard serves programs without Scrapy: only Addon and ImageBlocked load it, when asked for."""
    program = (
        "import sys, ingest_guard, ingest_guard.guard.guard\n"
        "assert not {'scrapy', 'twisted'} & set(sys.modules), 'loaded too early'\n"
        "ingest_guard.Addon\n"
        "assert 'scrapy' in sys.modules, 'not loaded by Addon'\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_image_blocked_is_an_ignore_request() -> None:
    """Scrapy treats a dropped image as a request that is ignored: no retry, no traceback."""
    assert issubclass(ingest_guard.ImageBlocked, IgnoreRequest)


def test_error_tree_has_one_root() -> None:
    """Every error of the package is an IngestGuardError, and none is Scrapy's NotConfigured."""
    from scrapy.exceptions import NotConfigured  # noqa: PLC0415 - needed here only

    found = [value for value in vars(errors).values() if isinstance(value, type)]
    assert len(found) == 9
    for error in found:
        assert issubclass(error, errors.IngestGuardError)
        assert not issubclass(error, NotConfigured)
        assert error.__name__ in (errors.__doc__ or "")
