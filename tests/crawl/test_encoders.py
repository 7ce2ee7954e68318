from __future__ import annotations

import json
from typing import TYPE_CHECKING

from support.crawl import Project, page
from support.networks import photograph_encoder
from support.pictures import encode, photographs
from support.server import Server

from ingest_guard.hashing.onnx import Encoding, install
from ingest_guard.policy.networks import Encoder
from ingest_guard.testing import DrawnFrame

if TYPE_CHECKING:
    from pathlib import Path

_SPIDER = """
    import scrapy


    class Tested(scrapy.Spider):
        name = "tested"
        base = ""

        async def start(self):
            yield scrapy.Request(f"{self.base}/page")

        def parse(self, response):
            for image in response.css("img::attr(src)").getall():
                yield {"image_url": response.urljoin(image), "alt": "SECRET" if "crop" in image else "a text"}
"""


def test_a_crawl_holds_what_an_encoder_finds(tmp_path: Path) -> None:
    """Crops of listed photographs are held and leave no trace; photographs that are not listed become records."""
    every = list(photographs().values())
    said = photograph_encoder(0.85)
    encoder = Encoder.model_validate(said)
    install({"our_vectors": encoder})
    hasher = Encoding("our_vectors", encoder)
    rows = [f"our_vectors {hasher.hash(DrawnFrame.of(each))[0].hex()}" for each in every[::2]]
    flagged, clean = {}, {}
    for number, each in enumerate(every[::2]):
        width, height = each.size
        flagged[f"/crop{number}.jpg"] = encode(each.crop((width // 10, height // 10, width, height)), "JPEG")
    for number, each in enumerate(every[1::2]):
        clean[f"/clean{number}.jpg"] = encode(each, "JPEG")
    policy = f"encoders: {json.dumps({'our_vectors': {**said, 'file': str(said['file'])}})}\n"
    project = Project(tmp_path, _SPIDER, {"ours": rows}, policy=policy)
    with Server() as server:
        for path, body in {**flagged, **clean}.items():
            server.add(path, body, type="image/jpeg")
        server.add("/page", page([path.lstrip("/") for path in {**flagged, **clean}]))
        crawl = project.crawl(base=server.base)
    assert crawl.record_urls() == sorted(f"{server.base}{path}" for path in clean)
    assert crawl.count("held/ours") == len(flagged)
    assert crawl.count("matched/ours") == 0
    assert crawl.faults() == []
    assert crawl.traces(flagged) == []
    assert "SECRET" not in crawl.log
