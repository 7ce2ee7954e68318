"""Read a YAML file and remember in which line each key stands, so that errors can point at it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from pathlib import Path

Location = tuple[str | int, ...]
MAX_BYTES = 1_048_576
# Aliases of aliases make a short file a large document.
_MOST_ENTRIES = 100_000


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
        # What the safe loader lets out for a date that is none, a number too long, or a tag that does not fit.
        raise YAMLProblem(f"a value is not what it looks like ({type(error).__name__}); put it in quotes") from None
    finally:
        if loader is not None:
            loader.dispose()


def _collect(node: yaml.Node, where: Location, lines: dict[Location, int]) -> None:
    """Note the line of every key and list entry below ``node``; refuse a key that stands twice."""
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
