"""Public bug reports of the field, tried on the product. usage: PYTHON run.py [WORD]; run with the project's python (extras lists, parquet); WORD: only cases whose name has it.

Each case is an input of our own after a public report. A line a case, then 'OK: n of m right'.
'control' cases are right today and must stay so when the others are mended. Everything runs on 127.0.0.x, in a folder that is removed.
"""
import asyncio, base64, contextlib, json, os, shutil, subprocess, sys, tempfile, threading
from pathlib import Path
from urllib.parse import unquote

sys.path.insert(0, str(Path(__file__).parent))
import inputs as i

PORT, COMMAND = None, str(Path(sys.executable).parent / "ingest-guard")
ONLY = sys.argv[1] if len(sys.argv) > 1 else ""
ROBOTS = "User-agent: *\nDisallow: /priv/\n"
work = Path(tempfile.mkdtemp()); os.chdir(work)
results, opinions, asked = [], [], []


def case(name, right, detail="", debatable=False):
    """One line. ``debatable``: documented, or others would do the same; counted apart."""
    if ONLY in name:
        (opinions if debatable else results).append(bool(right))
        word = "right" if right else "WRONG?" if debatable else "WRONG"
        print(f"{word:6} {name}{'' if right else '  ' + str(detail)[:230]}", flush=True)


# ------------------------------------------------------------------------------------------------------------ a server of raw answers
J = i.jpeg
GIF = i.file(i.photo(5, (120, 90)), "GIF")
IMAGES = {
    "ce-utf8": lambda: i.answer(J("ce-utf8"), headers=["Content-Encoding: UTF-8"]), "ce-aws": lambda: i.answer(J("ce-aws"), headers=["Content-Encoding: aws-chunked"]),
    "ce-none": lambda: i.answer(J("ce-none"), headers=["Content-Encoding: none"]), "ce-lie": lambda: i.answer(J("ce-lie"), headers=["Content-Encoding: gzip"]),
    "close": lambda: i.answer(J("close"), length=False), "http10": lambda: i.answer(J("http10"), length=False, version="1.0"),
    "close-cut": lambda: i.answer(J("close-cut")[:-900], length=False),
    "no-eoi": lambda: i.answer(J("no-eoi")[:-2]), "gif-no-trailer": lambda: i.answer(GIF[:-1], "image/gif"), "cut": lambda: i.answer(J("cut")[: len(J("cut")) // 2]), "half": lambda: i.answer(J("half")[: len(J("half")) // 2] + b"\xff\xd9"),
}
FIRST = "\n".join(["encodings", "frames", "words", "listed", "names", "xh-noai", "xh-tdm", "xh-closed", "xh-free"])
LISTED = ["/pic/list[1].jpg", "/pic/list|2.jpg", "/pic/q.jpg?size=[3]", "/pic/q.jpg?t=it's4", "/pic/plain5.jpg"]
ALTS = {"payload": "data:image/jpeg;base64," + base64.b64encode(J("payload")).decode()}


def respond(host, path):
    if path == "/robots.txt":
        return {11: lambda: i.answer("oops", "text/plain", "500 Oops"), 12: lambda: i.answer(ROBOTS, "text/plain")[:-10], 13: lambda: i.answer("no", "text/plain", "404 No"), 14: lambda: i.answer(ROBOTS, "text/plain")}.get(host, lambda: i.answer("", "text/plain"))()
    if path.startswith("/img/"):
        name = path[5:].partition(".")[0]
        return IMAGES[name]() if name in IMAGES else i.answer("", "text/plain", "404 No")
    if path.startswith("/pic/"):
        return i.answer(J(path))
    pages = {
        "/encodings": i.page(*((f"/img/{n}.jpg", n) for n in ("ce-utf8", "ce-aws", "ce-none", "ce-lie", "close", "http10", "close-cut"))),
        "/frames": i.page(*((f"/img/{n}.jpg", n) for n in ("no-eoi", "gif-no-trailer", "cut", "half"))),
        "/words": i.page(*((f"/pic/{n}.jpg", alt) for n, alt in ALTS.items())),
        "/listed": i.page(*((src, src) for src in LISTED), ("/pic/free.jpg", "free")),
        "/names": i.page(("/pic/icon-sprite.png", "icons")),
        "/idn": '<html><body><img src="/pic/idn.jpg" alt="first"><a href="/lk/idn">n</a></body></html>',
        "/nolang": "<html><body><img src=/pic/nolang.jpg alt='no language'></body></html>", "/lang": "<html lang=en><body><img src=/pic/lang.jpg alt='a language'></body></html>",
    }
    if path in pages:
        return i.answer(pages[path], "text/html; charset=utf-8")
    noai, tdm = '<meta name="robots" content="noai"/>', '<meta name="tdm-reservation" content="1"/>'
    xhtml = {"/xh-noai": i.xhtml(noai, "/pic/x1.jpg", "x1"), "/xh-tdm": i.xhtml(tdm, "/pic/x2.jpg", "x2"), "/xh-closed": i.xhtml(noai, "/pic/x3.jpg", "x3", "<script src='/x.js'></script>"), "/xh-free": i.xhtml("", "/pic/x4.jpg", "x4")}
    if path in xhtml:
        return i.answer(xhtml[path], "application/xhtml+xml")
    if path in ("/pub/a", "/priv/a"):
        return i.answer(i.page((f"/pic/{host}{path.replace('/', '-')}.jpg", f"{host} {path}")), "text/html")
    if path.startswith("/lk/"):
        return i.answer(i.page((f"/pic/{path[4:]}.jpg", "link " + path)), "text/html")
    return i.answer("", "text/plain", "404 No")


async def serve(reader, writer):
    with contextlib.suppress(Exception):
        line = (await reader.readuntil(b"\r\n\r\n")).split(b"\r\n")[0].decode().split(" ")[1]
        if line.startswith("http://"):  # as a proxy: hosts that no name server knows
            line = "/" + line.split("/", 3)[3]
        host = int(writer.get_extra_info("sockname")[0].rpartition(".")[2]); asked.append((host, line))
        writer.write(respond(host, line)); await writer.drain()
    writer.close()


def start():
    global PORT
    loop, ready = asyncio.new_event_loop(), threading.Event()

    def run():
        global PORT
        first = loop.run_until_complete(asyncio.start_server(serve, "127.0.0.1", 0)); PORT = first.sockets[0].getsockname()[1]
        loop.run_until_complete(asyncio.start_server(serve, [f"127.0.0.{n}" for n in (11, 12, 13, 14)], PORT))
        ready.set(); loop.run_forever()

    threading.Thread(target=run, daemon=True).start(); ready.wait(20)


def call(*args, **environment):
    done = subprocess.run([COMMAND, *args], capture_output=True, text=True, env={**os.environ, **environment})
    return done.returncode, done.stdout + done.stderr


def crawl(seeds, out, *more, depth="0", policy="policy.yaml", **environment):
    Path("seeds.txt").write_bytes(seeds if isinstance(seeds, bytes) else "\n".join(seeds).encode())
    code, text = call("crawl", "--seeds", "seeds.txt", "-o", out, "--policy", policy, "--format", "jsonl", "--depth", depth, "-s", "AUTOTHROTTLE_ENABLED=False", "-s", "DOWNLOAD_DELAY=0", "-s", "RETRY_TIMES=0", "-s", "LOG_FILE=crawl.log", *more, **environment)
    return code, text, [json.loads(line) for shard in sorted(Path(out).glob("records-*.jsonl")) for line in shard.open()]


def build(folder, rows, kind="plain"):
    Path("list.txt").write_text("\n".join(rows) + "\n"); shutil.rmtree(folder, ignore_errors=True)
    return call("blocklist", "build", folder, "--list", f"l:{kind}:list.txt")


def guard(folder):
    from ingest_guard import Guard, Policy
    Path(f"{folder}.yaml").write_text(f"blocklist: {folder}\nworkers: inline\n")
    return Guard.from_policy(Policy.load(f"{folder}.yaml"))


def extract(body, kind="text/html"):
    from ingest_guard.data import extract_images
    return list(extract_images(body if isinstance(body, bytes) else body.encode(), "https://s.example/p/", content_type=kind))


# ------------------------------------------------------------------------------------------------------------ without a crawl
def extraction():
    for name, (body, want) in i.TEXTS.items():
        got = [image.alt for image in extract(body)]
        case(f"01 text of blocks: {name}", got == [want], got)
    got = [image.url for image in extract('<img src="https://straße.example/a.jpg" alt="x">')]
    case("03 host with sharp s: asked as browsers do", got == ["https://xn--strae-oqa.example/a.jpg"], got)
    bad = [label for label, (codec, text) in i.LABELS.items() if [image.alt for image in extract(f'<meta charset="{label}"><img src=/a.jpg alt="{text}">'.encode(codec))] != [text]]
    case("04 names of encodings that browsers know (header or meta)", not bad, f"{len(bad)} of {len(i.LABELS)} are mojibake: {' '.join(bad)}")
    for name, codec, text in (("Russian", "cp1251", "Большая собака бежит по улице домой. "), ("Japanese", "cp932", "病気の分類と一覧を示します。写真もあります。")):
        got = [image.alt for image in extract(f'<html><title>{text}</title><p>{text * 20}</p><img src=/a.jpg alt="{text.strip()}">'.encode(codec))]
        case(f"06 no encoding declared: {name}", got in ([text.strip()], []), got)
    for name, (src, lazy) in i.TEMPLATES.items():
        got = [image.url for image in extract(f'<img class=lazyload src="{src}" data-src="{lazy}" data-widths="[180, 360]" alt="Lamp">')]
        case(f"07 lazy address that is a template: {name}", got == [f"https://s.example{src}"], got)
    got = [(image.url, image.alt) for image in extract(f'<script type="application/ld+json">{i.GRAPH}</script>')]
    case("09 JSON-LD: image of an article named by @id", got == [("https://s.example/bread.jpg", "Ten ways to bake")], got)
    got = [image.alt for image in extract('<img src=/a.jpg alt="don&#146;t &#150; &#133;">')]
    case("29 numeric references to Windows' characters (right with libxml2 2.14, wrong with 2.10)", got == ["don’t – …"], got)
    case("control: a charset in a comment does not count", [image.alt for image in extract('<!-- <meta charset=koi8-r> --><meta charset=windows-1251><img src=/a.jpg alt="Кот">'.encode("cp1251"))] == ["Кот"])
    case("control: inline elements of a caption add no blank", [image.alt for image in extract("<figure><img src=/a.jpg><figcaption>H<sub>2</sub>O and <b>fire</b>works</figcaption></figure>")] == ["H2O and fireworks"])


def lists():
    rows = [f"https://example.org{path}" for path in ("/a[1].jpg", "/a|2.jpg", "/q.jpg?s=[3]", "/q.jpg?t=it's4", "/plain5.jpg")]
    build("urls", rows, "urls"); book = guard("urls").blocklist
    from scrapy import Request
    missed = [row for row in rows if not book.match_url(Request(row).url)]
    case("02 listed address in the spelling in which it is asked for", not missed, missed)
    build("hosts", ["straße.example", "βόλος.example"], "domains"); book = guard("hosts").blocklist
    got = [bool(book.match_url(f"https://{host}/")) for host in ("xn--strae-oqa.example", "xn--nxasmm1c.example", "strasse.example")]
    case("03 listed host with a letter that IDNA 2003 folded", got == [True, True, False], f"listed, listed, another host: matched {got}")
    import imagehash
    from PIL import Image
    for alg, of in (("phash", imagehash.phash), ("dhash", imagehash.dhash), ("ahash", imagehash.average_hash), ("whash", imagehash.whash)):
        found = []
        for turn in (3, 6, 8):
            data = i.file(i.photo(7, (640, 480)), exif=i.EXIF % turn)
            build("turned", [f"{alg} {of(Image.open(i.io.BytesIO(data)))}", "md5 " + "0123456789abcdef" * 2])
            found.append(guard("turned").check(data).outcome.name)
        case(f"11 {alg} of a photograph with an EXIF turn, as imagehash makes it: the same file", found == ["MATCH"] * 3, found)
    from ingest_guard import Policy
    from ingest_guard.dataset.records.filters import Filters
    bad = []
    for host, url in (("bücher.example", "https://xn--bcher-kva.example/a"), ("*.wild.example", "https://a.wild.example/a"), ("https://full.example/", "https://full.example/a"), ("port.example:8080", "https://port.example:8080/a")):
        Path("hosts.yaml").write_text(f"blocklist: hosts\nfilters: {{blocked_hosts: ['{host}']}}\n")
        with contextlib.suppress(Exception):  # an error that refuses the entry is right, too
            if not Filters(Policy.load("hosts.yaml").filters).blocks_host(url):
                bad.append(host)
    case("31 filters.blocked_hosts in other spellings: blocked, or refused", not bad, f"taken, and never match: {bad}")


# ------------------------------------------------------------------------------------------------------------ with a crawl
def crawls():
    build("none", ["md5 " + "0123456789abcdef" * 2]); Path("policy.yaml").write_text("blocklist: none\nworkers: 1\n")
    start(); here = f"http://127.0.0.1:{PORT}"
    build("bl", [here + path for path in LISTED], "urls"); Path("listed.yaml").write_text("blocklist: bl\nworkers: 1\n")
    seeds = [f"{here}/{name}" for name in FIRST.split() if name != "listed"]
    alts = {record["alt"] for record in crawl(seeds, "main")[2]}
    lost = [name for name in ("ce-utf8", "ce-aws", "ce-none") if name not in alts]
    case("12 Content-Encoding that is no coding, a whole picture as sent", not lost, f"lost: {lost}")
    case("control: a body that is not in the coding it names makes no record", "ce-lie" not in alts)
    lost = [name for name in ("close", "http10") if name not in alts]
    case("13 answer whose length is told by the end of the connection", not lost, f"lost: {lost}")
    case("control: a picture cut off, without a length, makes no record", "close-cut" not in alts and "cut" not in alts)
    lost = [name for name in ("no-eoi", "gif-no-trailer") if name not in alts]
    case("14 all of the picture, without the end mark", not lost, f"lost: {lost}", debatable=True)
    case("27 half of a picture, with an end mark, makes no record", "half" not in alts, "a record of 160 x 120", debatable=True)
    case("control: an item with a picture in its text is dropped", ALTS["payload"] not in alts)
    case("21 opt-out of an XHTML page behind a closed script", not {"x1", "x2"} & alts, "noai and tdm-reservation not heeded")
    case("control: opt-out and images of other XHTML pages", "x3" not in alts and "x4" in alts)
    case("control: a sheet of icons is dropped", "icons" not in alts)
    got = {record["alt"] for record in crawl([f"{here}/listed"], "second", policy="listed.yaml")[2]}
    case("02 pictures at listed addresses are not asked for", got == {"free"}, f"records of listed addresses: {sorted(got - {'free'})}")
    got = {record["alt"] for record in crawl([f"http://127.0.0.{n}:{PORT}{path}" for n in (11, 12, 13, 14) for path in ("/pub/a", "/priv/a")], "robots")[2]}
    case("18 robots.txt that cannot be had (500, cut off): nothing is asked for", not {alt for alt in got if alt.startswith(("11 ", "12 "))}, sorted(got), debatable=True)
    case("control: no robots.txt allows, one that says so forbids", {alt for alt in got if alt.startswith(("13 ", "14 "))} == {"13 /pub/a", "13 /priv/a", "14 /pub/a"}, sorted(got))
    code, text, records = crawl(b"\xff\xfe" + f"{here}/listed\r\n".encode("utf-16-le"), "wide")
    case("19 seeds in UTF-16: read, or an error that says so", records or (code != 0 and "UTF" in text), f"exit {code}, {len(records)} records, told: {text.strip()[-100:]!r}")
    code, text, records = crawl([f"{here}/listed"], "x%(time)s")
    case("20 -o with %(time)s: the records where the manifest is, or an error", records or code != 0, f"exit {code}, {len(records)} records beside the manifest, {sum(1 for p in Path().glob('x2*/records*') for _ in p.open())} in another folder")
    for name, seed, more in (("seed", "http://bücher.example/idn", ()), ("--domains", "http://xn--bcher-kva.example/idn", ("--domains", "bücher.example"))):
        got = {record["alt"] for record in crawl([seed], "idn" + name.strip("-"), *more, depth="1", http_proxy=here)[2]}
        case(f"30 host in its own letters: {name}", got == {"first", "link /lk/idn"}, f"{sorted(got)}; the log says: {next((line[46:] for line in Path('crawl.log').read_text().splitlines() if 'No page' in line), '')}")
    try:
        os.environ.update(HF_HUB_OFFLINE="1", HF_DATASETS_DISABLE_PROGRESS_BARS="1")
        import datasets
    except ImportError:
        print("-      25 JSON Lines in datasets: not tried, the package is not here")
    else:
        crawl([f"{here}/nolang"], "two"); crawl([f"{here}/lang"], "two")
        try:
            rows = datasets.load_dataset("json", data_files=str(work / "two" / "records-*.jsonl"), cache_dir=str(work / "hf"), split="train"); case("25 JSON Lines of two crawls in datasets", rows.num_rows == 2, debatable=True)
        except Exception as error:  # noqa: BLE001
            case("25 JSON Lines of two crawls in datasets", False, repr(error.__cause__ or error), debatable=True)


def items():
    project = work / "proj"; (project / "p" / "spiders").mkdir(parents=True)
    for name, text in {"scrapy.cfg": "[settings]\ndefault = p.settings\n", "p/__init__.py": "", "p/spiders/__init__.py": "", "policy.yaml": "blocklist: ../none\nworkers: 1\n",
                       "p/settings.py": 'SPIDER_MODULES=["p.spiders"]\nADDONS={"ingest_guard.Addon":0}\nINGEST_GUARD_POLICY="policy.yaml"\n'}.items():
        (project / name).write_text(text)
    (project / "p/spiders/s.py").write_text(f"""import scrapy
B = "http://127.0.0.1:{PORT}"
class S(scrapy.Spider):
    name = "s"; start_urls = [B + "/names"]
    def parse(self, response):
        yield {{"image_urls": [B + f"/pic/s{{n}}.jpg" for n in (1, 2, 3)], "alt": ["one", "two"]}}
        yield {{"image_urls": [B + "/pic/t1.jpg", B + "/pic/t2.jpg"], "alt": ["t one", "t two"]}}
        yield {{"image_urls": B + "/pic/u1.jpg", "alt": "a text instead of a list"}}
        yield {{"image_url": [B + "/pic/v1.jpg"], "alt": "a list instead of a text"}}
        yield {{"image_urls": {{B + "/pic/w1.jpg"}}, "alt": "a set"}}
""")
    log = subprocess.run([COMMAND, "crawl", "s", "-s", "INGEST_GUARD_DATASET=out", "-s", "INGEST_GUARD_FORMAT=jsonl", "-s", "LOG_LEVEL=INFO"], cwd=project, capture_output=True, text=True).stderr
    records = {unquote(record["url"]).rpartition("/")[2]: record["alt"] for shard in (project / "out").glob("*.jsonl") if shard.name.startswith("records") for line in shard.open() for record in [json.loads(line)]}
    got = [records.get(f"s{n}.jpg") for n in (1, 2, 3)]
    case("23 list of texts of another length than the list of pictures", not any(alt and "one two" in alt for alt in got), f"each picture got {got[0]!r}")
    case("28 address in a list, addresses in a set: taken, or said in the log", {"v1.jpg", "w1.jpg"} <= set(records) or "WARNING" in log, f"taken: {sorted({'v1.jpg', 'w1.jpg'} & set(records))}, and no line in the log", debatable=True)
    case("control: lists of one length, and one address that is no list", [records.get(n) for n in ("t1.jpg", "t2.jpg", "u1.jpg")] == ["t one", "t two", "a text instead of a list"], records)


try:
    extraction(); lists(); crawls(); items()
finally:
    os.chdir("/"); shutil.rmtree(work, ignore_errors=True)
print(f"debatable: {sum(opinions)} of {len(opinions)} right")
print(f"OK: {sum(results)} of {len(results)} right")
sys.exit(not all(results))
