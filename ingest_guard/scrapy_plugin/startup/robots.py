"""Robots.txt: Scrapy heeds it where ROBOTSTXT_OBEY is on, which is the add-on's default."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from ingest_guard.policy import Policy

if TYPE_CHECKING:
    from scrapy.settings import BaseSettings

logger = logging.getLogger(__name__)

SETTING = "ROBOTSTXT_OBEY"


def obey_by_default(settings: BaseSettings, policy: Policy) -> None:
    """Switch ROBOTSTXT_OBEY on, unless the policy leaves it to Scrapy; a project's or spider's own value stays."""
    if not policy.opt_outs.robots_txt:
        return
    settings.set(SETTING, True, priority="addon")  # noqa: FBT003 - Scrapy's signature
    if not settings.getbool(SETTING):
        logger.info("ingest_guard: %s is off in the settings of this crawl: no robots.txt is heeded", SETTING)


def unheeded(each: Iterable[BaseSettings], policy: Policy) -> Iterator[str]:
    """Yield a text for doctor on opt-outs that would not be heeded, with the setting that says so."""
    off = [name for name, value in policy.opt_outs if value is False and name != "robots_txt"]
    if off:
        yield f"opt-outs that the policy switches off (opt_outs): {', '.join(off)}"
    for one in each:
        is_set = (one.getpriority(SETTING) or 0) > 0
        if not one.getbool(SETTING) and (is_set or not policy.opt_outs.robots_txt):
            source = f"{SETTING} is off in the settings" if is_set else "opt_outs.robots_txt is off in the policy"
            yield f"{source}: no robots.txt is heeded"
