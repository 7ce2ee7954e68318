r"""Patterns for bytes that come from outside: they take time in proportion to the text, whatever it is.

Python's ``re`` backtracks, which a hostile page turns into hours, and keeps the interpreter's lock while it does. RE2
(https://github.com/google/re2/wiki/Syntax) does neither. It has no lookaheads and no back references; ``\s`` lacks the
vertical tab; ``$`` matches at the very end only. A loop over matches can still be quadratic: search on from where the
last match ended.
"""

import re
from typing import cast

import re2


def linear(pattern: bytes) -> re.Pattern[bytes]:
    """Compile a pattern for bytes; one byte of the text is one character.

    Without Latin-1, RE2 would take bytes for UTF-8, and ``[^a]`` would not match a byte of 128 or more.

    Parameters
    ----------
    pattern
        In RE2's syntax. ``(?i)`` ignores case, ``(?s)`` lets a dot match a line break.
    """
    options = re2.Options()
    options.encoding = re2.Options.Encoding.LATIN1
    # Its patterns have the methods of those of `re`.
    return cast("re.Pattern[bytes]", re2.compile(pattern, options))
