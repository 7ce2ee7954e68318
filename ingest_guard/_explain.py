"""What pydantic found wrong with a YAML file, in words that name line and key and never show the value."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic import ValidationError

    from ingest_guard._yaml import Location

_TEXTS = {
    "extra_forbidden": "unknown key; correct or remove it",
    "missing": "this key is missing",
    "tuple_type": "expected a list, as in [a, b]",
    "model_type": "expected keys and values",
    "dict_type": "expected keys and values",
    "too_short": "expected at least one entry",
}


def problems(
    error: ValidationError, lines: Mapping[Location, int], texts: Mapping[str, str] | None = None
) -> list[str]:
    """Return one text a problem: ``line 3: key values.0.column: expected ...``.

    Parameters
    ----------
    error
        From a model that was given what the file holds.
    lines
        From :func:`ingest_guard._yaml.load_with_lines`.
    texts
        Type of a pydantic error -> what to say, where another text than pydantic's or the usual one is wanted.
    """
    said = {**_TEXTS, **(texts or {})}
    found = []
    details = error.errors(include_url=False, include_context=False, include_input=False)
    for detail in details:
        if detail["type"] == "too_short" and any(_inside(other["loc"], detail["loc"]) for other in details):
            # Pydantic counts the members without fault only.
            continue
        # Members of a union stand in the location, too, as do the checks of a function: "function-before[...]".
        where: Location = tuple(part for part in detail["loc"] if not isinstance(part, str) or "[" not in part)
        key = where
        while key not in lines:
            key = key[:-1]
        text = said.get(detail["type"], _spoken(detail["msg"]))
        name = ".".join(str(part) for part in (where if detail["type"] == "missing" else key))
        problem = f"line {lines[key]}: " + (f"key {name}: {text}" if name else text)
        if problem not in found:
            found.append(problem)
    return found


def tuples(value: object) -> object:
    """Turn YAML's lists into tuples: strict models take no list for a tuple."""
    if isinstance(value, dict):
        return {key: tuples(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return tuple(tuples(inner) for inner in value)
    return value


def _inside(inner: Location, outer: Location) -> bool:
    return len(inner) > len(outer) and inner[: len(outer)] == outer


def _spoken(message: str) -> str:
    message = message.removeprefix("Value error, ").replace("datetime.timedelta(0)", "0")
    return f"expected {rest}" if (rest := message.removeprefix("Input should be ")) != message else message
