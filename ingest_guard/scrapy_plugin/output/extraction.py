"""A data set goes on only with records whose texts and addresses are read in one way.

A record's ``uid`` is a digest of its text and its address. Where a newer state of this package reads either of them
differently, the same image of the same page has another ``uid``, and would come a second time without anybody noticing.
So a crawl is numbered with the extraction that it used (``EXTRACTION``), and one of another number does not go on.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

from ingest_guard.dataset.attestation import draft as drafts
from ingest_guard.dataset.attestation.manifest import NAME, Manifest
from ingest_guard.dataset.shards.location import FolderStore, ShardStore
from ingest_guard.errors import AttestationError, SetupError
from ingest_guard.pages.extract import EXTRACTION
from ingest_guard.scrapy_plugin.core.settings import DOUBLES_SETTING

if TYPE_CHECKING:
    from scrapy.settings import BaseSettings

logger = logging.getLogger(__name__)

FIRST = 1
"""The extraction of those that have no number."""


def read_earlier(store: ShardStore) -> Manifest | None:
    """Return what is known of earlier crawls into a data set; None where nothing is.

    Raises
    ------
    AttestationError
        What is there cannot be read.
    """
    if isinstance(store, FolderStore):
        return drafts.read_earlier(Path(store.uri))
    if not store.names():  # without shards there is nothing to attest
        return None
    known = [found for name in (drafts.DRAFT, NAME) if (found := _fetch(store, name)) is not None]
    # The draft of a crawl that ended is still there; the manifest that came of it says the same and more.
    return max(known, key=lambda each: (len(each.runs), each.ended or ""), default=None)


def _fetch(store: ShardStore, name: str) -> Manifest | None:
    try:
        with store.fetch(name) as path:
            return Manifest.parse(path.read_bytes())
    except SetupError:  # not there; that the bucket can be reached was seen when its shards were listed
        return None


def require_same_in_dataset(store: ShardStore, settings: BaseSettings) -> None:
    """Raise SetupError where a data set has records of an older extraction, unless the settings accept doubles."""
    if not store.names():
        return
    try:
        earlier = read_earlier(store)
    except AttestationError:
        return  # this crawl will have no manifest, and says so
    runs = [run for run in earlier.runs if run.counts is None or run.counts.get("records")] if earlier else []
    if runs:
        require_same(min(run.extraction or FIRST for run in runs), f"the data set in {store.uri}", settings)


def require_same(found: int, what: str, settings: BaseSettings) -> None:
    """Raise SetupError where records were made by an older extraction, unless the settings accept doubles.

    Parameters
    ----------
    found
        The oldest extraction among them.
    what
        What they are in, for the error.
    """
    if found >= EXTRACTION:
        return
    if settings.getbool(DOUBLES_SETTING):
        logger.warning(
            "ingest_guard: %s has records whose texts and addresses were read in an older way (%d, now %d); images "
            "that are met again may make a second record",
            *(what, found, EXTRACTION),
        )
        return
    raise SetupError(
        f"ingest_guard: {what} has records whose texts and addresses were read in an older way ({found}, now "
        f"{EXTRACTION}), so that an image which is met again would make a second record; write into a new folder, or "
        f"accept doubles: --accept-doubles ({DOUBLES_SETTING} = True)"
    )
