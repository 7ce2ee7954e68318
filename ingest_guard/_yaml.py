"""Read a YAML file with the line of each key; describe what pydantic finds wrong by line and key, never by value."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from pydantic import ValidationError

Location = tuple[str | int, ...]
MAX_BYTES = 1_048_576
# A short file with aliases of aliases can be a large document.
_MOST_ENTRIES = 100_000
_TEXTS = {
    "extra_forbidden": "unknown key; correct or remove it",
    "missing": "this key is missing",
    "tuple_type": "expected a list, as in [a, b]",
    "model_type": "expected keys and values",
    "dict_type": "expected keys and values",
    "too_short": "expected at least one entry",
}


class _Loader(yaml.SafeLoader):
    """The safe loader, but ``3:1`` is a text: YAML 1.1 reads it as 181, in the number system of clocks."""


_CLOCK = re.compile(r"[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?$")
# Asked first, for each character that such a text can begin with.
_Loader.yaml_implicit_resolvers = {
    first: [("tag:yaml.org,2002:str", _CLOCK), *resolvers] if first and first in "-+0123456789" else resolvers
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


class YAMLProblem(ValueError):  # noqa: N818 - it is turned into a PolicyError by its only caller
    """The file is not YAML, or has the same key twice; the text names the line."""


def load_with_lines(path: Path) -> tuple[Any, dict[Location, int]]:
    """Parse ``path`` with the safe loader.

    Returns
    -------
    tuple
        The document, and for each location in it (keys and list positions from the root) its line, from 1.

    Raises
    ------
    OSError
        The file cannot be read.
    YAMLProblem
        It is not UTF-8, not YAML, too long, or names a key twice.
    """
    raw = path.read_bytes()
    if len(raw) > MAX_BYTES:
        raise YAMLProblem(f"the file has {len(raw)} bytes, more than the {MAX_BYTES} that a policy may have")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise YAMLProblem(f"the file is not UTF-8 (byte {error.start})") from None
    lines: dict[Location, int] = {(): 1}
    loader = None
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        if node is None:
            return None, lines
        _collect(node, (), lines)
        return loader.construct_document(node), lines
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        raise YAMLProblem(f"{where}{error.problem or 'not YAML'}") from None
    except yaml.YAMLError as error:
        raise YAMLProblem(f"not YAML: {str(error).splitlines()[0]}") from None
    except RecursionError:
        raise YAMLProblem("nested too deeply") from None
    except YAMLProblem:
        raise
    except (ValueError, KeyError, TypeError, OverflowError, AttributeError, IndexError) as error:
        # The safe loader raises these for an impossible date, a number that is too long, or a tag that does not fit.
        raise YAMLProblem(f"a value is not what it looks like ({type(error).__name__}); put it in quotes") from None
    finally:
        if loader is not None:
            loader.dispose()


def _collect(node: yaml.Node, where: Location, lines: dict[Location, int]) -> None:
    """Note the line of every key and list entry below ``node``; refuse a key that is there twice."""
    if len(lines) > _MOST_ENTRIES:
        raise YAMLProblem(f"more than {_MOST_ENTRIES} keys and entries")
    if isinstance(node, yaml.MappingNode):
        seen: dict[str, int] = {}
        for key, value in node.value:
            name = str(key.value)
            line = key.start_mark.line + 1
            if name in seen:
                raise YAMLProblem(f"line {line}: key {name!r} stands here and in line {seen[name]}; keep one of them")
            seen[name] = line
            inner: Location = (*where, name)
            lines[inner] = line
            _collect(value, inner, lines)
    elif isinstance(node, yaml.SequenceNode):
        for position, value in enumerate(node.value):
            entry: Location = (*where, position)
            lines[entry] = value.start_mark.line + 1
            _collect(value, entry, lines)


def describe_errors(
    error: ValidationError, lines: Mapping[Location, int], texts: Mapping[str, str] | None = None
) -> list[str]:
    """Return one text for each error: ``line 3: key values.0.column: expected ...``.

    Parameters
    ----------
    error
        From validating what the file holds.
    lines
        From :func:`load_with_lines`.
    texts
        Type of a pydantic error -> the text to use instead of pydantic's or the usual one.
    """
    texts = {**_TEXTS, **(texts or {})}
    found = []
    details = error.errors(include_url=False, include_context=False, include_input=False)
    for detail in details:
        if detail["type"] == "too_short" and any(_is_inside(other["loc"], detail["loc"]) for other in details):
            # Pydantic counts only the members that have no error.
            continue
        # The location also holds members of a union and functions' checks: "function-before[...]".
        where: Location = tuple(part for part in detail["loc"] if not isinstance(part, str) or "[" not in part)
        key = where
        while key not in lines:
            key = key[:-1]
        text = texts.get(detail["type"], _reword(detail["msg"]))
        name = ".".join(str(part) for part in (where if detail["type"] == "missing" else key))
        problem = f"line {lines[key]}: " + (f"key {name}: {text}" if name else text)
        if problem not in found:
            found.append(problem)
    return found


def to_tuples(value: object) -> object:
    """Turn YAML's lists into tuples: a strict model does not accept a list for a tuple."""
    if isinstance(value, dict):
        return {key: to_tuples(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return tuple(to_tuples(inner) for inner in value)
    return value


def _is_inside(inner: Location, outer: Location) -> bool:
    return len(inner) > len(outer) and inner[: len(outer)] == outer


def _reword(message: str) -> str:
    message = message.removeprefix("Value error, ").replace("datetime.timedelta(0)", "0")
    return f"expected {rest}" if (rest := message.removeprefix("Input should be ")) != message else message
