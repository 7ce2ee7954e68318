from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest
import redis
from support.crawl import Crawl, Project
from support.pictures import drawn, encode
from support.server import Server, free_port, wait_for_port

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_SPIDER = """
    import scrapy
    from scrapy_redis.spiders import RedisSpider
    from tested.reporting import tell


    class Tested(RedisSpider):
        name = "tested"
        redis_key = "tested:start_urls"

        async def start(self):
            # Newer versions of Scrapy do not call start_requests(), with which scrapy-redis takes the first batch.
            for request in self.next_requests():
                yield request

        def parse(self, response):
            for image in response.css("img"):
                url, alt = response.urljoin(image.attrib["src"]), image.attrib["alt"]
                yield {"image_url": url, "alt": f"item {alt}"}
                yield scrapy.Request(f"{url}?asked", self.arrived, errback=self.missed, cb_kwargs={"alt": alt})

        def arrived(self, response, alt):
            yield {"image_url": response.url, "alt": f"asked {alt}"}
            # As unwise spiders do: everything there is goes into the queue.
            meta = {"previous": response.body}
            yield scrapy.Request(f"{response.url}&again", self.again, meta=meta, cb_kwargs={"alt": alt})

        def again(self, response, alt):
            tell(again=alt, length=len(response.meta["previous"]))

        def missed(self, failure):
            tell(missed=failure.request.cb_kwargs["alt"], type=type(failure.value).__name__)
            held = getattr(getattr(failure.value, "response", None), "body", b"")
            meta = {**failure.request.meta, "previous": held}
            yield failure.request.replace(url=f"{failure.request.url}&again", meta=meta, errback=None)
"""
_SAFE = {f"/safe{number}.jpg": encode(drawn(50 + number), "JPEG") for number in range(3)}
_LISTED = {f"/listed{number}.jpg": encode(drawn(1), "JPEG", quality=80 + number) for number in range(2)}
_LISTS = {"a": [f"sha256 {hashlib.sha256(body).hexdigest()}" for body in _LISTED.values()]}


@contextlib.contextmanager
def _redis(folder: Path) -> Iterator[int]:
    """Run a Redis that keeps every command it is given in a file below ``folder``; yield its port."""
    program = shutil.which("redis-server")
    if program is None:
        pytest.skip("install redis-server to run this test")
    folder.mkdir()
    port = free_port()
    options = {
        "bind": "127.0.0.1",
        "port": port,
        "dir": folder,
        "save": "",
        "appendonly": "yes",
        "appendfsync": "always",
    }
    command = [program, *(part for name, value in options.items() for part in (f"--{name}", str(value)))]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as process:
        try:
            wait_for_port(port, process)
            yield port
        finally:
            process.terminate()


@pytest.fixture(scope="module")
def crawl(tmp_path_factory: pytest.TempPathFactory) -> Crawl:
    """Crawl with scrapy-redis: its spider, scheduler, duplicates filter and pipeline."""
    folder = tmp_path_factory.mktemp("redis")
    project = Project(folder, _SPIDER, _LISTS)
    with Server() as server, _redis(project.out / "redis") as port:
        for path, body in {**_SAFE, **_LISTED}.items():
            server.add(path, body, type="image/jpeg")
        server.add("/page", "".join(f'<img src="{path}" alt="{path}">' for path in [*_SAFE, *_LISTED]).encode())
        project.set(
            ADDONS={"ingest_guard.Addon": 0},
            INGEST_GUARD_POLICY="policy.yaml",
            SCHEDULER="scrapy_redis.scheduler.Scheduler",
            DUPEFILTER_CLASS="scrapy_redis.dupefilter.RFPDupeFilter",
            ITEM_PIPELINES={"scrapy_redis.pipelines.RedisPipeline": 300},
            SCHEDULER_PERSIST=True,
            MAX_IDLE_TIME_BEFORE_CLOSE=1,
            REDIS_HOST="127.0.0.1",
            REDIS_PORT=port,
        )
        with redis.Redis("127.0.0.1", port) as client:
            client.lpush("tested:start_urls", json.dumps({"url": server.url("/page")}))
        return project.crawl()


def test_safe_images_become_records(crawl: Crawl) -> None:
    """A crawl whose queue lies in Redis makes the records of any other; listed images make none."""
    assert crawl.exit_code == 0, crawl.log[-3000:]
    assert crawl.stats["finish_reason"] == "finished"
    expected = [f"{how} {path}" for how in ("asked", "item") for path in _SAFE]
    assert sorted(record["alt"] for record in crawl.records) == expected
    assert {event["again"]: event["length"] for event in crawl.events if "again" in event} == {
        path: len(body) for path, body in _SAFE.items()
    }
    assert [event["type"] for event in crawl.events if "missed" in event] == ["ImageBlocked"] * 2


def test_requests_went_through_redis(crawl: Crawl) -> None:
    """The control: the queue was Redis, not memory."""
    assert crawl.stats["scheduler/enqueued/redis"] == crawl.stats["scheduler/dequeued/redis"] >= 11
    assert "scheduler/enqueued/memory" not in crawl.stats


def test_no_listed_image_was_ever_sent_to_redis(crawl: Crawl) -> None:
    """Of all commands that Redis got, none has anything of a listed image; safe bodies in requests are found there."""
    assert crawl.traces(_LISTED, _SAFE.values()) == []
    found = {trace.name for trace in crawl.traces(_SAFE) if "redis" in str(trace)}
    assert found == set(_SAFE)
