"""Where a page can name a picture: fragments of HTML, and whole documents of XML.

Each carrier is a function of a speller and a ``data:`` URL. All of them fill a window of :data:`SIDE` pixels, so that
what Chromium shows can be compared with the picture as it is.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.pages.spelling import Speller

    Carrier = Callable[[Speller, str], str]

SIDE: Final = 128
"""Pixels: width and height of the picture and of each page's window."""
BOX: Final = f"position:fixed;left:0;top:0;width:{SIDE}px;height:{SIDE}px;border:0;margin:0;padding:0"
_FIT: Final = f'style="{BOX}"'
_SVG: Final = f'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" {_FIT}'
_SIZE: Final = f'width="{SIDE}" height="{SIDE}"'
_SVG_NAMES: Final = f'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" {_SIZE}'


def _attribute(template: str) -> Carrier:
    """Return a carrier with the URL in a double-quoted attribute."""
    return lambda spell, url: template.replace("@", spell.attribute(url))


def _style(rule: str, markup: str) -> Carrier:
    """Return a carrier with the URL in a style sheet; ``$`` in the rule is ``url(...)``."""
    return lambda spell, url: f"<style>{rule.replace('$', css_url(spell, url))}</style>{markup}"


def css_url(spell: Speller, url: str) -> str:
    """Return ``url(...)`` in one of its forms."""
    quote = spell.rng.choice(("", '"', "'"))
    name = spell.rng.choice(("url(", "URL(", "u\\72l(", "url( ")) if spell.style != "plain" else "url("
    end = spell.rng.choice((")", " )", "\n)"))
    return f"{name}{quote}{spell.css(url, quote)}{quote}{end}"


def _quoted(spell: Speller, url: str) -> str:
    """Return an ``img`` whose value has other quotes or none, in odd tags."""
    name = spell.rng.choice(("img", "IMG", "image", "iMg"))
    source = spell.rng.choice(("src", "SRC", "sRc"))
    between = spell.rng.choice((" ", "\n", "/", "\t", " / ", "\f"))
    if spell.rng.random() < 0.5 and not set(url) & set(" \n\t>"):
        value = spell.attribute(url, "\"'>= \n\t`") if spell.style != "plain" else url
        return f"<{name}{between}{_FIT}{between}{source}={value} alt=x>"
    return f"<{name}{between}{_FIT}{between}{source} = '{spell.attribute(url, chr(39))}'alt=x/>"


def _doubled(spell: Speller, url: str) -> str:
    return f'<img {_FIT} src="{spell.attribute(url)}" src="none.png" SRC=x srcset>'


def _unclosed(spell: Speller, url: str) -> str:
    """Return an ``img`` at the end of the page, after which nothing but its end stands."""
    return f'<div><table><tr><p><b><img {_FIT} alt="a>b" src="{spell.attribute(url)}">'


def _style_attribute(spell: Speller, url: str) -> str:
    value = f"{BOX};background:{css_url(spell, url)} 0 0/{SIDE}px"
    return f'<div style="{spell.attribute(value)}"></div>'


def _variable(spell: Speller, url: str) -> str:
    name = spell.rng.choice(("--x", "--data", "--\\64"))
    return f"<style>:root{{{name}:{css_url(spell, url)}}} i{{{BOX};background:var({name})}}</style><i></i>"


def _image_set(spell: Speller, url: str) -> str:
    function = spell.rng.choice(("image-set", "-webkit-image-set", "image-\\73 et"))
    inner = f'"{spell.css(url)}"' if spell.rng.random() < 0.5 else css_url(spell, url)
    return f"<style>i{{{BOX};background-image:{function}({inner} 1x)}}</style><i></i>"


def _import(spell: Speller, url: str) -> str:
    sheet = f"i{{{BOX};background:{css_url(spell, url)}}}"
    address = "data:text/css," + _for_url(sheet)
    target = f'"{spell.css(address)}"' if spell.rng.random() < 0.5 else css_url(spell, address)
    return f"<style>@import {target};</style><i></i>"


def _for_url(text: str) -> str:
    return text.replace("%", "%25").replace("#", "%23").replace("\n", "%0A").replace("\t", "%09")


def _link(spell: Speller, url: str) -> str:
    sheet = f"i{{{BOX};background:{css_url(spell, url)}}}"
    return f'<link rel="stylesheet" href="{spell.attribute("data:text/css," + _for_url(sheet))}"><i></i>'


def _filter(spell: Speller, url: str) -> str:
    name = spell.rng.choice(("href", "xlink:href"))
    return (
        f'<svg {_SVG}><filter id="f" x="0" y="0" width="1" height="1"><feImage {name}="{spell.attribute(url)}" '
        f'{_SIZE}/></filter><rect {_SIZE} filter="url(#f)"/></svg>'
    )


def _pattern(spell: Speller, url: str) -> str:
    return (
        f'<svg {_SVG}><defs><pattern id="p" {_SIZE} patternUnits="userSpaceOnUse"><image {_SIZE} '
        f'xlink:href="{spell.attribute(url)}"/></pattern></defs><rect {_SIZE} fill="url(#p)"/></svg>'
    )


def _use(spell: Speller, url: str) -> str:
    return f'<svg {_SVG}><defs><image id="i" {_SIZE} href="{spell.attribute(url)}"/></defs><use href="#i"/></svg>'


def _animated(spell: Speller, url: str) -> str:
    address = spell.attribute(url)
    change = spell.rng.choice((f'<set attributeName="href" to="{address}"/>', "@"))
    values = f'<animate attributeName="href" values="{address.replace(";", "&#59;")}" dur="9s"/>'
    return f"<svg {_SVG}><image {_SIZE}>{change.replace('@', values)}</image></svg>"


def _srcset(spell: Speller, url: str) -> str:
    text = spell.rng.choice(
        (f"{url} 1x", f"none.png 9x, {url} 1x", f"{url}", f" ,, {url} 128w", f"{url} 1x, none.png 1.5x")
    )
    return f'<img {_FIT} srcset="{spell.attribute(text)}" src="none.png">'


def _picture(spell: Speller, url: str) -> str:
    source = f'<source type="image/jpeg" srcset="{spell.attribute(url)}">'
    return f'<picture><source media="print" srcset="no.png">{source}<img {_FIT}></picture>'


def _literal(spell: Speller, url: str) -> str:
    """Return a string literal of JavaScript, in one piece or joined with ``+``."""
    quote = spell.rng.choice(('"', "'", "`"))
    cuts = sorted(spell.rng.sample(range(1, 40), spell.rng.choice((0, 0, 1, 3))))
    parts = [url[start:end] for start, end in zip([0, *cuts], [*cuts, None], strict=True)]
    join = spell.rng.choice((" + ", "+\n", "+/*x*/"))
    return join.join(f"{quote}{spell.script(part, quote)}{quote}" for part in parts)


def _script(program: str, markup: str = "") -> Carrier:
    """Return a carrier with the URL in a literal of a script; ``@`` in the program is the literal."""
    return lambda spell, url: f"{markup}<script>{_noise(spell)}{program.replace('@', _literal(spell, url))}</script>"


def _noise(spell: Speller) -> str:
    """Return statements that a reader of literals could stumble over."""
    return spell.rng.choice(
        (
            "",
            "var a=1/2,b='/';",
            "var r=/[\"'`/]/g;",
            "// don't\n",
            '/* " */',
            "var t=`${`'`}`;",
            "if(1)/'/.test('');",
            "var x=1;x++/2;'/';",
            'var o={};var q=(1)/2;var z="/";',
            "<!-- it's\n",
            "var s='\\\\';",
        )
    )


_IMG_BY_SCRIPT: Final = (
    f"var m=document.createElement('img');m.style.cssText='{BOX}';m.src=@;document.documentElement.appendChild(m)"
)


def _json(spell: Speller, url: str) -> str:
    data = f'{{"a":1,"u":"{spell.json(url)}"}}'
    kind = spell.rng.choice(("application/json", "application/ld+json", "text/x-data", "importmap-x"))
    read = "JSON.parse(document.getElementById('d').textContent).u"
    return f'<script type="{kind}" id="d">{data}</script><script>{_IMG_BY_SCRIPT.replace("@", read)}</script>'


def _html_in_json(spell: Speller, url: str) -> str:
    fragment = f'<img {_FIT} src="{spell.attribute(url)}">'
    data = f'[{{"h":"{spell.json(fragment)}"}}]'
    read = "JSON.parse(document.getElementById('d').textContent)[0].h"
    return (
        f'<div id="o"></div><script type="application/json" id="d">{data}</script><script>o.innerHTML={read}</script>'
    )


def _written(spell: Speller, url: str) -> str:
    return f"<script>document.write({_literal(spell, f'<img {_FIT} src={chr(34)}{spell.attribute(url)}{chr(34)}>')})</script>"


def _data_attribute(spell: Speller, url: str) -> str:
    name = spell.rng.choice(("data-src", "data-lazy", "title", "alt", "data-x-y"))
    return f'<img id="m" {_FIT} {name}="{spell.attribute(url)}"><script>m.src=m.getAttribute("{name}")</script>'


def _handler(spell: Speller, url: str) -> str:
    code = f"this.onerror=null;this.src={_literal(spell, url)}"
    return f'<img {_FIT} src="data:," onerror="{spell.attribute(code)}">'


def _script_address(spell: Speller, url: str) -> str:
    markup = f'<body style="margin:0"><img {_FIT} src="{spell.attribute(url)}">'
    code = "javascript:" + _for_url(f"{_literal(spell, markup)}")
    return f'<iframe {_FIT} src="{spell.attribute(code)}"></iframe>'


def _script_file(spell: Speller, url: str) -> str:
    program = "data:text/javascript," + _for_url(_IMG_BY_SCRIPT.replace("@", _literal(spell, url)))
    kind = spell.rng.choice(("", ' type="module"'))
    return f'<script{kind} src="{spell.attribute(program)}"></script>'


def _template(spell: Speller, url: str) -> str:
    fragment = f'<img {_FIT} src="{spell.attribute(url)}">'
    return f'<template id="t">{fragment}</template><script>document.body.append(t.content.cloneNode(true))</script>'


def _shadow(spell: Speller, url: str) -> str:
    mode = spell.rng.choice(("open", "closed", "OPEN"))
    return f'<div><template shadowrootmode="{mode}"><img {_FIT} src="{spell.attribute(url)}"></template></div>'


def _comment_in_script(spell: Speller, url: str) -> str:
    """Return markup in a comment, which a script puts on the page."""
    fragment = f'<img {_FIT} src="{spell.attribute(url)}">'
    return f'<div id="c"><!--{fragment}--></div><script>c.innerHTML=c.firstChild.data</script>'


def _noscript(spell: Speller, url: str) -> str:
    return f'<noscript><!--</noscript><img {_FIT} src="{spell.attribute(url)}">-->'


def _textarea(spell: Speller, url: str) -> str:
    tag = spell.rng.choice(("textarea", "xmp", "noembed", "title", "pre"))
    fragment = f'<img {_FIT} src="{spell.attribute(url)}">'
    text = fragment if tag in {"xmp", "noembed"} else fragment.replace("&", "&amp;").replace("<", "&lt;")
    return f'<{tag} id="x">{text}</{tag}><p id="o"></p><script>o.innerHTML=document.getElementById("x").textContent</script>'


def _foreign(spell: Speller, url: str) -> str:
    inner = f'<img {_FIT} src="{spell.attribute(url)}">'
    return spell.rng.choice(
        (
            f"<svg><style>{inner}</style></svg>",
            f"<svg {_SVG}><foreignObject {_SIZE}>{inner}</foreignObject></svg>",
            f"<math><mtext>{inner}</mtext></math>",
            f"<svg><title>{inner}</title></svg>",
            f"<math><annotation-xml encoding='text/html'>{inner}</annotation-xml></math>",
            f"<math><mi><svg><desc>{inner}",
        )
    )


HTML: Final[dict[str, Carrier]] = {
    "img": _attribute(f'<img {_FIT} src="@">'),
    "img_quotes": _quoted,
    "img_doubled": _doubled,
    "img_unclosed": _unclosed,
    "srcset": _srcset,
    "picture": _picture,
    "input": _attribute(f'<input type="image" {_FIT} src="@">'),
    "poster": _attribute(f'<video {_FIT} poster="@"></video>'),
    "object": _attribute(f'<object {_FIT} data="@"></object>'),
    "embed": _attribute(f'<embed {_FIT} src="@">'),
    "iframe": _attribute(f'<iframe {_FIT} scrolling="no" src="@"></iframe>'),
    "body_background": _attribute('<body background="@">'),
    "table_background": _attribute(f'<table {_FIT} background="@"><tr><td {_SIZE}></table>'),
    "svg_image": _attribute(f'<svg {_SVG}><image {_SIZE} href="@"/></svg>'),
    "svg_xlink": _attribute(f'<svg {_SVG}><image {_SIZE} xlink:href="@"></image></svg>'),
    "fe_image": _filter,
    "pattern": _pattern,
    "use": _use,
    "animated": _animated,
    "style_attribute": _style_attribute,
    "background": _style(f"i{{{BOX};background:$ 0 0/{SIDE}px}}", "<i></i>"),
    "nested_rule": _style(f"@media all{{@layer x{{html{{& i{{{BOX};background-image:$}}}}}}}}", "<i></i>"),
    "content": _style(f"i{{{BOX};content:$}}", "<i></i>"),
    "before": _style(f"i::before{{{BOX};content:$}}", "<i></i>"),
    "list_style": _style(f"ul{{{BOX};line-height:0;list-style:inside $}}", "<ul><li></li></ul>"),
    "border_image": _style(f"i{{{BOX};box-sizing:border-box;border:64px solid;border-image:$ 64}}", "<i></i>"),
    "mask": _style(f"i{{{BOX};background:red;mask:$}}", "<i></i>"),
    "cursor": _style(f"i{{{BOX};cursor:$,auto}}", "<i></i>"),
    "variable": _variable,
    "property": _style(
        f"@property --q{{syntax:'<image>';inherits:false;initial-value:$}}i{{{BOX};background:var(--q)}}", "<i></i>"
    ),
    "image_set": _image_set,
    "cross_fade": _style(f"i{{{BOX};background:-webkit-cross-fade($,$,50%)}}", "<i></i>"),
    "import": _import,
    "link": _link,
    "script_src": _script(_IMG_BY_SCRIPT),
    "script_style": _script("document.body.style.background='url('+JSON.stringify(@)+') 0 0 no-repeat'", "<body>"),
    "script_html": _written,
    "script_file": _script_file,
    "script_address": _script_address,
    "handler": _handler,
    "json": _json,
    "html_in_json": _html_in_json,
    "data_attribute": _data_attribute,
    "template": _template,
    "shadow_root": _shadow,
    "noscript": _noscript,
    "comment": _comment_in_script,
    "textarea": _textarea,
    "foreign": _foreign,
}


def _xhtml(spell: Speller, url: str) -> str:
    doctype = spell.rng.choice(
        (
            "",
            '<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0 Strict//EN" "http://www.w3.org/TR/xhtml1/DTD/xhtml1-strict.dtd">',
        )
    )
    space = "&nbsp;" if doctype else ""
    inner = f'<p>{space}</p><img {_FIT} src="{spell.xml(url)}"/>'
    return f'{doctype}<html xmlns="http://www.w3.org/1999/xhtml"><head/><body>{inner}</body></html>'


def _svg_document(spell: Speller, url: str) -> str:
    name = spell.rng.choice(("href", "xlink:href"))
    return f'<svg {_SVG_NAMES}><image {_SIZE} {name}="{spell.xml(url)}"/></svg>'


def _entities(spell: Speller, url: str) -> str:
    count = spell.rng.choice((1, 3, 9))
    width = len(url) // count + 1
    parts = [url[at : at + width] for at in range(0, len(url), width)]
    declared = "".join(f'<!ENTITY e{n} "{spell.xml(part).replace("%", "&#37;")}">' for n, part in enumerate(parts))
    uses = "".join(f"&e{n};" for n in range(len(parts)))
    if spell.rng.random() < 0.3:
        declared += f'<!ENTITY all "{uses}">'
        uses = "&all;"
    return f'<!DOCTYPE svg [{declared}]><svg {_SVG_NAMES}><image {_SIZE} href="{uses}"/></svg>'


def _defaults(spell: Speller, url: str) -> str:
    value = spell.xml(url).replace("%", "&#37;")
    return f'<!DOCTYPE svg [<!ATTLIST image href CDATA "{value}">]><svg {_SVG_NAMES}><image {_SIZE}/></svg>'


def _parameters(spell: Speller, url: str) -> str:
    value = spell.xml(url).replace("%", "&#37;").replace("'", "&#39;")
    return (
        f"<!DOCTYPE svg [<!ENTITY % p '<!ENTITY u \"{value.replace('&', '&#38;')}\">'>%p;]>"
        f'<svg {_SVG_NAMES}><image {_SIZE} href="&u;"/></svg>'
    )


def _svg_style(spell: Speller, url: str) -> str:
    rule = f"i{{display:block;{BOX};background:{css_url(spell, url)}}}".replace("<", "\\3c ").replace("&", "\\26 ")
    opening, closing = spell.rng.choice((("<![CDATA[", "]]>"), ("", "")))
    inner = f'<foreignObject {_SIZE}><i xmlns="http://www.w3.org/1999/xhtml"/></foreignObject>'
    return f"<svg {_SVG_NAMES}><style>{opening}{rule}{closing}</style>{inner}</svg>"


def _instruction(spell: Speller, url: str) -> str:
    sheet = f"i{{display:block;{BOX};background:{css_url(spell, url)}}}"
    address = spell.xml("data:text/css," + _for_url(sheet))
    return (
        f'<?xml-stylesheet type="text/css" href="{address}"?><html xmlns="http://www.w3.org/1999/xhtml"><body>'
        "<i></i></body></html>"
    )


def _transformed(spell: Speller, url: str) -> str:
    sheet = (
        '<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform"><xsl:template match="/">'
        f'<html><body><img style="{BOX}" src="{spell.xml(url)}"/></body></html></xsl:template></xsl:stylesheet>'
    )
    if spell.rng.random() < 0.5:
        return f'<?xml-stylesheet type="text/xsl" href="{spell.xml("data:text/xsl," + _for_url(sheet))}"?><a/>'
    body = sheet.replace("<xsl:stylesheet ", '<xsl:stylesheet id="s" ', 1)
    return f'<?xml-stylesheet type="text/xsl" href="#s"?><!DOCTYPE a [<!ATTLIST xsl:stylesheet id ID #IMPLIED>]><a>{body}</a>'


def _early_error(spell: Speller, url: str) -> str:
    """Return a document that is not well-formed behind the picture: a browser shows what stands before the error."""
    return (
        f'<svg {_SVG_NAMES}><image {_SIZE} href="{spell.xml(url)}"/>{spell.rng.choice(("<a>", "&nbsp;", "</b>"))}</svg>'
    )


def _prefixed(spell: Speller, url: str) -> str:
    fit = json.dumps(BOX)
    return f'<doc xmlns:h="http://www.w3.org/1999/xhtml"><h:img style={fit} src="{spell.xml(url)}"/></doc>'


def _xml_script(spell: Speller, url: str) -> str:
    program = (
        "var m=document.createElementNS('http://www.w3.org/2000/svg','image');m.setAttribute('width',128);"
        f"m.setAttribute('height',128);m.setAttribute('href',{_literal(spell, url)});document.documentElement.append(m)"
    ).replace("&", "\\x26")
    return f"<svg {_SVG_NAMES}><script><![CDATA[{program}]]></script></svg>"


XML: Final[dict[str, tuple[str, Carrier]]] = {
    "xhtml": ("application/xhtml+xml", _xhtml),
    "svg_document": ("image/svg+xml", _svg_document),
    "entities": ("image/svg+xml", _entities),
    "attribute_defaults": ("image/svg+xml", _defaults),
    "parameter_entities": ("image/svg+xml", _parameters),
    "svg_style": ("image/svg+xml", _svg_style),
    "xml_stylesheet": ("application/xhtml+xml", _instruction),
    "xslt": ("application/xml", _transformed),
    "xml_error": ("image/svg+xml", _early_error),
    "xml_prefix": ("text/xml", _prefixed),
    "xml_script": ("image/svg+xml", _xml_script),
}
