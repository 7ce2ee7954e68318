from __future__ import annotations

from ingest_guard.scrapy_plugin.core.meter import failed_feeds, own_counts


def test_own_counts_are_integers_without_the_prefix() -> None:
    """Texts, truth values and other people's statistics are left out, and the names are sorted."""
    stats = {"ingest_guard/b": 2, "ingest_guard/a/x": 1, "item_scraped_count": 3, "ingest_guard/list_version": "v"}
    assert list(own_counts({**stats, "ingest_guard/failed": True}).items()) == [("a/x", 1), ("b", 2)]


def test_failed_feeds_of_all_storages_are_added_up() -> None:
    """Scrapy counts them for each kind of storage."""
    stats = {"feedexport/failed_count/FileFeedStorage": 1, "feedexport/failed_count/S3FeedStorage": 2}
    assert failed_feeds({**stats, "feedexport/success_count/FileFeedStorage": 4}) == 3
