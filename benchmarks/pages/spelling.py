"""Ways to spell one text in HTML, XML, style sheets, scripts and JSON, each of which a browser undoes."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

STYLES: Final = ("plain", "decimal", "hex", "zeros", "no_end", "named", "short", "mixed")
"""How characters that need no escape are spelt all the same."""
_SCHEME: Final = re.compile(r"(?i)d[\t\n]*a[\t\n]*t[\t\n]*a[\t\n]*:")
_NAMED: Final = {
    ":": "&colon;",
    ",": "&comma;",
    "/": "&sol;",
    "+": "&plus;",
    "=": "&equals;",
    ";": "&semi;",
    "\n": "&NewLine;",
    "\t": "&Tab;",
    "%": "&percnt;",
    "<": "&LT;",
    ">": "&GT;",
    '"': "&QUOT;",
    "&": "&AMP;",
}
_HEX: Final = "0123456789abcdefABCDEF"
_SHORT_JS: Final = {"\n": "\\n", "\t": "\\t", "/": "\\/", ":": "\\:", ";": "\\;", ",": "\\,"}


class Speller:
    """Spells texts in one style; random characters are spelt out, those of ``data:`` more often.

    Parameters
    ----------
    rng
        Decides which characters.
    style
        One of :data:`STYLES`.
    """

    def __init__(self, rng: random.Random, style: str) -> None:
        self.rng = rng
        self.style = style

    def attribute(self, text: str, quote: str = '"') -> str:
        """Return the inside of an HTML attribute's value."""
        return self._spell(text, "&<" + quote, self._reference)

    def xml(self, text: str, quote: str = '"') -> str:
        """Return the inside of an XML attribute's value; line breaks are always references."""
        return self._spell(text, "&<\n\t" + quote, self._xml_reference)

    def css(self, text: str, quote: str = '"') -> str:
        """Return the inside of a CSS string or, with an empty quote, of ``url()``."""
        return self._spell(text, "\\\n\f" + (quote or "\"'() \t"), self._css_escape)

    def script(self, text: str, quote: str = '"') -> str:
        """Return the inside of a JavaScript literal that may stand in an HTML page."""
        return self._spell(text, "\\\n\r<" + quote + ("$" if quote == "`" else ""), self._script_escape)

    def json(self, text: str) -> str:
        """Return the inside of a JSON string that may stand in an HTML page."""
        return self._spell(text, '\\\n\t\r<"', self._json_escape)

    def _spell(self, text: str, needed: str, escape: Callable[[str, str, str], str]) -> str:
        in_scheme = {at for match in _SCHEME.finditer(text) for at in range(*match.span())}
        share = 40 / max(len(text), 100)
        parts = []
        for at, character in enumerate(text):
            following = text[at + 1 : at + 2]
            must = character in needed
            wants = self.style != "plain" and self.rng.random() < (0.4 if at in in_scheme else share)
            if must or wants:
                style = self.style
                if style in {"mixed", "plain"}:
                    style = self.rng.choice(STYLES[1:-1]) if style == "mixed" else "decimal"
                parts.append(escape(character, following, style) if must or ord(character) < 0x80 else character)
            else:
                parts.append(character)
        return "".join(parts)

    def _reference(self, character: str, following: str, style: str) -> str:
        code = ord(character)
        if style == "hex":
            return f"&#{self.rng.choice('xX')}{code:x};"
        if style == "zeros":
            zeros = "0" * self.rng.choice((1, 3, 7, 12, 40))
            return self.rng.choice((f"&#{zeros}{code};", f"&#x{zeros}{code:X};"))
        if style == "no_end":
            if following in set(_HEX + ";") or not following:
                return f"&#{code};"
            return self.rng.choice((f"&#{code}", f"&#x{code:x}"))
        if style in {"named", "short"}:
            return _NAMED.get(character, f"&#{code};")
        return f"&#{code};"

    def _xml_reference(self, character: str, following: str, style: str) -> str:
        del following
        code = ord(character)
        if style == "zeros":
            return f"&#{'0' * self.rng.choice((1, 5, 12))}{code};"
        if style in {"hex", "named"}:
            return f"&#x{code:x};"
        return f"&#{code};"

    def _css_escape(self, character: str, following: str, style: str) -> str:
        code = ord(character)
        if style == "zeros":
            return f"\\{code:06x}" + (self.rng.choice(("", " ")) if following not in {" ", "\n", "\t"} else " ")
        if style == "short" and character not in _HEX and character not in "\n\r\f":
            return f"\\{character}"
        end = self.rng.choice((" ", "\t", "\n")) if style in {"mixed", "no_end"} else " "
        if style == "no_end" and following and following not in _HEX + " \t\n":
            end = ""
        digits = f"{code:X}" if style == "hex" else f"{code:x}"
        return f"\\{digits}{end}"

    def _script_escape(self, character: str, following: str, style: str) -> str:
        code = ord(character)
        if style == "hex":
            return f"\\x{code:02x}"
        if style == "zeros":
            return f"\\u{{{'0' * self.rng.choice((0, 2, 9))}{code:x}}}"
        if style == "no_end" and following and following not in "0123456789" and code >= 8:
            return f"\\{code:o}" if self.rng.random() < 0.8 else f"\\x{code:02X}"
        if style == "short":
            return _SHORT_JS.get(character, f"\\u{code:04x}")
        if style == "named" and character not in "\n\r\\<\"'`$" and self.rng.random() < 0.5:
            return f"\\\n{character}"
        return f"\\u{code:04X}"

    def _json_escape(self, character: str, following: str, style: str) -> str:
        del following
        if style == "short" and character in '"\\/\n\t':
            return {"\n": "\\n", "\t": "\\t"}.get(character, f"\\{character}")
        return f"\\u{ord(character):04{self.rng.choice('xX')}}"
