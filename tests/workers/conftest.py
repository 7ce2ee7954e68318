from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest
from support.blocklists import make_blocklist
from support.hostile import install

from ingest_guard import Guard, Policy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture
def hostile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Install the hostile hasher as a package of its own, for this process and its workers."""
    folder = tmp_path / "plugins"
    install(folder)
    monkeypatch.syspath_prepend(str(folder))
    yield
    sys.modules.pop("hostile_hasher", None)


@pytest.fixture
def guard_with(tmp_path: Path) -> Callable[..., Guard]:
    """Return a maker of guards with a small list and any policy keys."""

    def make(**policy: object) -> Guard:
        folder = make_blocklist(tmp_path / "blocklist", {"made-up": [("md5", "0" * 31 + "1")]})
        return Guard.from_policy(Policy(blocklist=folder, **policy))

    return make
