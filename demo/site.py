"""The demo site as a whole: what the server answers, and what must become of each answer.

Its photographs are in the public domain (:mod:`~demo.pictures`), the rest is drawn from seeds. It is
the same for the same seed, which steers the order of the pictures and the made-up entries of the lists.
"""

from __future__ import annotations

import json
import random
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from demo.harmless import harmless, moved
from demo.known import known, redirected
from demo.listed import originals
from demo.model import Expectation, Fate, Placed, Resource
from demo.oddities import oddities
from demo.pages import gallery, inline

if TYPE_CHECKING:
    from pathlib import Path

SEED = 20231220
"""The demo's own seed."""
ROBOTS = Resource("/robots.txt", b"User-agent: *\nDisallow: /private/\n", "text/plain")
_OFTEN = 3
_TEXTS = (".html", ".css", ".json", ".svg")


@dataclass(frozen=True)
class Site:
    """A site and the right answers.

    Attributes
    ----------
    resources
        Path -> what the server answers.
    expectations
        Path -> the right answer, for every image and for every page that must be dropped.
    shown
        (path, alt text) of every image that a page shows, in the order of the pages.
    seed
        What it was made from.
    """

    resources: dict[str, Resource]
    expectations: dict[str, Expectation]
    shown: tuple[tuple[str, str], ...]
    seed: int

    @cached_property
    def records(self) -> frozenset[tuple[str, str]]:
        """(path, alt text) of every record that must come out."""
        return frozenset((path, alt) for path, alt in self.shown if self.expectations[path].fate is Fate.RECORD)

    @cached_property
    def pages(self) -> tuple[str, ...]:
        """The paths of all pages in HTML."""
        return tuple(path for path in self.resources if path.endswith((".html", "/")))

    @cached_property
    def image_paths(self) -> frozenset[str]:
        """The paths that the pages show as images."""
        return frozenset(path for path, _alt in self.shown)

    @cached_property
    def dropped(self) -> dict[str, bytes]:
        """What it is -> every body that nothing may keep: all binary that must be dropped, with its coding and without.

        Of text with a listed picture inside, it is the picture that nothing may keep.
        """
        bodies = {original.name: original.file for original in originals().values()}
        for path, expectation in self.expectations.items():
            resource = self.resources[path]
            if expectation.fate in (Fate.MATCH, Fate.NOT_SCANNABLE) and not path.endswith(_TEXTS):
                bodies[path] = resource.plain
                if resource.sent is not None:
                    bodies[f"{path} (as sent)"] = resource.sent
        return {name: body for name, body in bodies.items() if body}

    @cached_property
    def kept(self) -> tuple[bytes, ...]:
        """Every body that may be kept."""
        gone = (Fate.MATCH, Fate.NOT_SCANNABLE)
        allowed = [
            resource
            for path, resource in self.resources.items()
            if path not in self.expectations or self.expectations[path].fate not in gone
        ]
        return tuple(body for resource in allowed for body in {resource.plain, resource.body})

    def write(self, folder: Path) -> None:
        """Write the site for :mod:`demo.server`: ``site.json`` and one file a body."""
        folder.mkdir(parents=True, exist_ok=True)
        routes = {}
        for number, resource in enumerate(self.resources.values()):
            file = f"{number:04}.body"
            (folder / file).write_bytes(resource.body)
            headers = [("Content-Type", resource.content_type), *resource.headers]
            routes[resource.path] = {"file": file, "status": resource.status, "headers": headers}
        (folder / "site.json").write_text(json.dumps(routes, indent=1), encoding="utf-8")
        answers = {path: asdict(expectation) for path, expectation in self.expectations.items()}
        (folder / "expectations.json").write_text(json.dumps(answers, indent=1), encoding="utf-8")


def build_site(seed: int = SEED) -> Site:
    """Return the demo site; it takes a few seconds.

    Raises
    ------
    IngestGuardError
        The photographs or a content coding are not installed here.
    """
    pages, dropped_pages, beside = inline()
    images: list[Placed] = [*harmless(), *known(), *oddities()]
    expectations = dict(dropped_pages)
    resources = {placed.resource.path: placed.resource for placed in (*images, *beside)}
    expectations.update({placed.resource.path: placed.expectation for placed in (*images, *beside)})
    shown = [(placed.resource.path, placed.alt) for placed in images]
    for start, target in (*redirected(), moved()):
        resources |= {start.path: start, target.resource.path: target.resource}
        expectations |= {start.path: target.expectation, target.resource.path: target.expectation}
        shown.append((start.path, target.alt))
    # Some pictures are shown again elsewhere, with other words: one more record each, but no further download.
    shown += [(placed.resource.path, f"{placed.alt}, seen again") for placed in images[:_OFTEN]]
    random.Random(seed).shuffle(shown)  # noqa: S311 - an order, not a secret
    for page in (ROBOTS, *gallery(shown), *pages):
        resources[page.path] = page
    shown += [(placed.resource.path, placed.alt) for placed in beside]
    return Site(resources, expectations, tuple(shown), seed)
