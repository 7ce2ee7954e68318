from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest_guard.pages.extract import PageImage, extract_images
from ingest_guard.policy.records import Extract

PAGE = "http://host.example/dir/page"
PIXEL = "data:image/gif;base64,R0lGODlhAQABAAAAACw="


def images(html: str, **policy: Any) -> list[PageImage]:
    """Return the images of a page."""
    return extract_images(html.encode(), PAGE, policy=Extract(**policy))


def told(html: str, **policy: Any) -> list[tuple[str, str, str | None]]:
    """Return what extraction tells of each image: the end of its address, its text, and where that stood."""
    found = images(html, **policy)
    return [(each.url.removeprefix("http://host.example/dir/"), each.alt, each.alt_source) for each in found]


@pytest.mark.parametrize(
    ("attributes", "text", "source"),
    [
        ("alt='A  cat &amp;\n a dog' title=t", "A cat & a dog", "alt"),
        ("alt='' title=t aria-label=l", "t", "title"),
        ("alt=' ' aria-label=l", "l", "aria-label"),
        ("aria-labelledby='one two none'", "First Second", "aria-labelledby"),
        ("alt='a.jpg' title='Better'", "Better", "title"),
        ("alt='a.jpg'", "a.jpg", "alt"),
        ("alt='a' aria-label='b'", "a", "alt"),
        ("alt='a' title='https://host.example/x'", "a", "alt"),
        ("", "", None),
        ("alt='a&#0;b\x07c'", "abc", "alt"),
    ],
)
def test_texts_of_an_image_in_their_order(attributes: str, text: str, source: str | None) -> None:
    """alt, then title, aria-label, aria-labelledby; a text that only names the file comes last."""
    page = f"<p id=one>First</p><p id=two>Sec<b>ond</b></p><p id=two>not me</p><img src=a.jpg {attributes}>"
    found = told(page)
    if text == "abc":
        assert found[0][1].replace("\ufffd", "") == text
    else:
        assert found == [("a.jpg", text, source)]


def test_the_policy_orders_the_texts() -> None:
    """Sources that it leaves out do not count."""
    page = "<figure><img src=a.jpg alt=a title=t><figcaption>c</figcaption></figure>"
    assert told(page, texts=("figcaption", "alt")) == [("a.jpg", "c", "figcaption")]
    assert told(page, texts=("aria-label",)) == [("a.jpg", "", None)]


def test_captions_of_figures() -> None:
    """For each image without a better text, before or after it; of the nearest figure that has one."""
    page = """
    <figure><figcaption><b>T<i>w</i>o</b> <i>views</i><script>no()</script></figcaption>
    <img src=a.jpg><img src=b.jpg alt=own>
    </figure>
    <figure><figure><img src=c.jpg></figure><figcaption>outer</figcaption><figcaption>second</figcaption></figure>
    <figcaption>of nothing</figcaption><img src=d.jpg>"""
    assert told(page) == [
        ("a.jpg", "Two views", "figcaption"),
        ("b.jpg", "own", "alt"),
        ("c.jpg", "outer", "figcaption"),
        ("d.jpg", "", None),
    ]


@pytest.mark.parametrize(
    ("picture", "chosen"),
    [
        ("<source srcset='s.webp 300w, l.webp 900w' type=image/webp><img src=f.jpg>", "l.webp"),
        ("<source srcset=d.png media='(prefers-color-scheme: dark)'><img src=f.jpg>", "f.jpg"),
        ("<source srcset=x.svg type=image/svg+xml><source srcset=x.jxl type=image/jxl><img src=f.jpg>", "f.jpg"),
        ("<source srcset=m.jpg media='(max-width: 600px)'><source srcset=w.jpg><img src=f.jpg>", "w.jpg"),
        ("<source srcset=''><source srcset=w.jpg><source srcset=z.jpg><img src=f.jpg>", "w.jpg"),
        ("<source data-srcset=lazy.jpg srcset='data:,'><img data-src=f.jpg>", "lazy.jpg"),
        ("<source srcset='data:,'><img src=f.jpg>", "f.jpg"),
    ],
)
def test_the_source_of_a_picture_that_holds(picture: str, chosen: str) -> None:
    """The first of a type that can be scanned whose media hold on a wide, light screen."""
    assert told(f"<picture>{picture}</picture><img src=after.jpg>")[0][0] == chosen
    assert told(f"<picture>{picture}</picture><img src=after.jpg>")[1][0] == "after.jpg"


def test_sources_of_other_elements_are_no_pictures() -> None:
    """A video's are videos."""
    page = "<video poster=p.jpg title=clip><source srcset=x.jpg src=v.mp4></video>"
    assert told(page) == [("p.jpg", "clip", "title")]


def test_all_copies_are_told() -> None:
    """The chosen one, those beside it, and the fallback."""
    (image,) = images("<picture><source srcset='s.webp 300w, l.webp 900w'><img src=f.jpg width=30 height=20></picture>")
    assert [url.rpartition("/")[2] for url in image.candidates] == ["l.webp", "s.webp", "f.jpg"]
    assert (image.width, image.height) == (30, 20)
    (image,) = images("<img srcset='s.webp 300w, l.webp 900w'>")
    assert (image.width, image.height) == (900, None)


def test_the_nearest_copy() -> None:
    """By policy, and from the width at which the page shows it."""
    page = "<img srcset='s.jpg 300w, m.jpg 600w, l.jpg 900w'><img width=300 srcset='x.jpg 1x, y.jpg 2x'>"
    assert [found[0] for found in told(page, choose="nearest", width=610)] == ["m.jpg", "y.jpg"]


def test_the_fallback_counts_as_the_plain_copy() -> None:
    """Src is the copy of density 1 where the set names none; not where it has widths."""
    assert told("<img srcset='b.jpg 2x' src=a.jpg>", choose="nearest")[0][0] == "a.jpg"
    assert told("<img srcset='b.jpg 200w' src=a.jpg>", choose="nearest")[0][0] == "b.jpg"


@pytest.mark.parametrize(
    "attributes",
    [
        f"src='{PIXEL}' data-src=real.jpg",
        "src=loading.gif data-original=real.jpg",
        "data-lazy-src=real.jpg src=spacer.gif",
        f"srcset='{PIXEL} 1w' data-srcset='small.jpg 10w, real.jpg 20w'",
        "src=a.gif data-lazy='real.jpg'",
        "src=a.gif data-lazy-something=real.jpg",
        "src=a.gif data-src='' data-lazy=true data-original=real.jpg",
        "src='' data-image=real.jpg data-url=/article",
        "src=real.jpg data-src='{\"a\": 1.5}' data-url=/article",
        f"src='{PIXEL}' data-srcset=real.jpg data-src=other.jpg",
        "src=a.gif data-src=' real.jpg '",
    ],
)
def test_lazy_images_are_found_where_they_are(attributes: str) -> None:
    """What stands in for an image until a script comes is not taken."""
    assert told(f"<img {attributes} alt=x>")[0] == ("real.jpg", "x", "alt")


def test_lazy_attributes_can_be_left_out() -> None:
    """Then what a browser without scripts shows counts."""
    assert told("<img src=a.jpg data-src=b.jpg>", lazy=False)[0][0] == "a.jpg"


STAND_INS = [
    PIXEL,
    "about:blank",
    "",
    "placeholder.gif",
    "/img/blank.png",
    "lazy.svg",
    "grey.gif",
    "1x1.png",
    "transparent-1x1.gif",
    "https://cdn.example/loading.gif?v=2",
    "placeholder_300x200.png",
    "no-image-placeholder.png",
]
WAITING = [
    "data-src=real.jpg",
    "data-hi=real.jpg",
    "data-picture='http://host.example/dir/real.jpg'",
    "data-hq=' real.jpg '",
    "data-sizes-set='small.jpg 300w, real.jpg 900w'",
    "data-my-srcset='real.jpg'",
    "realsrc=real.jpg",
    "data-src='p_{width}x.jpg' data-full='real.jpg'",
    "data-srcset='p_{w}.jpg 100w' data-image=real.jpg",
    "data-src=blank.html data-zoom=real.jpg",
    "data-placeholder=low.jpg data-fallback=no.jpg data-big=real.jpg",
]


@pytest.mark.parametrize("stand_in", STAND_INS)
@pytest.mark.parametrize("waiting", WAITING)
def test_what_stands_in_for_a_picture_leads_to_it(stand_in: str, waiting: str) -> None:
    """Whatever the attribute is called that holds the picture, and whether or not the stand-in is in a set, too."""
    assert told(f"<img src='{stand_in}' {waiting} alt=x>") == [("real.jpg", "x", "alt")]
    if stand_in and "," not in stand_in:
        assert told(f"<img src='{stand_in}' srcset='{stand_in} 1x' {waiting} alt=x>") == [("real.jpg", "x", "alt")]


@pytest.mark.parametrize(
    "junk",
    [
        "data-src=/article/5",
        "data-src=true",
        "data-src='{\"a\": 1}'",
        "data-src=/page.html",
        "data-src=p_{width}x.jpg",
        "data-original=1.5",
        "data-src=//",
        "data-lazy=script.js",
        "data-foo=other.jpg",
        "data-hover='other.jpg 2x'",
        "data-srcset='p_{w}.jpg 100w'",
        "data-src='javascript:void(0)/'",
    ],
)
def test_junk_does_not_replace_a_picture(junk: str) -> None:
    """What is in src is shown."""
    assert told(f"<img src=fox.jpg {junk} alt=x>") == [("fox.jpg", "x", "alt")]


@pytest.mark.parametrize(
    "name", ["grey-heron.jpg", "pixel-art.png", "a-blank-page.jpg", "lazy-dog.jpg", "white-swan.png"]
)
def test_a_picture_whose_name_has_such_a_word_is_a_picture(name: str) -> None:
    """A file is a stand-in where its name says nothing else."""
    assert told(f"<img src={name} data-foo=other.jpg alt=x>") == [(name, "x", "alt")]


@pytest.mark.parametrize(
    "stand_in", ["src=placeholder.gif", f"src='{PIXEL}'", "", "src=blank.png data-src=p_{width}x.jpg"]
)
def test_the_copy_in_noscript_counts_where_there_is_no_other(stand_in: str) -> None:
    """What stands in for it is no image of its own, and its text is the image's."""
    assert told(f"<img {stand_in} alt='the text'><noscript><img src=real.jpg></noscript>")[0][0] == "real.jpg"
    assert len(told(f"<img {stand_in} alt=x><noscript><img src=real.jpg alt=y></noscript>")) == 1


def test_a_template_without_a_picture_gives_none() -> None:
    """Neither the template nor what stands in for it."""
    assert told("<img src=blank.gif data-src=p_{width}x.jpg alt=x><img src=p_[width].jpg alt=y>") == []
    assert told("<img src=p.jpg data-src=p_{width}x.jpg alt=x>") == [("p.jpg", "x", "alt")]


def test_a_placeholder_alone_is_no_image() -> None:
    """A data: URL is never taken; the fallback in noscript is."""
    page = f"<img src='{PIXEL}' alt=x><img alt=y><noscript><img src=real.jpg alt=x></noscript>"
    assert told(page) == [("real.jpg", "x", "alt")]


def test_templates_show_nothing_but_shadow_roots_do() -> None:
    """What a script may or may not make of a template is not on the page."""
    page = "<template><img src=a.jpg alt=a></template><template shadowrootmode=open><img src=b.jpg alt=b></template>"
    assert told(page) == [("b.jpg", "b", "alt")]


def test_other_elements_that_show_images() -> None:
    """Buttons, SVG, objects, posters, AMP."""
    page = """
    <input type=IMAGE src=go.png alt=Go><input type=text src=no.png>
    <svg><image xlink:href=x.png><title>In SVG</title></image><image href=y.png aria-label=why /></svg>
    <object data=o.png type=image/png>An object</object><object data=o.pdf type=application/pdf></object>
    <embed src=e.jpg title=embedded><embed src=e.swf><amp-img src=amp.jpg alt=amp></amp-img><image src=old.jpg alt=old>
    <object data=o.gif></object><video></video>"""
    assert told(page) == [
        ("go.png", "Go", "alt"),
        ("x.png", "In SVG", "title"),
        ("y.png", "why", "aria-label"),
        ("o.png", "An object", "alt"),
        ("e.jpg", "embedded", "title"),
        ("amp.jpg", "amp", "alt"),
        ("old.jpg", "old", "alt"),
        ("o.gif", "", None),
    ]


def test_links_to_images() -> None:
    """Their own text, else that of the image in them; a link's text is the last resort for the image in it."""
    page = """
    <a href=full.jpg>The <b>full</b> picture</a> <a href=big.png><img src=thumb.png alt=Thumb></a>
    <a href=/article title='An article'><img src=lead.jpg></a> <a href=/other>Words<img src=w.jpg></a>
    <a href=x.webp title=Titled></a> <a href=z.jpg aria-label=Labelled></a><a name=here></a><a href=page.html>no</a>"""
    assert told(page) == [
        ("full.jpg", "The full picture", "link"),
        ("thumb.png", "Thumb", "alt"),
        ("big.png", "Thumb", "link"),
        ("lead.jpg", "An article", "link"),
        ("w.jpg", "Words", "link"),
        ("x.webp", "Titled", "link"),
        ("z.jpg", "Labelled", "link"),
    ]
    assert [found[0] for found in told(page, places=("elements",))] == ["thumb.png", "lead.jpg", "w.jpg"]


def test_cards() -> None:
    """og:image and twitter:image with their own texts, and what belongs to each."""
    page = """
    <meta property=og:image content=a.jpg><meta property=og:image:secure_url content=a.jpg>
    <meta property=og:image:alt content='First'><meta property=og:image:width content=1200>
    <meta property=og:image:height content=many><meta property=og:image content=b.jpg>
    <meta name=twitter:image:alt content='Before'><meta name=twitter:image content=c.jpg>
    <meta property=og:title content=no><meta name=og:image:alt content='Second'><meta property=og:image>
    <meta content=x><meta property=og:video:width content=5>"""
    assert told(page) == [("a.jpg", "First", "og"), ("b.jpg", "Second", "og"), ("c.jpg", "Before", "twitter")]
    assert next((each.width, each.height) for each in images(page)) == (1200, None)
    assert told(page, places=("elements", "json-ld")) == []


def test_the_same_image_twice_is_one_with_the_best_text() -> None:
    """Whatever names it: an element, a copy of it, a card, a link; fragments do not count."""
    page = """
    <meta property=og:image content=big.jpg><meta property=og:image:alt content='Of the card'>
    <img srcset='small.jpg 10w, big.jpg 20w'><a href='big.jpg#x'>link</a><img src=small.jpg title='a title'>
    <img src=b.jpg alt=short><img src=b.jpg alt='a longer text'><img src=b.jpg alt=b.jpg><img src=b.jpg>"""
    assert told(page) == [("big.jpg", "a title", "title"), ("b.jpg", "a longer text", "alt")]


def test_images_that_share_a_placeholder_are_different_ones() -> None:
    """What stands in for many images makes none of them the same."""
    page = """<img src=load.gif alt=wait><img src=load.gif data-src=a.jpg alt=a><img src=load.gif data-src=b.jpg alt=b>
    <img src=load.gif srcset='c.jpg 2x' alt=c><img src=load.gif srcset='d.jpg 2x' alt=d>
    <img src=load.gif srcset='e.jpg 20w' alt=e><img src=load.gif data-srcset='f.jpg 20w' alt=f>"""
    assert [found[:2] for found in told(page)] == [
        ("load.gif", "wait"),
        *((f"{name}.jpg", name) for name in "abcdef"),
    ]


def test_a_better_copy_of_an_image_that_came_before() -> None:
    """The image keeps its place and its texts, and has the better address."""
    page = (
        "<img src=s.jpg alt='the text'><img src=o.jpg alt=o><img srcset='s.jpg 10w, l.jpg 90w' title=no><img src=l.jpg>"
    )
    assert told(page) == [("l.jpg", "the text", "alt"), ("o.jpg", "o", "alt")]


def test_languages() -> None:
    """The nearest lang attribute where the text stood, else the page's."""
    page = """<html lang=en-GB><img src=a.jpg alt=a>
    <div lang=de><img src=b.jpg alt=b><p lang=''><img src=c.jpg alt=c></p>
    <img src=d.jpg alt=d lang=fr_CA><img src=e.jpg alt=e></div>
    <img src=f.jpg alt=f xml:lang=nl><img src=g.jpg alt=g>"""
    assert [each.language for each in images(page)] == ["en-GB", "de", None, "fr-CA", "de", "nl", "en-GB"]
    meta = "<meta http-equiv=Content-Language content=pt-BR><img src=a.jpg alt=a>"
    assert images(meta)[0].language == "pt-BR"
    assert images("<html lang='not a tag!'><img src=a.jpg>")[0].language is None
    assert images("<meta>" * 60 + meta)[0].language is None


def test_a_base_moves_relative_addresses() -> None:
    """The first one with an address counts."""
    page = "<base target=x><base href='/base/'><base href=/other/><img src=a.jpg>"
    assert images(page)[0].url == "http://host.example/base/a.jpg"


def test_declared_sizes() -> None:
    """Pixels of attributes or style; nothing else is one."""
    page = """<img src=a.jpg width=20 height='30px'><img src=b.jpg width='50%' style='width: 7px; max-height: 9px'>
    <img src=c.jpg style='HEIGHT:5.5PX !important'><img src=d.jpg width=wide>"""
    sizes = [(each.width, each.height) for each in images(page)]
    assert sizes == [(20, 30), (7, None), (None, 5), (None, None)]


@pytest.mark.parametrize(
    "broken",
    [
        "<img src=a.jpg alt='x'",
        "<IMG SRC=a.jpg ALT=x",
        "<div><p><img src=a.jpg alt=x></div></b></figure></a></picture>",
        "<table><img src=a.jpg alt=x><tr><td></table>",
        "<a href=/x><a href=/y><figure><img src=a.jpg alt=x>",
        "<head><img src=a.jpg alt=x></head>",
        "<img src=a.jpg alt=x alt=y src=b.jpg/>",
        "\x00<img src=a.jpg alt=x>",
    ],
)
def test_broken_markup(broken: str) -> None:
    """As browsers, extraction makes the best of it."""
    found = told(broken + ">" if broken.endswith(("'", "x")) else broken)
    assert found == [("a.jpg", "x", "alt")]


def test_a_page_has_so_many_images_and_no_more() -> None:
    """The policy's bound."""
    page = "".join(f"<img src={number}.jpg alt=x>" for number in range(50))
    assert len(images(page, images_per_page=20)) == 20


def test_what_a_spider_yields() -> None:
    """The image, its text and its page; no declared size."""
    (image,) = images("<html lang=en><img src=a.jpg alt=x width=3>")
    assert image.as_item(PAGE) == {
        "image_url": "http://host.example/dir/a.jpg",
        "alt": "x",
        "page_url": PAGE,
        "alt_source": "alt",
        "language": "en",
    }


def test_a_page_that_was_decoded_already() -> None:
    """Text instead of bytes."""
    assert extract_images("<img src=ü.jpg alt=ü>", PAGE)[0].alt == "ü"


_TAGS = ["img", "picture", "source", "figure", "figcaption", "a", "template", "noscript", "svg", "image", "video", "p"]
_ATTRIBUTES = [
    "src='x.jpg'",
    "srcset='a 1x, b 2w'",
    "alt=t",
    "href=y.png",
    "lang=de",
    "data-src=z.jpg",
    "id=i",
    "type=image",
]
_PIECES = st.one_of(
    st.builds(
        lambda name, attributes: f"<{name} {' '.join(attributes)}>",
        st.sampled_from(_TAGS),
        st.lists(st.sampled_from(_ATTRIBUTES), max_size=4),
    ),
    st.builds("</{}>".format, st.sampled_from(_TAGS)),
    st.sampled_from(
        ["text ", "<base href=/b/>", "<meta property=og:image content=o.jpg>", "<!--", "-->", "<", "&amp;"]
    ),
)


@given(st.lists(_PIECES, max_size=25))
def test_no_page_is_an_error(pieces: list[str]) -> None:
    """However elements are nested, each image is there once, with an address that can be asked for."""
    found = images("".join(pieces))
    urls = [image.url for image in found]
    assert len(urls) == len(set(urls))
    for image in found:
        assert image.url.startswith("http://host.example/")
        assert image.url in image.candidates
        assert (image.alt == "") == (image.alt_source is None)
        assert image.alt == " ".join(image.alt.split())
