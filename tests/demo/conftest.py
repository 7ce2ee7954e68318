from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.traces import Needles

from demo.site import build_site

if TYPE_CHECKING:
    from demo.site import Site


@pytest.fixture(scope="session")
def site() -> Site:
    """Return the demo site, which takes a few seconds to build."""
    return build_site()


@pytest.fixture(scope="session")
def needles(site: Site) -> Needles:
    """Return what the demo searches for."""
    return Needles(site.dropped, site.kept)
