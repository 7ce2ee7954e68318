"""What is writing by its bytes: in any charset of the web, and not the samples of a picture."""

# ruff: noqa: RUF001 - writing in many scripts

from __future__ import annotations

import numpy as np
import pytest

from ingest_guard.imaging.sniffing.charset import has_charset
from ingest_guard.imaging.sniffing.sniff import Kind, sniff

_WRITING = {
    "Привет, мир! Это обычная страница — с «кавычками» и № 5.": "cp1251 koi8_r cp866 iso8859_5 mac_cyrillic",
    "Це звичайна сторінка українською мовою, з літерами ґ, є, і, ї.": "cp1251 koi8_u mac_cyrillic",
    "Größe, Äpfel, Übung und Straße kosten fünf Euro.": "cp1252 latin_1 iso8859_15 cp850 cp437 mac_roman",
    "L’été dernier, où étiez-vous ? « À la forêt… » — dit-elle.": "cp1252 mac_roman",
    "Příliš žluťoučký kůň úpěl ďábelské ódy. Zażółć gęślą jaźń.": "cp1250 iso8859_2 cp852 mac_latin2",
    "Η γρήγορη καφέ αλεπού πηδάει πάνω από το σκυλί.": "cp1253 iso8859_7 cp737 mac_greek",
    "Şişli'de güneşli bir öğleden sonra çığlık.": "cp1254 iso8859_9 cp857 mac_turkish",
    "זהו עמוד רגיל בעברית, עם מילים ומספרים 123.": "cp1255 iso8859_8 cp862",
    "هذه صفحة عادية باللغة العربية، فيها كلمات وأرقام؟": "cp1256 iso8859_6",
    "Šį rytą ąžuolas žaliavo, o ėjimas buvo lėtas.": "cp1257 iso8859_13 cp775",
    "นี่คือหน้าเว็บธรรมดาภาษาไทย มีคำมากมาย": "cp874 tis_620 iso8859_11",
    "これは普通の日本語のページです。写真と文章があります。": "cp932 shift_jis euc_jp",
    "这是一个普通的中文网页，有文字和图片。": "gbk gb2312 gb18030",
    "這是一個普通的中文網頁，有文字和圖片。": "big5 big5hkscs",
    "이것은 평범한 한국어 페이지입니다. 사진이 있습니다.": "euc_kr cp949",
}  # fmt: skip
_CASES = [(text, name) for text, names in _WRITING.items() for name in names.split()]


@pytest.mark.parametrize(("text", "name"), _CASES, ids=[name + str(number) for number, (_, name) in enumerate(_CASES)])
@pytest.mark.parametrize("times", [1, 300])
def test_writing_in_a_charset_of_the_web_is_text(text: str, name: str, times: int) -> None:
    """A sentence and a page of it, alone and inside markup."""
    data = (text + "\n").encode(name, "ignore") * times
    assert sniff(data).kind is Kind.TEXT
    assert sniff(b"<html><body><p>some words</p>" + data).kind is Kind.TEXT


@pytest.mark.parametrize("name", ["utf-8", "cp1251", "cp932"])
def test_text_of_several_pieces_is_text(name: str) -> None:
    """Characters that are cut between two of them are whole."""
    assert has_charset(b"x" + "я".encode(name) * (3 << 19))


@pytest.mark.parametrize("name", ["cp1251", "cp1252", "gbk"])
def test_page_in_two_charsets_is_text(name: str) -> None:
    """UTF-8 with comments that somebody pasted in from elsewhere."""
    other = {"cp1251": "Это вставка", "cp1252": "Äpfel für fünf", "gbk": "这是一个普通的"}[name] + " "
    assert has_charset(("Ein Text für alle. " * 100).encode() + other.encode(name) * 20)


@pytest.mark.parametrize("signs", ["©2026 ®", "“quotes” – dashes … • dots", "25 °C, 5 €, £ 3, § 7"])
def test_signs_alone_are_text(signs: str) -> None:
    """English has no letters beyond ASCII, only signs."""
    assert has_charset((signs + " and words. ").encode("cp1252") * 200)


def test_random_bytes_are_no_writing() -> None:
    """Nor are those of compressed data without its control bytes."""
    data = np.random.default_rng(5).integers(32, 256, 20_000).astype(np.uint8).tobytes()
    assert not has_charset(data)
    assert sniff(data).kind is Kind.BINARY


def test_few_stray_bytes_are_no_matter() -> None:
    """Eight bytes of nothing in a page are a page."""
    assert has_charset(b"words and words " * 5 + bytes(range(0x81, 0x89)))
    assert not has_charset(b"words" + bytes(range(0x80, 0x100)) * 2)
