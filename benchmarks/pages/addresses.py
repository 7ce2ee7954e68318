"""``data:`` URLs of one picture or document, in the forms that browsers read."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import random

FORMS: Final = (
    *("base64", "percent", "base64_percent", "upper", "broken_scheme", "broken_body", "encoded_breaks", "blanks"),
    *("long_type", "long_parameter", "quoted_parameter", "charset", "no_type", "spaced_flag", "flag_first", "fragment"),
    *("leading", "no_padding", "wrong_type", "query"),
)


def data_url(rng: random.Random, body: bytes, media_type: str, form: str) -> str:
    """Return a URL of a body; whether a browser follows that form depends on the browser."""
    data = base64.b64encode(body).decode()
    if form == "percent":
        return f"data:{media_type},{escape_bytes(body, rng)}"
    if form in _HEADS:
        return _HEADS[form].format(type=media_type) + data
    if form == "broken_scheme":
        head = "".join(sign + rng.choice(("", "\n", "\t", "\n\t")) for sign in "data:")
        return f"{head}{media_type};base64,{data}"
    if form == "wrong_type":
        media_type = rng.choice(("image/png", "image/x-none", "IMAGE/GIF", "application/octet-stream"))
    elif form == "long_type":
        media_type += f";{'a' * rng.choice((100, 3000))}={'b' * 300}"
    start = rng.choice((" ", "\t", "\n", "  \n ")) if form == "leading" else ""
    return f"{start}data:{media_type};base64,{_spell_base64(rng, data, form)}"


def _spell_base64(rng: random.Random, data: str, form: str) -> str:
    """Return base64 with what a form puts into it or behind it."""
    if form == "base64_percent":
        picked = {rng.randrange(len(data)) for _ in range(rng.choice((3, 40, len(data))))}
        return "".join(f"%{ord(sign):02x}" if at in picked else sign for at, sign in enumerate(data))
    if form in _BREAKS:
        width = rng.choice((20, 76, 400))
        return _BREAKS[form].join(data[at : at + width] for at in range(0, len(data), width))
    if form == "fragment":
        return f"{data}#{rng.choice(('x', 'svgView(viewBox(0,0,9,9))', ''))}"
    if form == "leading":
        return data + rng.choice(("", " ", "\n"))
    return data.rstrip("=") if form == "no_padding" else data


_BREAKS: Final = {"broken_body": "\n", "encoded_breaks": "%0A", "blanks": "%20"}
_HEADS: Final = {
    "upper": "DATA:{type};BASE64,",
    "long_parameter": "data:{type};" + ";".join(f"p{n}=v" for n in range(60)) + ";base64,",
    "quoted_parameter": "data:{type};a='b';base64,",
    "charset": "data:{type};charset=utf-8;base64,",
    "no_type": "data:;base64,",
    "spaced_flag": "data:{type};  base64,",
    "flag_first": "data:{type};base64;a=b,",
    "query": "data:{type}?q=1;base64,",
}


def escape_bytes(body: bytes, rng: random.Random) -> str:
    """Return bytes with percent signs: all of them, or only those that need it."""
    if rng.random() < 0.3:
        return "".join(f"%{byte:02{rng.choice('xX')}}" for byte in body)
    safe = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~!*()/:;@=+$,"
    return "".join(chr(byte) if byte in safe else f"%{byte:02X}" for byte in body)
