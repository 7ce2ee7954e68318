"""Ways that are not an ordinary page: other schemes and stores, proxies, robots.txt, browsers, providers."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

import pytest
from support.leaks import Twin, guarded_and_not, listed, safe, twins
from support.leaks_servers import bucket, ftp, proxy
from support.server import Server

if TYPE_CHECKING:
    from pathlib import Path

    from support.crawl import Project

_SPIDER = """
    import base64

    import scrapy
    from scrapy.utils.response import open_in_browser
    from tested.hoard import keep, keep_failure, keep_living


    DISK = b"../out/disk.jpg"


    class Tested(scrapy.Spider):
        name = "tested"
        base = files = host = proxy = ""

        async def start(self):
            free = {"dont_obey_robotstxt": True}
            yield self.request(f"file://{self.files}/listed/file.jpg")
            yield self.request(f"ftp://{self.host}/listed/ftp.jpg", **free)
            yield self.request(f"ftp://{self.host}/listed/disk.jpg", ftp_local_filename=DISK, **free)
            yield self.request("https://tunnel.invalid/", proxy=self.proxy, **free)
            yield self.request("zyte://page/", **free)
            yield self.request("zyte://body/", **free)
            yield self.request("pw://page/", **free)
            yield self.request(self.base + "/listed/page")
            yield self.request(self.base + "/safe.jpg")

        def request(self, url, **meta):
            return scrapy.Request(url, self.arrived, errback=self.missed, meta=meta)

        def arrived(self, response):
            keep(f"callback {response.url.partition(':')[0]}", response)
            if response.url.endswith("/listed/page"):
                open_in_browser(response, _openfunc=lambda url: True)
            # Scrapy 2.15 does not wait for items that start() gives.
            for path in ("/listed/media.jpg", "/safe.jpg") if response.url.endswith("/safe.jpg") else ():
                urls = [self.base + path]
                yield {"image_url": self.base + "/safe.jpg", "page_url": self.base, "file_urls": urls, "alt": "files"}

        def missed(self, failure):
            keep_failure(f"errback {failure.request.url.partition(':')[0]}", failure)

        def closed(self, reason):
            keep_living("living")
"""
_PARTS = """
    import base64
    import urllib.request
    from pathlib import Path

    from scrapy.http import HtmlResponse, Response
    from scrapy.pipelines.files import FilesPipeline
    from scrapy.robotstxt import ProtegoRobotParser
    from scrapy.utils.asyncio import run_in_thread
    from scrapy.utils.defer import deferred_from_coro
    from tested.hoard import keep

    GIVEN = Path(__file__).resolve().parents[2] / "given" / "listed"
    BUCKET = (GIVEN.parent / "bucket").read_text()


    class Put:
        # As the stores for S3 and Google Cloud do: an upload over HTTP, in a thread.
        def __init__(self, uri):
            pass

        def persist_file(self, path, buf, info, meta=None, headers=None):
            buf.seek(0)
            request = urllib.request.Request(f"{BUCKET}/{path}", buf.read(), method="PUT")
            return deferred_from_coro(run_in_thread(urllib.request.urlopen, request))

        def stat_file(self, path, info):
            return {}


    class S3(FilesPipeline):
        STORE_SCHEMES = {**FilesPipeline.STORE_SCHEMES, "s3": Put, "gs": Put}
        uri = "s3://bucket/files"

        @classmethod
        def from_crawler(cls, crawler):
            cls._update_stores(crawler.settings)
            return cls(cls.uri, crawler=crawler)


    class GoogleCloud(S3):
        uri = "gs://bucket/files"


    class FTP(S3):
        uri = f"ftp://{(GIVEN.parent / 'host').read_text()}/stored"


    class Robots(ProtegoRobotParser):
        @classmethod
        def from_crawler(cls, crawler, robotstxt_body):
            keep("robots.txt", robotstxt_body)
            return super().from_crawler(crawler, robotstxt_body)


    class ZyteAPIResponse(Response):
        # As scrapy-zyte-api's: what the provider answered stays beside the body.
        def __init__(self, *args, raw_api_response=None, **kwargs):
            super().__init__(*args, **kwargs)
            self.raw_api_response = raw_api_response


    class ZyteAPITextResponse(HtmlResponse):
        def __init__(self, *args, raw_api_response=None, **kwargs):
            super().__init__(*args, **kwargs)
            self.raw_api_response = raw_api_response


    class Provider:
        lazy = False

        async def download_request(self, request):
            body = (GIVEN / "zyte-body.jpg").read_bytes()
            shot = base64.b64encode((GIVEN / "zyte-screenshot.jpg").read_bytes()).decode()
            if "body" in request.url:
                raw = {"httpResponseBody": base64.b64encode(body).decode()}
                return ZyteAPIResponse(request.url, body=body, raw_api_response=raw)
            return ZyteAPITextResponse(request.url, body=b"<p>page", raw_api_response={"screenshot": shot})

        async def close(self):
            pass
"""
# As scrapy-playwright's: the browser fetches what a page shows by itself, keeps it in its own cache, and asks a setting
# about each request.
_BROWSER = """
from pathlib import Path
from types import SimpleNamespace

from scrapy.http import HtmlResponse
from scrapy.utils.misc import load_object

GIVEN = Path(__file__).resolve().parents[2] / "given" / "listed"


class ScrapyPlaywrightDownloadHandler:
    lazy = False

    def __init__(self, crawler):
        abort = crawler.settings.get("PLAYWRIGHT_ABORT_REQUEST")
        self.abort = load_object(abort) if abort else None
        self.cache = Path(crawler.settings.getdict("PLAYWRIGHT_CONTEXTS")["default"]["user_data_dir"])

    @classmethod
    def from_crawler(cls, crawler):
        return cls(crawler)

    async def download_request(self, request):
        picture = SimpleNamespace(resource_type="image", url="pw://page/picture.jpg", method="GET", headers={})
        if self.abort is None or not self.abort(picture):
            self.cache.mkdir(parents=True, exist_ok=True)
            (self.cache / "f_000001").write_bytes((GIVEN / "browser.jpg").read_bytes())
        return HtmlResponse(request.url, body=b"<p><img src=picture.jpg>")

    async def close(self):
        pass
"""
_NAMES = (
    *("file", "ftp", "disk", "tunnel", "zyte-body", "zyte-screenshot", "browser"),
    *("page", "media", "robots"),
)
_FLAGGED = {name: listed(number) for number, name in enumerate(_NAMES, 1)}


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Twin]:
    """Crawl them all."""
    folder = tmp_path_factory.mktemp("elsewhere")
    with Server() as server, proxy(_FLAGGED["tunnel"][:900] + b"\r\n\r\n") as surprising:
        shown = b"<p><img src='data:image/jpeg;base64," + base64.b64encode(_FLAGGED["page"]) + b"'>"
        server.add("/listed/page", shown)
        server.add("/listed/media.jpg", _FLAGGED["media"], type="image/jpeg")
        server.add("/safe.jpg", safe(), type="image/jpeg")
        server.add("/robots.txt", _FLAGGED["robots"], type="text/plain")
        files = folder / "files"
        (files / "listed").mkdir(parents=True)
        for name, body in _FLAGGED.items():
            (files / "listed" / f"{name}.jpg").write_bytes(body)
        with bucket(folder / "bucket-guarded") as first, bucket(folder / "bucket-unguarded") as second:
            buckets = {"guarded": first, "unguarded": second}
            with ftp(folder) as host:

                def prepare(project: Project) -> None:
                    _prepare(project, files, buckets[project.folder.name], f"{host}/{project.folder.name}/out")

                found = twins(
                    folder,
                    _SPIDER,
                    # A robots.txt that the guard drops forbids its host otherwise.
                    guarded_and_not(_SETTINGS, "opt_outs: {robots_unreachable: allow}\n"),
                    _FLAGGED,
                    modules={"parts": _PARTS},
                    prepare=prepare,
                    arguments={"base": server.base, "files": files, "host": f"{host}/files", "proxy": surprising},
                )
    for name in found:
        (folder / f"bucket-{name}").rename(found[name].crawl.out / "bucket")
    return found


_SETTINGS = {
    "DOWNLOAD_HANDLERS": {
        "zyte": "tested.parts.Provider",
        "pw": "scrapy_playwright.handler.ScrapyPlaywrightDownloadHandler",
    },
    "PLAYWRIGHT_CONTEXTS": {"default": {"user_data_dir": "../out/browser"}},
    "ITEM_PIPELINES": {"tested.parts.S3": 1, "tested.parts.GoogleCloud": 2, "tested.parts.FTP": 3},
    # The FTP store fails where two files want the same new folder at the same moment.
    "CONCURRENT_ITEMS": 1,
    "DOWNLOAD_TIMEOUT": 20,
    "FTP_USER": "user",
    "FTP_PASSWORD": "password",
    "ROBOTSTXT_OBEY": True,
    "ROBOTSTXT_PARSER": "tested.parts.Robots",
}


def _prepare(project: Project, files: Path, address: str, store: str) -> None:
    given = project.folder / "given"
    given.mkdir()
    (given / "listed").symlink_to(files / "listed")
    (given / "bucket").write_text(address)
    (given / "host").write_text(store)
    (project.project / "scrapy_playwright").mkdir()
    (project.project / "scrapy_playwright" / "__init__.py").write_text("")
    (project.project / "scrapy_playwright" / "handler.py").write_text(_BROWSER)


def test_the_guarded_crawl_leaves_nothing(both: dict[str, Twin]) -> None:
    """In none of these ways anything listed gets anywhere, and what is safe still does."""
    assert both["guarded"].crawl.exit_code == 0, both["guarded"].crawl.log[-3000:]
    assert both["guarded"].traces == {}
    assert both["guarded"].crawl.traces({"safe": safe()}) != []


def test_remote_media_stores_get_nothing(both: dict[str, Twin]) -> None:
    """Uploads to S3 and Google Cloud (a store of the same shape) and to a real FTP server: only what passed."""
    for place in ("bucket", "stored"):
        assert both["guarded"].left(place) == set()
        assert any(file.is_file() for file in (both["guarded"].crawl.out / place).rglob("*"))
        assert both["unguarded"].left(place) == {"media"}


def test_downloads_straight_to_disk_are_refused(both: dict[str, Twin]) -> None:
    """``ftp_local_filename`` makes the handler write before anybody looks."""
    assert not (both["guarded"].crawl.out / "disk.jpg").exists()
    assert both["guarded"].crawl.count("refused/ftp_local_filename") == 1
    assert both["unguarded"].left("disk.jpg") == {"disk"}


def test_other_schemes_are_checked(both: dict[str, Twin]) -> None:
    """``file:`` and ``ftp:`` give responses like any other, and these are checked like any other."""
    for scheme in ("file", "ftp"):
        assert both["guarded"].reached(f"errback {scheme}")
        assert not both["guarded"].reached(f"callback {scheme}")
        assert both["unguarded"].left(f"callback {scheme}") == {scheme}


def test_what_a_proxy_answers_is_not_logged(both: dict[str, Twin]) -> None:
    """A proxy that opens no tunnel: the first 1000 bytes of its answer stand in Scrapy's error, unless taken out."""
    assert both["guarded"].reached("errback https")
    for place in ("errback https", "crawl.log", "log scrapy.core.scraper"):
        assert "tunnel" not in both["guarded"].left(place)
    assert "tunnel" in both["unguarded"].left("errback https")


def test_nothing_listed_can_be_opened_in_a_browser(both: dict[str, Twin]) -> None:
    """``open_in_browser`` leaves a file that nobody removes: a page with a listed image never gets to it."""
    assert both["guarded"].left("tmp") == set()
    assert both["unguarded"].left("tmp") == {"page"}


def test_robots_files_are_checked(both: dict[str, Twin]) -> None:
    """Whatever a host serves as its rules, the parser gets it only if it passed."""
    assert both["guarded"].left("robots.txt") == set()
    assert both["unguarded"].left("robots.txt") == {"robots"}


def test_browsers_fetch_no_pictures(both: dict[str, Twin]) -> None:
    """A browser that renders pages is told to fetch no pictures: it would cache them, and nobody would check them."""
    assert both["guarded"].reached("callback pw")
    assert both["guarded"].left("browser") == set()
    assert both["unguarded"].left("browser") == {"browser"}


def test_answers_of_providers_bring_no_pictures_along(both: dict[str, Twin]) -> None:
    """A provider's raw answer holds the body once more, and screenshots beside it: dropped, or taken out."""
    assert both["guarded"].left("callback zyte") | both["guarded"].left("errback zyte") == set()
    assert both["guarded"].reached("callback zyte")
    assert both["guarded"].crawl.count("extras_removed") == 1
    assert both["unguarded"].left("callback zyte") == {"zyte-body", "zyte-screenshot"}
