from __future__ import annotations

import io
from typing import TYPE_CHECKING

import imagehash
import numpy as np
import pdqhash
import pytest
from PIL import Image, ImageOps

from demo.listed import COPIES, copy_of, originals
from demo.model import Fate

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from demo.site import Site

_TURNS = (None, *Image.Transpose)


def _upright(data: bytes, frame: int = 0) -> Image.Image:
    with Image.open(io.BytesIO(data)) as image:
        image.seek(frame)
        return ImageOps.exif_transpose(image).convert("RGB")


def _frames(data: bytes) -> Iterator[Image.Image]:
    with Image.open(io.BytesIO(data)) as image:
        count = getattr(image, "n_frames", 1)
    return (_upright(data, frame) for frame in range(count))


def _views(image: Image.Image) -> Iterator[Image.Image]:
    """All eight orientations, and the negative of each."""
    for turn in _TURNS:
        turned = image if turn is None else image.transpose(turn)
        yield turned
        yield ImageOps.invert(turned)


def _pdq(image: Image.Image) -> NDArray[np.bool_]:
    return np.asarray(pdqhash.compute(np.asarray(image))[0], bool)


def _phash(image: Image.Image) -> NDArray[np.bool_]:
    return np.asarray(imagehash.phash(image).hash).ravel()


def test_no_unlisted_image_is_near_a_listed_one(site: Site) -> None:
    """Every image that must become a record is over 40 PDQ bits and 10 pHash bits from any view of any listed one."""
    views = [view for original in originals().values() for view in _views(original.picture)]
    pdqs, phashes = np.array([_pdq(view) for view in views]), np.array([_phash(view) for view in views])
    paths = {path for path, _alt in site.records}
    resources = [r for path, r in site.resources.items() if path in paths and r.status == 200]
    assert len(resources) > 100
    for resource in resources:
        for frame in _frames(resource.plain):
            if min(frame.size) < 5:  # a single pixel has no fingerprint
                continue
            assert (pdqs ^ _pdq(frame)).sum(axis=1).min() > 40, resource.path
            assert (phashes ^ _phash(frame)).sum(axis=1).min() > 10, resource.path


def test_every_shown_copy_is_near_its_original(site: Site) -> None:
    """Each copy on the site is another file than its original, and within 31 PDQ bits of it in one of its views."""
    pictures = originals()
    copies = [
        (path, site.resources[path])
        for path, expectation in site.expectations.items()
        if expectation.fate is Fate.MATCH and expectation.why.startswith("a listed picture ")
    ]
    assert len(copies) >= 30
    for path, resource in copies:
        name = max((name for name in pictures if path.startswith(f"/photos/{name}-")), key=len)
        original = pictures[name]
        assert resource.plain != original.file
        frames = list(_frames(resource.plain))
        wanted = _pdq(original.picture)
        assert min((_pdq(view) ^ wanted).sum() for frame in frames for view in _views(frame)) <= 31, path


@pytest.mark.parametrize("how", COPIES)
def test_each_way_to_copy_makes_another_file(how: str) -> None:
    """Every way of copying gives a file that decodes and is not the original's."""
    original = originals()["poster-blue"]
    copy = copy_of(original, how)
    assert copy.file != original.file
    assert _upright(copy.file).size[0] > 0
