"""Pages after the shapes of themes that many sites have, with made-up contents: what a crawl meets most often.

The scripts are those of lazy loading, cut down to what they do to an image.
"""

# ruff: noqa: E501 - elements as sites write them, on one line

from __future__ import annotations

import json
import random
from collections.abc import Callable

_LAZY_SCRIPT = """<script>
for (const image of document.querySelectorAll("img.lazyload, img.lazy")) {
  if (image.dataset.srcset) image.srcset = image.dataset.srcset;
  if (image.dataset.src && !image.dataset.src.includes("{")) image.src = image.dataset.src;
}
</script>"""
_PIXEL = "data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7"
_NOUNS = ("fox", "lamp", "bridge", "Käse", "寺", "हिन्दी", "собака", "rock & roll", "H<sub>2</sub>O", "“tea”")
_PLACES = ("in the snow", "at night", "near Köln", "of 1912", "&mdash; detail", "on the <em>roof</em>")


def _words(dice: random.Random) -> str:
    return f"{dice.choice(_NOUNS)} {dice.choice(_PLACES)} {dice.randrange(1000)}"


def _plain(dice: random.Random) -> str:
    return f"{dice.choice(_NOUNS[:6])} {dice.randrange(1000)}"


def _shop(dice: random.Random) -> str:
    """Cards of products: sets of widths, templates beside a picture, the copy in noscript."""
    cards = []
    for number in range(6):
        file = f"/cdn/shop/files/p{number}-{dice.randrange(10**6)}"
        sizes = ", ".join(f"{file}_{width}x.jpg?v=1 {width}w" for width in (180, 360, 540, 1080))
        cards.append(
            dice.choice(
                (
                    f'<img srcset="{sizes}" src="{file}_533x.jpg?v=1" sizes="100vw" alt="{_plain(dice)}" loading=eager>',
                    (
                        f'<img class="lazyload" src="{file}_300x300.jpg?v=1" data-src="{file}_{{width}}x.jpg?v=1" '
                        f'data-widths="[180, 360]" data-sizes="auto" alt="{_plain(dice)}">'
                    ),
                    (
                        f'<img class="lazyload" src="{_PIXEL}" data-src="{file}_720x.jpg?v=1" alt="{_plain(dice)}">'
                        f'<noscript><img src="{file}_720x.jpg?v=1" alt="x"></noscript>'
                    ),
                )
            )
        )
    items = "".join(
        f"<li class=grid__item><div class=card>{card}<h3><a href=/p>{_words(dice)}</a></h3></div></li>"
        for card in cards
    )
    return f"<html lang=en><body><ul class=grid>{items}</ul>{_LAZY_SCRIPT}"


def _blog(dice: random.Random) -> str:
    """Figures of a block editor, a graph of structured data, captions of several blocks."""
    file = f"/wp-content/uploads/2024/0{dice.randrange(1, 9)}/a{dice.randrange(10**6)}"
    graph = {
        "@context": "https://schema.org",
        "@graph": [
            {"@type": "Article", "@id": "/#article", "headline": "Ten ways", "image": {"@id": "/#primaryimage"}},
            {"@type": "ImageObject", "@id": "/#primaryimage", "url": f"{file}.jpg"},
        ],
    }
    figures = "".join(
        f'<figure class="wp-block-image size-large"><img decoding=async src="{file}-{number}-1024x683.jpg" alt="" '
        f'srcset="{file}-{number}-1024x683.jpg 1024w, {file}-{number}-300x200.jpg 300w" sizes="(max-width: 1024px) 100vw, '
        f'1024px"><figcaption class="wp-element-caption">{_words(dice)}<br>{_words(dice)}<span hidden>no</span></figcaption>'
        "</figure>"
        for number in range(4)
    )
    return (
        f'<html lang=de><head><script type="application/ld+json" class="yoast-schema-graph">{json.dumps(graph)}</script>'
        f'</head><body><img class="lazy" src="{_PIXEL}" data-src="{file}.jpg" alt="{_plain(dice)}"><noscript>'
        f'<img src="{file}.jpg" alt="x"></noscript>{figures}{_LAZY_SCRIPT}'
    )


def _wiki(dice: random.Random) -> str:
    """Thumbnails with a set of densities, captions with formulas and notes, a table of facts."""
    figures = "".join(
        f'<figure typeof="mw:File/Thumb"><a href="/wiki/File:F{number}.jpg" class="mw-file-description"><img src="//'
        f'{{HOST}}/thumb/f{number}-{dice.randrange(10**6)}/220px-F.jpg" srcset="/thumb/f{number}/330px-F.jpg 1.5x, '
        f'/thumb/f{number}/440px-F.jpg 2x" width=220 height=140 class="mw-file-element"></a><figcaption>{_words(dice)}'
        f'<span style="display: none;"><math><annotation>no</annotation></math></span> by <a href=/w>{_words(dice)}</a>'
        f"<sup>[1]</sup></figcaption></figure>"
        for number in range(5)
    )
    return f"<html lang=en><body><table><tr><td><img src='/box.png' alt='{_plain(dice)}'></td></tr></table>{figures}"


def _forum(dice: random.Random) -> str:
    """Light boxes: a link to the picture around its thumbnail, with a line of facts below."""
    posts = "".join(
        f'<div class="lightbox-wrapper"><a class="lightbox" href="/original/i{number}.jpeg" title="{_plain(dice)}"><img '
        f'src="/optimized/i{number}-{dice.randrange(10**6)}_690x388.jpeg" alt="{_plain(dice)}" width=690 height=388 srcset="'
        f'/optimized/i{number}_690x388.jpeg, /optimized/i{number}_1035x582.jpeg 1.5x" data-dominant-color="999999"><div '
        f'class="meta"><svg aria-hidden=true></svg><span class=filename>{_words(dice)}</span></div></a></div>'
        for number in range(4)
    )
    return f"<html><body><div class=cooked><p>{_words(dice)}</p>{posts}<img src=/emoji/smile.png class=emoji alt=':smile:'></div>"


def _cms(dice: random.Random) -> str:
    """Pictures of several types, fields in blocks, a caption in an article's figure."""
    articles = "".join(
        f'<article class="media"><figure><picture><source srcset="/styles/l/a{number}.webp 1x" type="image/webp" media="all '
        f'and (min-width: 851px)"><source srcset="/styles/s/a{number}.webp 1x" type="image/webp"><img loading=eager '
        f'src="/styles/s/a{number}.jpg?itok={dice.randrange(10**6)}" width=300 height=200></picture><figcaption><div '
        f'class="field"><div class="field__label">{_words(dice)}</div><div class="field__item">{_words(dice)}</div></div>'
        "</figcaption></figure></article>"
        for number in range(3)
    )
    return f"<html lang=fr dir=ltr><body>{articles}<img src='/core/logo.svg' alt='{_plain(dice)}'>"


def _news(dice: random.Random) -> str:
    """Captions of text, credit and a button to share, lists, cells, pictures in noscript alone."""
    stories = "".join(
        f'<figure><img src="/ace/{number}-{dice.randrange(10**6)}.jpg.webp" srcset="/ace/240/{number}.webp 240w, '
        f'/ace/1024/{number}.webp 1024w" sizes="(min-width: 800px) 1024px, 100vw" width=976 height=549><figcaption><p>'
        f"{_words(dice)}</p><p>Photo: {_plain(dice)}</p><ul><li>{_words(dice)}</li><li>two</li></ul><table><tr><td>a</td>"
        f"<td>b</td></tr></table><button>Share</button></figcaption></figure>"
        for number in range(3)
    )
    return f"<html lang=en-GB><body><main>{stories}<noscript><img src=/only.jpg alt=only></noscript></main>"


THEMES: dict[str, Callable[[random.Random], str]] = {
    "shop": _shop,
    "blog": _blog,
    "wiki": _wiki,
    "forum": _forum,
    "cms": _cms,
    "news": _news,
}

CAPTIONS_SCRIPT = """
[...document.querySelectorAll("figure")].map(figure => {
  for (const button of figure.querySelectorAll("button")) button.replaceWith(" ");
  return {
    url: figure.querySelector("img").currentSrc,
    text: figure.querySelector("figcaption").innerText,
    alt: figure.querySelector("img").alt,
  };
})
"""
"""Returns the caption of each figure, as it is shown."""


def theme_page(name: str, seed: int, host: str) -> bytes:
    """Return one page in the shape of a theme, the same for the same seed.

    Parameters
    ----------
    name
        Of :data:`THEMES`.
    seed
        What it shows.
    host
        Where it is served, with the port.
    """
    page = THEMES[name](random.Random(f"{name} {seed}"))
    return f"<!DOCTYPE html><meta charset=utf-8>{page}".replace("{HOST}", host).encode()
