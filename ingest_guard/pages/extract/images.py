"""One page: from its bytes to its images."""

from ingest_guard.pages.charsets import decode, most_sensible
from ingest_guard.pages.extract.found import ImageDraft, PageImage, PageImages
from ingest_guard.pages.extract.json_ld import read_json_ld
from ingest_guard.pages.extract.texts import clean, page_language, tag
from ingest_guard.pages.extract.tree import attribute, parse
from ingest_guard.pages.extract.walk import Walk
from ingest_guard.pages.markup import forget_pages
from ingest_guard.policy.records import Extract
from ingest_guard.urls.join import Addresses

_MOST_BLOCKS = 200
_MOST_BYTES = 16 << 20
_DEFAULT = Extract()


def extract_images(
    body: bytes | str, url: str, *, content_type: str | None = None, policy: Extract = _DEFAULT
) -> list[PageImage]:
    """Return the images of a web page, each once, with the text that belongs to it, in the order of the page.

    None of a page that has letters beyond ASCII in an encoding that is neither declared nor to be seen from them: its
    texts would be rubbish. Never raises for what a page holds. Time and memory are linear in the length of the page.

    Parameters
    ----------
    body
        The page, as the server sent it, or decoded already.
    url
        Of the response: what relative addresses count from.
    content_type
        The header: the encoding that it names, and whether the page is XML.
    policy
        The section ``extract`` of a policy.
    """
    try:
        return _extract(body, url, content_type, policy)
    finally:
        forget_pages()


def _extract(body: bytes | str, url: str, content_type: str | None, policy: Extract) -> list[PageImage]:
    media_type = (content_type or "").partition(";")[0].strip().lower()
    is_xml = media_type.endswith(("/xml", "+xml"))
    if isinstance(body, str):
        return extract_from(body, "utf-8", url, is_xml=is_xml, policy=policy)
    body = body[:_MOST_BYTES]
    text, encoding = most_sensible(body, decode(body, content_type))
    if encoding is None and not text.isascii():
        return []
    return extract_from(text, encoding or "utf-8", url, is_xml=is_xml, policy=policy)


def extract_from(text: str, encoding: str, url: str, *, is_xml: bool, policy: Extract = _DEFAULT) -> list[PageImage]:
    """Return the images of a page that is decoded already, as :func:`extract_images` does.

    Parameters
    ----------
    text
        The page.
    encoding
        That it was in, by its WHATWG name: what letters in the query of an address are sent in.
    url
        Of the response: what relative addresses count from.
    is_xml
        Whether browsers read it as XML: ``application/xhtml+xml`` and other XML types.
    policy
        The section ``extract`` of a policy.
    """
    root = parse(text[:_MOST_BYTES], is_xml=is_xml)
    bases = (attribute(each, "href") for each in root.find_all("base") if each.closest("template") is None)
    base = next((each for each in bases if each is not None), None)
    addresses = Addresses(url, base, encoding)
    found = PageImages(policy)
    walk = Walk(root, policy, addresses, found)
    walk.run()
    language = page_language(root)
    named = list(walk.cards.found) if "meta" in policy.places else []
    if "json-ld" in policy.places:
        named += read_json_ld(*walk.json_ld[:_MOST_BLOCKS])
    for each in named:
        if address := addresses.absolute(each.url):
            spelled = tag(each.language) or language
            draft = ImageDraft(address, each.source, [], width=each.width, height=each.height, language=spelled)
            draft.add_text(each.source, clean(each.text), spelled)
            found.add(draft)
    return found.images()
