"""The add-on: the one line in a project's settings that installs the guard."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from ingest_guard.scrapy_plugin import placement
from ingest_guard.scrapy_plugin.config import load_policy

if TYPE_CHECKING:
    from scrapy.settings import BaseSettings

_OFF = ("TELNETCONSOLE_ENABLED", "REMOTE_CONTROL_ENABLED")
# At DEBUG this one prints header lines as the server sent them.
_TALKATIVE = "scrapy.core.downloader.handlers.http11"


class Addon:
    """Install the guard: ``ADDONS = {"ingest_guard.Addon": 0}`` and ``INGEST_GUARD_POLICY = "policy.yaml"``.

    Anything that stands in the way is an error and stops the crawl. It never raises ``NotConfigured``: Scrapy would
    log that and crawl on unguarded.
    """

    @classmethod
    def update_pre_crawler_settings(cls, settings: BaseSettings) -> None:
        """Put the parts into the ``*_BASE`` settings, which a spider that empties ADDONS does not reach."""
        for part in placement.PARTS:
            settings.set_in_component_priority_dict(f"{part.setting}_BASE", placement.load_part(part), part.order)

    def update_settings(self, settings: BaseSettings) -> None:
        """Check what the project and the spider have set, and put every part where it must stand."""
        with placement.announced():
            placement.require_settings(settings)
            load_policy(settings)
        for part in placement.PARTS:
            settings.set_in_component_priority_dict(part.setting, placement.load_part(part), part.order)
        for name in _OFF:
            # Both let other programs on this machine read the memory of the crawl.
            settings.set(name, False, priority="addon")  # noqa: FBT003 - Scrapy's signature
        logger = logging.getLogger(_TALKATIVE)
        if logger.getEffectiveLevel() < logging.INFO:
            logger.setLevel(logging.INFO)
