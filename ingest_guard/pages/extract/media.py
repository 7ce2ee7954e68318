"""Media conditions of a ``source``: whether they hold on an ordinary screen, wide and light.

A small part of https://www.w3.org/TR/mediaqueries-4/: what pages say of pictures. What is not understood does not
hold, as in a browser.
"""

import re
from collections.abc import Callable
from functools import lru_cache

_LONGEST = 1000
_UNITS = {"px": 1.0, "em": 16.0, "rem": 16.0, "cm": 96 / 2.54, "mm": 96 / 25.4, "in": 96.0, "pt": 96 / 72, "": 1.0}
_LENGTH = re.compile(r"([0-9]+(?:\.[0-9]+)?|\.[0-9]+)([a-z]*)")
_PLAIN = re.compile(r"\(\s*([a-z-]+)\s*(?::\s*([^():]+?)\s*)?\)")
_RANGE = re.compile(r"\(\s*(?:([0-9.]+[a-z]*)\s*(<=?)\s*)?(width|height)\s*(?:(<=?|>=?|=)\s*([0-9.]+[a-z]*)\s*)?\)")
_TYPES = {"all": True, "screen": True, "print": False, "speech": False}
_HEIGHT_OF_WIDTH = 9 / 16
_DISCRETE = {
    "prefers-color-scheme": "light",
    "prefers-reduced-motion": "no-preference",
    "prefers-reduced-data": "no-preference",
    "prefers-contrast": "no-preference",
    "orientation": "landscape",
    "hover": "hover",
    "pointer": "fine",
    "scripting": "enabled",
}
_COMPARE: dict[str, Callable[[float, float], bool]] = {
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
    "=": lambda a, b: a == b,
}


@lru_cache(maxsize=1024)
def holds(query: str, screen_width: int) -> bool:
    """Tell whether a media query holds on a screen of this width, pixels; an empty one always does."""
    if not query.strip():
        return True
    if len(query) > _LONGEST:
        return False
    # One blank for several: patterns that meet two runs of blanks beside each other take the square of their lengths.
    return any(_one_holds(" ".join(one.split()), screen_width) for one in query.lower().split(","))


def _one_holds(query: str, width: int) -> bool:
    for start in ("only ", "not "):
        if query.startswith(start):
            rest = query.removeprefix(start).strip()
            truth = _all_hold(rest, width)
            return (truth is False) if start == "not " else truth is True
    return _all_hold(query, width) is True


def _all_hold(query: str, width: int) -> bool | None:
    """Return whether all parts hold; None where one of them is not understood."""
    joined = re.split(r"\s+(and|or)\s+", query)
    truths = [_part_holds(part.strip(), width) for part in joined[::2]]
    if None in truths or len(set(joined[1::2])) > 1:
        return None
    return any(truths) if "or" in joined[1::2] else all(truths)


def _part_holds(part: str, width: int) -> bool | None:
    if part in _TYPES:
        return _TYPES[part]
    if inner := re.fullmatch(r"\(?\s*not\s+(\(.*?\))\s*\)?", part):
        truth = _part_holds(inner[1], width)
        return None if truth is None else not truth
    if plain := _PLAIN.fullmatch(part):
        return _feature_holds(plain[1], plain[2], width)
    if compared := _RANGE.fullmatch(part):
        low, low_sign, name, sign, high = compared.groups()
        size = width if name == "width" else width * _HEIGHT_OF_WIDTH
        tests = [(_pixels(low or ""), low_sign, size), (size, sign, _pixels(high or ""))]
        wanted = [(a, each, b) for a, each, b in tests if each]
        return bool(wanted) and all(a is not None and b is not None and _COMPARE[each](a, b) for a, each, b in wanted)
    return None


def _feature_holds(name: str, value: str | None, width: int) -> bool | None:
    if name in _DISCRETE:
        return value is None or value == _DISCRETE[name]
    bound, _, feature = name.rpartition("-")
    size = {"width": float(width), "height": width * _HEIGHT_OF_WIDTH}.get(feature.removeprefix("device-"))
    bound = bound.removesuffix("device").rstrip("-")
    if feature == "resolution" and value:
        size, value = 1.0, value.removesuffix("dppx").removesuffix("x").strip()
    if size is None or bound not in {"min", "max", ""}:
        return None
    if value is None:
        return True
    wanted = _pixels(value)
    if wanted is None:
        return None
    return _COMPARE[{"min": ">=", "max": "<=", "": "="}[bound]](size, wanted)


def _pixels(length: str) -> float | None:
    found = _LENGTH.fullmatch(length.strip())
    return float(found[1]) * _UNITS[found[2]] if found and found[2] in _UNITS else None
