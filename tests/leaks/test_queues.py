"""Queues: what waits in a job directory, or in Redis, while a crawl is paused."""

from __future__ import annotations

import shutil
import subprocess
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
import scrapy.squeues
from support.leaks import UNGUARDED, Case, Twin, guarded_and_not, listed, small, twins
from support.server import Server, free_port

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.crawl import Crawl, Project

_SPIDER = """
    import base64
    from pathlib import Path

    import scrapy
    from scrapy.exceptions import CloseSpider

    GIVEN = Path(__file__).resolve().parents[2] / "given"


    def data_url(name):
        return "data:image/jpeg;base64," + base64.b64encode((GIVEN / name).read_bytes()).decode()


    class Tested(scrapy.Spider):
        # Hands on bodies with its requests, and is stopped while these wait.
        name = "tested"
        base = ""

        async def start(self):
            self.bodies, self.failed = [], []
            for name in ("meta", "argument", "body"):
                yield scrapy.Request(f"{self.base}/listed/{name}.jpg", self.arrived, errback=self.missed)
            yield scrapy.Request(self.base + "/last", self.last, priority=-10, dont_filter=True)

        def arrived(self, response):
            self.bodies.append(response.body)
            if hasattr(self, "state"):
                self.state[response.url] = response.body
            yield {"image_url": response.url, "alt": base64.b64encode(response.body).decode()}

        def missed(self, failure):
            self.failed.append(failure.request)

        def last(self, response):
            self.crawler.engine.pause()
            yield scrapy.Request(self.base + "/waiting")
            for number, body in enumerate(self.bodies):
                way = ({"meta": {"prev": body}}, {"cb_kwargs": {"prev": body}}, {"body": body})[number]
                yield scrapy.Request(f"{self.base}/waiting/{number}", **way)
            for request in self.failed:
                yield request.replace(dont_filter=True)
            for name in ("data-short", "data-long"):
                yield scrapy.Request(data_url(name))
            self.crawler.engine.crawl(scrapy.Request(data_url("data-engine")))
            raise CloseSpider("stopped")
"""
_SERVED = {name: listed(number) for number, name in enumerate(("meta", "argument", "body"), 1)}
_DATA = {"data-short": small(4), "data-long": listed(5), "data-engine": small(6)}
_FLAGGED = {**_SERVED, **_DATA}
_DISK_QUEUES = [
    name
    for name in ("PickleLifoDiskQueue", "PickleFifoSQLiteQueue", "MarshalFifoDiskQueue")
    if hasattr(scrapy.squeues, name)
]


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """Serve listed images."""
    with Server() as running:
        running.add("/last", b"<p>last")
        for name, body in _SERVED.items():
            running.add(f"/listed/{name}.jpg", body, type="image/jpeg")
        yield running


def _give(project: Project) -> None:
    given = project.folder / "given"
    given.mkdir()
    for name, body in _DATA.items():
        (given / name).write_bytes(body)


@pytest.fixture(scope="module", params=_DISK_QUEUES)
def paused(request: pytest.FixtureRequest, server: Server, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Twin]:
    """Stop a crawl with a job directory while requests wait."""
    settings = {
        "JOBDIR": "../out/job",
        "CONCURRENT_REQUESTS": 1,
        "SCHEDULER_DISK_QUEUE": f"scrapy.squeues.{request.param}",
        "URLLENGTH_LIMIT": 100_000,
    }
    folder = tmp_path_factory.mktemp("queues")
    cases = guarded_and_not(settings)
    return twins(folder, _SPIDER, cases, _FLAGGED, prepare=_give, arguments={"base": server.base})


def test_job_directories_hold_no_body(paused: dict[str, Twin]) -> None:
    """Queues keep URL, body, meta and arguments of each request that waits; the spider's state is kept beside them."""
    guarded, other = paused["guarded"], paused["unguarded"]
    assert guarded.crawl.stats["scheduler/enqueued/disk"] > guarded.crawl.stats["scheduler/dequeued/disk"]
    assert guarded.left("job") & set(_SERVED) == set()
    assert other.left("job") >= set(_SERVED)


def test_job_directories_hold_no_link_that_is_an_image(paused: dict[str, Twin]) -> None:
    """A callback's ``data:`` request is refused before the scheduler gets it."""
    assert paused["guarded"].left("job") & {"data-short", "data-long"} == set()
    assert paused["unguarded"].left("job") >= {"data-short", "data-long"}


def test_job_directories_hold_no_link_of_the_engine(paused: dict[str, Twin]) -> None:
    """A ``data:`` request that goes to the engine directly, past all spider middlewares, is not queued either."""
    assert "data-engine" not in paused["guarded"].left("job")
    assert "data-engine" in paused["unguarded"].left("job")


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Start a Redis server; end it by its process."""
    client = pytest.importorskip("redis", reason="install redis and scrapy-redis to run this test")
    pytest.importorskip("scrapy_redis", reason="install scrapy-redis to run this test")
    program = shutil.which("redis-server")
    if program is None:
        pytest.skip("install redis-server to run this test")
    folder, port = tmp_path_factory.mktemp("redis"), free_port()
    command = [program, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder)]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as process:
        try:
            with client.Redis(port=port) as connection:
                _wait_for(connection, process)
                yield connection
        finally:
            process.terminate()


def _wait_for(connection: Any, process: subprocess.Popen[bytes], seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and process.poll() is None:
        with suppress(Exception):
            connection.ping()
            return
        time.sleep(0.02)
    raise RuntimeError("redis-server did not answer")


def _everything(connection: Any, prefix: str) -> list[bytes]:
    """Return all values under keys that begin with a prefix."""
    read = {
        b"string": connection.get,
        b"zset": lambda key: connection.zrange(key, 0, -1),
        b"list": lambda key: connection.lrange(key, 0, -1),
        b"set": connection.smembers,
        b"hash": connection.hgetall,
    }
    values = [read[connection.type(key)](key) for key in connection.keys(f"{prefix}*")]
    return [each for value in values for each in ([value] if isinstance(value, bytes) else value)]


@pytest.fixture(scope="module")
def shared(redis: Any, server: Server, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Twin]:
    """Stop a crawl whose queue and items are in Redis; write what is there then to the hoard."""
    port = redis.connection_pool.connection_kwargs["port"]

    def case(name: str, settings: dict[str, Any]) -> Case:
        return Case(
            {
                "SCHEDULER": "scrapy_redis.scheduler.Scheduler",
                "DUPEFILTER_CLASS": "scrapy_redis.dupefilter.RFPDupeFilter",
                "SCHEDULER_PERSIST": True,
                "SCHEDULER_QUEUE_KEY": f"{name}:queue",
                "SCHEDULER_DUPEFILTER_KEY": f"{name}:seen",
                "REDIS_ITEMS_KEY": f"{name}:items",
                "REDIS_URL": f"redis://127.0.0.1:{port}",
                "ITEM_PIPELINES": {"scrapy_redis.pipelines.RedisPipeline": 300},
                "CONCURRENT_REQUESTS": 1,
                "URLLENGTH_LIMIT": 100_000,
                "BOT_NAME": name,
                **settings,
            }
        )

    def run(project: Project, case: Case) -> Crawl:
        done = project.crawl(base=server.base)
        values = _everything(redis, case.settings["BOT_NAME"])
        _write(project.out / "hoard" / "redis", values)
        return done

    folder = tmp_path_factory.mktemp("shared")
    cases = {"guarded": case("guarded", {}), "unguarded": case("unguarded", UNGUARDED)}
    return twins(folder, _SPIDER, cases, _FLAGGED, prepare=_give, run=run)


def _write(file: Path, values: list[bytes]) -> None:
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(b"\n\0\n".join(values))


def test_shared_queues_hold_nothing(shared: dict[str, Twin]) -> None:
    """Requests and items of a scrapy-redis crawl, as they stand in a real server, have nothing listed in them."""
    guarded, other = shared["guarded"], shared["unguarded"]
    assert guarded.crawl.exit_code == 0, guarded.crawl.log[-3000:]
    assert b"/waiting" in (guarded.crawl.out / "hoard" / "redis").read_bytes()
    assert guarded.left("redis") == set()
    assert other.left("redis") >= set(_FLAGGED)
