from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageOps

from ingest_guard.hashing.pdq import pdq
from ingest_guard.hashing.pdq_views import (
    ORIENTATIONS,
    RADIUS_CAPS,
    SCALE_SIDE,
    PdqView,
    hash_views,
    pdq_views,
    radius_cap,
)

T = Image.Transpose
TURNED = {
    "mirror": T.FLIP_LEFT_RIGHT,
    "flip": T.FLIP_TOP_BOTTOM,
    "rotate90": T.ROTATE_270,  # Pillow turns the other way round
    "rotate180": T.ROTATE_180,
    "rotate270": T.ROTATE_90,
    "transpose": T.TRANSPOSE,
    "transverse": T.TRANSVERSE,
}
SIZES = [(512, 512), (700, 411), (333, 512), (97, 60), (33, 20), (1300, 900)]


def every(luma: np.ndarray, **options: object) -> dict[str, PdqView]:
    """Return all views by name."""
    views = pdq_views(luma, orientations=True, inverse=True, scale=True, **options)  # type: ignore[arg-type]
    return {view.name: view for view in views}


def apart(view: PdqView, luma: np.ndarray, original: tuple[int, int] | None = None) -> int:
    """Return how far a view is from the hash of a picture."""
    return int(np.bitwise_count(view.bits ^ np.frombuffer(pdq(luma, original)[0], np.uint8)).sum())


@pytest.mark.parametrize("size", SIZES)
def test_an_orientation_is_the_hash_of_the_picture_turned_that_way(
    pictures: dict[str, Image.Image], size: tuple[int, int]
) -> None:
    """Each of the seven turns equals the hash of the really turned picture, to 2 bits of rounding."""
    assert set(TURNED) == set(ORIENTATIONS)
    for picture in pictures.values():
        grey = picture.convert("L").resize(size)
        views = every(np.asarray(grey))
        for name, turn in TURNED.items():
            assert apart(views[name], np.asarray(grey.transpose(turn))) <= 2, name


@pytest.mark.parametrize("size", SIZES)
def test_native_and_inverse_are_the_hashes_of_picture_and_negative(
    pictures: dict[str, Image.Image], size: tuple[int, int]
) -> None:
    """The first view is pdq() itself; the inverse that of the negative."""
    for name in ("chelsea", "china", "drawn 2"):
        grey = pictures[name].convert("L").resize(size)
        luma = np.asarray(grey)
        views = pdq_views(luma, orientations=False, inverse=True, scale=False)
        assert [view.name for view in views] == ["native", "inverse"]
        assert (views[0].bits.tobytes(), views[0].quality) == pdq(luma)
        assert apart(views[1], np.asarray(ImageOps.invert(grey))) <= 1


@pytest.mark.parametrize("size", SIZES)
def test_a_turned_inverse_is_the_hash_of_the_negative_turned_that_way(
    pictures: dict[str, Image.Image], size: tuple[int, int]
) -> None:
    """Each of the seven turns of the negative equals the hash of the really turned negative, to 2 bits of rounding."""
    for name in ("chelsea", "china", "drawn 2"):
        grey = pictures[name].convert("L").resize(size)
        views = every(np.asarray(grey))
        for turn in ORIENTATIONS:
            negative = ImageOps.invert(grey).transpose(TURNED[turn])
            assert apart(views[f"{turn}/inverse"], np.asarray(negative)) <= 2, turn


@pytest.mark.parametrize("size", [(700, 411), (333, 512), (128, 96), (64, 64)])
def test_the_scale_view_is_the_hash_of_the_enlarged_picture(
    pictures: dict[str, Image.Image], size: tuple[int, int]
) -> None:
    """It is within 6 bits of really enlarging bilinearly to 1024 pixels (which rounds to grey levels) and hashing."""
    factor = SCALE_SIDE / max(size)
    for name in ("astronaut", "coffee", "flower"):
        grey = pictures[name].convert("L").resize(size)
        larger = grey.resize((round(size[0] * factor), round(size[1] * factor)), Image.Resampling.BILINEAR)
        assert apart(every(np.asarray(grey))["scale"], np.asarray(larger)) <= 6


def test_large_pictures_have_no_scale_view(pictures: dict[str, Image.Image]) -> None:
    """From 1024 pixels on there is nothing to enlarge; below there is."""
    grey = pictures["coffee"].convert("L")
    assert "scale" not in every(np.asarray(grey.resize((1024, 700))))
    assert "scale" in every(np.asarray(grey.resize((1023, 700))))
    assert "scale" not in every(np.asarray(grey.resize((600, 400))), original=(800, 1200))


def test_the_scale_view_brings_thumbnails_back(pictures: dict[str, Image.Image]) -> None:
    """Thumbnails of 128 pixels are nearer to their originals' hashes in the scale view, by a third on average."""
    native, scale = [], []
    for name in ("astronaut", "chelsea", "coffee", "rocket", "china", "flower"):
        large = pictures[name].convert("L").resize((1000, 800), Image.Resampling.LANCZOS)
        views = every(np.asarray(large.resize((128, 102), Image.Resampling.BICUBIC)))
        native.append(apart(views["native"], np.asarray(large)))
        scale.append(apart(views["scale"], np.asarray(large)))
    assert np.mean(scale) < np.mean(native) * 2 / 3
    assert max(scale) <= 31


def test_views_of_a_draft_are_those_of_its_original(pictures: dict[str, Image.Image]) -> None:
    """Told the original's size, every view of a draft is that of the full picture, to 6 bits."""
    full = pictures["china"].convert("L").resize((900, 620))
    draft = full.resize((450, 310), Image.Resampling.BOX)
    ours = every(np.asarray(draft), original=(620, 900))
    for name, view in every(np.asarray(full)).items():
        assert int(np.bitwise_count(view.bits ^ ours[name].bits).sum()) <= 6, name


def test_only_what_is_asked_for_is_there(pictures: dict[str, Image.Image]) -> None:
    """Each option adds its own views, after the native one."""
    luma = np.asarray(pictures["camera"].convert("L").resize((300, 200)))

    def names(*, orientations: bool = False, inverse: bool = False, scale: bool = False) -> list[str]:
        return [v.name for v in pdq_views(luma, orientations=orientations, inverse=inverse, scale=scale)]

    assert names() == ["native"]
    assert names(orientations=True) == ["native", *ORIENTATIONS]
    assert names(inverse=True) == ["native", "inverse"]
    assert names(scale=True) == ["native", "scale"]
    inverse = ["inverse", *(f"{name}/inverse" for name in ORIENTATIONS)]
    assert names(orientations=True, inverse=True) == ["native", *ORIENTATIONS, *inverse]
    assert names(orientations=True, inverse=True, scale=True) == ["native", *ORIENTATIONS, *inverse, "scale"]


def test_a_picture_too_small_has_its_native_view_alone() -> None:
    """Zeros of quality 0, once."""
    (view,) = every(np.zeros((4, 30), np.uint8)).values()
    assert (view.name, view.bits.tobytes(), view.quality) == ("native", bytes(32), 0)


def test_a_wrong_array_is_refused() -> None:
    """The same error as pdq()'s."""
    with pytest.raises(ValueError, match="2-D uint8"):
        every(np.zeros((9, 9)))


def test_a_view_in_a_traceback_does_not_show_its_hash(pictures: dict[str, Image.Image]) -> None:
    """The repr names the view and its quality, no more."""
    view = every(np.asarray(pictures["camera"].convert("L")))["mirror"]
    assert repr(view) == f"PdqView('mirror', quality={view.quality})"


@pytest.mark.parametrize(
    ("view", "cap"),
    [
        ("native", None),
        ("scale", None),
        ("trimmed", None),
        ("trimmed/scale", None),
        ("stored", None),
        ("mirror", 23),
        ("frame:3/black/trimmed/rotate90", 23),
        ("inverse", 15),
        ("mirror/inverse", 15),
        ("trimmed/transpose/inverse", 15),
        ("", None),
    ],
)
def test_the_cap_of_a_view_is_that_of_the_last_part_of_its_name(view: str, cap: int | None) -> None:
    """What was done last to a picture is the least certain."""
    assert radius_cap(view) == cap


def test_radius_caps_name_existing_views_and_cannot_be_changed() -> None:
    """Orientations and the inverse have smaller radii; native and scale have the list's own."""
    assert set(RADIUS_CAPS) == {*ORIENTATIONS, "inverse"}
    assert all(0 < cap < 31 for cap in RADIUS_CAPS.values())
    with pytest.raises(TypeError):
        RADIUS_CAPS["native"] = 40  # type: ignore[index]


@pytest.mark.parametrize("orientations", [False, True])
@pytest.mark.parametrize("inverse", [False, True])
@pytest.mark.parametrize("scale", [False, True])
def test_pictures_hashed_at_once_have_the_views_that_each_has_alone(
    pictures: dict[str, Image.Image],
    orientations: bool,  # noqa: FBT001 - a parameter of the test
    inverse: bool,  # noqa: FBT001 - a parameter of the test
    scale: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    """Bit by bit, whatever their sizes are, those among them that are too small for a hash included."""
    sizes = [(700, 411), (3, 90), (97, 60), (1300, 900), (90, 4), (5, 5)]
    lumas = [np.asarray(picture.convert("L").resize(size)) for picture in pictures.values() for size in sizes]
    given = [(luma, None if n % 2 else (2 * luma.shape[0], 2 * luma.shape[1])) for n, luma in enumerate(lumas)]
    found = hash_views(given, orientations=orientations, inverse=inverse, scale=scale)
    for (luma, original), views in zip(given, found, strict=True):
        alone = pdq_views(luma, orientations=orientations, inverse=inverse, scale=scale, original=original)
        assert [view.name for view in alone] == list(views.names)
        assert {view.quality for view in alone} == {views.quality}
        assert np.array_equal(np.stack([view.bits for view in alone]), views.bits)
    assert hash_views([], orientations=orientations, inverse=inverse, scale=scale) == []
