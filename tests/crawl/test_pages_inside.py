from __future__ import annotations

import base64
import hashlib
from typing import TYPE_CHECKING

from support.crawl import Project
from support.pictures import drawn, encode
from support.server import Reply, Server

if TYPE_CHECKING:
    from pathlib import Path

SPIDER = """
import scrapy

from tested.reporting import tell

class Tested(scrapy.Spider):
    name = "tested"
    base = ""
    pages = ""

    async def start(self):
        for name in self.pages.split(","):
            yield scrapy.Request(self.base + name, errback=self.missed, cb_kwargs={"name": name})

    def parse(self, response, name):
        tell(passed=name)

    def missed(self, failure):
        tell(dropped=failure.request.cb_kwargs["name"], outcome=failure.value.outcome, reason=failure.value.reason)
"""
LISTED = encode(drawn(5, (160, 120)), "JPEG")
CLEAN = encode(drawn(6, (160, 120)), "JPEG")
SPACER = b"R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7"


def b64(data: bytes) -> str:
    """Return base64."""
    return base64.b64encode(data).decode()


def percent(data: bytes) -> str:
    """Return every byte behind a percent sign."""
    return "".join(f"%{byte:02X}" for byte in data)


def entities(data: str) -> str:
    """Return an SVG whose picture lies in the entities of its DTD."""
    parts = [data[at : at + 400] for at in range(0, len(data), 400)]
    dtd = "".join(f'<!ENTITY e{number} "{part}">' for number, part in enumerate(parts))
    body = "".join(f"&e{number};" for number in range(len(parts)))
    return (
        f'<?xml version="1.0"?><!DOCTYPE svg [{dtd}]><svg xmlns="http://www.w3.org/2000/svg">'
        f'<image href="data:image/jpeg;base64,{body}"/></svg>'
    )


def carriers(picture: bytes) -> dict[str, tuple[str, str]]:
    """Return pages that show a picture: name -> (text, type)."""
    base = b64(picture)
    return {
        "plain": (f'<img src="data:image/jpeg;base64,{base}">', "text/html"),
        "zeros": (f'<img src="data:image/jpeg;base64,{base[:40]}&#x00000000000a;{base[40:]}">', "text/html"),
        "scheme": (f'<img src="d&#10;ata:image/jpeg,{percent(picture)}">', "text/html"),
        "type": (f'<img src="data:image/jpeg;a={"b" * 500},{percent(picture)}">', "text/html"),
        "style": (f"a{{background:url(data:image/jpeg;base64,{base[:60]}\\a {base[60:]})}}", "text/css"),
        "japanese": (
            f'<img src="data:image/jpeg;base64,{base[:40]}\x1b(B{base[40:]}">',
            "text/html; charset=iso-2022-jp",
        ),
        "entities": (entities(base), "image/svg+xml"),
        "json": (f'{{"html": "<img src=\\"data:image/jpeg;base64,{base}\\">"}}', "application/json"),
    }


FONT = bytes.fromhex("00010000000100000000 0000")
PASSING = {
    "spacer": (f'<img src="data:image/gif;base64,{SPACER.decode()}">', "text/html"),
    "talk": ("<p>Write <code>data:image/png;base64,iVBORw0KGgo</code> for a picture.", "text/html"),
    "font": (f"a{{src:url(data:font/ttf;base64,{b64(FONT + b'glyf' + bytes(12))})}}", "text/css"),
}
DOUBTFUL = {
    "cut": (f'<img src="data:image/jpeg;base64,{b64(CLEAN[:-400])}">', "text/html"),
    "pdf": (f'<embed src="data:application/pdf;base64,{b64(b"%PDF-1.4 " * 9)}">', "text/html"),
    "emoji": (f"a{{src:url(data:font/ttf;base64,{b64(FONT + b'sbix' + bytes(12))})}}", "text/css"),
}


def test_what_pages_hold_decides_about_them(tmp_path: Path) -> None:
    """A listed picture is found however a page spells it; a clean one passes, and what cannot be looked at does not."""
    pages = {f"listed-{name}": page for name, page in carriers(LISTED).items()}
    pages |= {f"clean-{name}": page for name, page in carriers(CLEAN).items()}
    pages |= PASSING | DOUBTFUL
    digest = hashlib.sha256(LISTED).hexdigest()
    project = Project(tmp_path, SPIDER, {"made-up": [f"sha256 {digest}"]})
    with Server() as server:
        for name, (text, kind) in pages.items():
            server.add(f"/{name}", Reply(text.encode("latin-1"), kind))
        crawl = project.crawl(base=server.url("/"), pages=",".join(pages))
    assert crawl.exit_code == 0
    assert {event["passed"] for event in crawl.events if "passed" in event} == {
        *PASSING, *(name for name in pages if name.startswith("clean"))
    }  # fmt: skip
    dropped = {event["dropped"]: (event["outcome"], event["reason"]) for event in crawl.events if "dropped" in event}
    assert dropped == {
        **{name: ("match", None) for name in pages if name.startswith("listed")},
        **dict.fromkeys(DOUBTFUL, ("not_scannable", "embedded")),
    }
    assert crawl.count("texts_read") >= len(pages)
    assert not crawl.faults()
