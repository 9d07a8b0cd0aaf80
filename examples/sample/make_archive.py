#!/usr/bin/env python3
"""Writes sample.warc.gz, a small web archive with all that real ones have, and expected.json, the truth about it.

The archive is made of the texts in texts/ and of drawn pictures, and is the same byte for byte each time.
"""

import base64
import hashlib
import io
import json
import pathlib
import random
import uuid
import zlib
from collections import Counter

import pages
import pictures

FOLDER = pathlib.Path(__file__).parent
SEED = 20211005
DATE = "2021-10-05T{:02}:{:02}:{:02}Z"

HTML = "text/html"
# How pages of a language are encoded, in turn: charset, and where it is named, if at all.
LATIN = [
    ("utf-8", "header"),
    ("iso-8859-1", "header"),
    ("utf-8", "page"),
    ("iso-8859-1", "page"),
    ("iso-8859-1", "nowhere"),
]
CHARSETS = {
    "en": [("utf-8", "header"), ("utf-8", "nowhere"), ("iso-8859-1", "header"), ("utf-8", "page")],
    "ja": [
        ("shift_jis", "header"),
        ("utf-8", "header"),
        ("shift_jis", "page"),
        ("shift_jis", "nowhere"),
        ("euc-jp", "header"),
    ],
    "pl": [("utf-8", "header"), ("iso-8859-2", "header"), ("iso-8859-2", "page"), ("utf-8", "nowhere")],
    "ru": [("windows-1251", "header"), ("utf-8", "page"), ("windows-1251", "page"), ("windows-1251", "nowhere")],
}
# How bodies travel, in turn: content coding, and whether chunked.
CODINGS = [("", False), ("gzip", False), ("", True), ("gzip", True), ("deflate", False)]
# Formats of the pictures, in turn; bmp is for small ones only.
FORMATS = ["jpeg", "png", "jpeg", "webp", "gif", "jpeg"]
PICTURES = 40


class Archive:
    """A growing archive, a gzip member a record, and what is counted of it."""

    def __init__(self):
        self.data = bytearray()
        self.records = Counter()
        self.responses = []
        self.damage = Counter()

    def record(self, kind, block, url="", content_type="", extra=(), length=None):
        """The bytes of a record before compression. `length` is a Content-Length that is not the block's."""
        number = sum(self.records.values())
        self.records[kind] += 1
        identity = uuid.uuid5(uuid.NAMESPACE_URL, f"{kind} {number} {url}")
        fields = [
            ("WARC-Type", kind),
            ("WARC-Record-ID", f"<urn:uuid:{identity}>"),
            ("WARC-Date", DATE.format(8 + number // 3600, number // 60 % 60, number % 60)),
            *([("WARC-Target-URI", url)] if url else []),
            *extra,
            ("WARC-Block-Digest", digest(block)),
            ("Content-Type", content_type),
            ("Content-Length", str(len(block) if length is None else length)),
        ]
        return b"WARC/1.1\r\n" + head(fields) + block + b"\r\n\r\n"

    def add(self, kind, block, **rest):
        """Appends a record as a sound member."""
        self.data += member(self.record(kind, block, **rest))

    def fetch(
        self, url, body, content_type, status="200 OK", coding="", chunked=False, location="", damaged="", **rest
    ):
        """Appends a request and its response. `damaged` may change the member: it is called with the record."""
        request = f"GET /{url.split('/', 3)[-1]} HTTP/1.1\r\nHost: {url.split('/')[2]}\r\nAccept: */*\r\n\r\n".encode()
        self.add("request", request, url=url, content_type="application/http; msgtype=request")
        block, sent = http(status, body, content_type, coding, chunked, location)
        record = self.record(
            "response",
            block,
            url=url,
            content_type="application/http; msgtype=response",
            extra=[("WARC-Payload-Digest", digest(sent))],
            **rest,
        )
        self.data += DAMAGES[damaged](record) if damaged else member(record)
        if damaged:
            self.damage[damaged] += 1
        else:
            mime = content_type.split(";")[0]
            self.responses.append((int(status.split()[0]), mime, len(block) - block.index(b"\r\n\r\n") - 4))


def head(fields):
    """Header lines and the blank line behind them."""
    return "".join(f"{name}: {value}\r\n" for name, value in fields).encode() + b"\r\n"


def member(record):
    """A gzip member (RFC 1952), without the time at which it is made."""
    return zlib.compress(record, 9, wbits=31)


def digest(data):
    """As WARC headers have it: base32 of SHA-1."""
    return "sha1:" + base64.b32encode(hashlib.sha1(data).digest()).decode()


def http(status, body, content_type, coding="", chunked=False, location=""):
    """An HTTP response, and its body in its content coding."""
    if coding == "gzip":
        body = member(body)
    elif coding == "deflate":
        body = zlib.compress(body, 9)
    fields = [("Server", "sample"), *([("Content-Type", content_type)] if content_type else [])]
    if location:
        fields.append(("Location", location))
    if coding:
        fields.append(("Content-Encoding", coding))
    sent = body
    if chunked:
        fields.append(("Transfer-Encoding", "chunked"))
        pieces = [body[start : start + 700] for start in range(0, len(body), 700)]
        body = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in [*pieces, b""])
    else:
        fields.append(("Content-Length", str(len(body))))
    return f"HTTP/1.1 {status}\r\n".encode() + head(fields) + body, sent


def flipped(record):
    """A member with a few bytes flipped, at the first place behind its middle where inflating fails."""
    sound = member(record)
    for start in range(len(sound) // 2, len(sound) - 16):
        broken = bytearray(sound)
        for at in range(start, start + 4):
            broken[at] ^= 0xFF
        try:
            zlib.decompress(broken, wbits=31)
        except zlib.error as error:
            if "incorrect" not in str(error):
                return bytes(broken)
    raise ValueError("flipped bytes go unnoticed")


def with_wrong_crc(record):
    """A member that inflates, but to something other than its checksum says."""
    broken = bytearray(member(record))
    broken[-8] ^= 0xFF
    return bytes(broken)


# Named as the program names the reason for which the record is lost.
DAMAGES = {"corrupt_member": flipped, "bad_crc": with_wrong_crc, "bad_length": member}


def encode_picture(picture, kind):
    """The bytes of a file in this format."""
    file = io.BytesIO()
    if kind == "gif":
        picture.quantize(64).save(file, "GIF")
    else:
        options = {"jpeg": {"quality": 82}, "webp": {"quality": 75}, "png": {"optimize": True}}
        picture.save(file, kind.upper(), **options.get(kind, {}))
    return file.getvalue()


def add_pages(archive, texts):
    """Every text once, as a page in one charset and coding or another."""
    truth, turns = {}, Counter()
    for number, page in enumerate(texts):
        choices = CHARSETS.get(page.language, LATIN)
        charset, label = choices[turns[page.language] % len(choices)]
        turns[page.language] += 1
        coding, chunked = CODINGS[number % len(CODINGS)]
        related = [other for other in texts if other.language == page.language and other != page][number % 3 :][:2]
        source = page.html(related, charset if label == "page" else "", old_fashioned=number % 4 == 3)
        content_type = HTML + (f"; charset={charset}" if label == "header" else "")
        # As web servers do, whose editors have pasted what the charset lacks.
        body = source.encode(charset, "xmlcharrefreplace")
        archive.fetch(page.url, body, content_type, coding=coding, chunked=chunked)
        if number % 10 == 0:
            metadata = f"fetchTimeMs: {80 + number}\r\ncharset-detected: {charset}\r\n".encode()
            archive.add("metadata", metadata, url=page.url, content_type="application/warc-fields")
        truth[page.url] = {
            "recipe": page.is_recipe,
            "kind": page.kind,
            "language": page.language,
            "charset": charset,
            "charset_named": label,
        }
    return truth


def draw_pictures():
    """URL, file and truth of every picture. Every other one has a caption; of the rest some are as small as icons."""
    chance = random.Random(SEED)
    for number in range(PICTURES):
        captioned = number % 2 == 0
        kind = FORMATS[number // 2 % len(FORMATS)]
        size = (chance.randint(240, 900), chance.randint(200, 640))
        if number % 8 == 3:
            size = (chance.randint(64, 95), chance.randint(64, 95))
        if number % 8 == 5:
            size, kind = (chance.randint(100, 200), chance.randint(100, 200)), "bmp"
        body = encode_picture(pictures.draw(chance, size, captioned), kind)
        url = f"https://pinboard.example/uploads/2021/{number:03}.{'jpg' if kind == 'jpeg' else kind}"
        yield url, body, {"caption": captioned, "format": kind, "width": size[0], "height": size[1]}


def add_pictures(archive):
    """Every picture; of one the server says that it is a JPEG, which it is not."""
    truth = {}
    for number, (url, body, facts) in enumerate(draw_pictures()):
        # Servers go by the name of a file, and names lie: the bytes decide.
        mime = "image/jpeg" if url.endswith("/006.webp") else f"image/{facts['format']}"
        archive.fetch(url, body, mime, chunked=number % 7 == 6)
        truth[url] = facts
    return truth


def add_others(archive, texts):
    """All else that a crawl brings home: errors, redirects, wrong types, scripts, a revisit, short bodies."""
    page = texts[0]
    whole = page.html(texts[1:3]).encode()
    note = "<!DOCTYPE html><title>{0}</title><h1>{0}</h1><p>{1}</p><hr><address>sample server</address>"
    for number in range(4):
        gone = note.format("404 Not Found", "The page that you asked for is not on this server. It may have moved.")
        archive.fetch(f"https://pinboard.example/gone/{number}", gone.encode(), HTML, "404 Not Found")
    for number, target in enumerate(texts[10:13]):
        moved = note.format("301 Moved Permanently", f'It is <a href="{target.url}">here</a> now, and will stay there.')
        url = f"https://pinboard.example/moved/{number}"
        archive.fetch(url, moved.encode(), HTML, "301 Moved Permanently", location=target.url)
    archive.fetch("https://pinboard.example/ok", b"<p>ok</p>", HTML)
    archive.fetch("https://pinboard.example/pixel.gif", b"GIF89a\x01\x00\x01\x00\x00\x00\x00;", "image/gif")
    archive.fetch("https://pinboard.example/plain", whole, "text/plain; charset=utf-8")
    archive.fetch("https://pinboard.example/download", whole, "application/octet-stream")
    archive.fetch("https://pinboard.example/untyped", whole, "")
    archive.fetch("https://pinboard.example/logo.png", whole, "image/png")
    style = "body { color: #222 }\n" + "".join(f".column-{number} {{ width: {number}em }}\n" for number in range(20))
    archive.fetch("https://pinboard.example/style.css", style.encode(), "text/css", coding="gzip")
    archive.fetch(
        "https://pinboard.example/api.json", json.dumps({"items": list(range(99))}).encode(), "application/json"
    )
    revisit = b"HTTP/1.1 304 Not Modified\r\nServer: sample\r\n\r\n"
    profile = "http://netpreserve.org/warc/1.1/revisit/server-not-modified"
    archive.add(
        "revisit",
        revisit,
        url=page.url,
        content_type="application/http; msgtype=response",
        extra=[("WARC-Profile", profile)],
    )


def add_damage(archive, texts):
    """Records that are lost, each between sound ones."""
    for number, (damaged, length) in enumerate(
        [
            ("corrupt_member", None),
            ("bad_crc", None),
            ("bad_length", 90_000),
            ("corrupt_member", None),
            ("bad_length", 900),
        ]
    ):
        page = texts[number]
        url = f"{page.url}?print={number}"
        archive.fetch(url, page.html(texts[8:10], "utf-8").encode(), HTML, damaged=damaged, length=length)
    archive.data += bytes(random.Random(SEED).choices(range(32, 127), k=333))
    archive.damage["garbage"] += 1
    photo = encode_picture(pictures.draw(random.Random(SEED + 1), (400, 300), False), "jpeg")
    archive.fetch("https://pinboard.example/uploads/2021/cut.jpg", photo[: len(photo) // 2], "image/jpeg")


def outcomes(archive, types, prepared):
    """How many records a run ends in each way that the archive alone decides. `prepared` are those left out later."""
    excluded = Counter(archive.damage) + Counter(prepared)
    excluded["revisit"] = archive.records["revisit"]
    others = sum(count for kind, count in archive.records.items() if kind not in ("response", "revisit"))
    excluded["wrong_warc_type"] = others
    for status, mime, length in archive.responses:
        if status != 200:
            excluded["http_status"] += 1
        elif mime not in types:
            excluded["wrong_content_type"] += 1
        elif length < 128:
            excluded["body_too_short"] += 1
    # Garbage is an entry without being a record.
    seen = sum(archive.records.values()) + archive.damage["garbage"]
    return {"seen": seen, "scored": seen - excluded.total(), "excluded": dict(sorted(excluded.items()))}


def main():
    texts = pages.load()
    archive = Archive()
    info = "software: examples/sample/make_archive.py\r\nformat: WARC File Format 1.1\r\nisPartOf: sample\r\n".encode()
    archive.add("warcinfo", info, content_type="application/warc-fields", extra=[("WARC-Filename", "sample.warc.gz")])
    # Languages and kinds mixed, as crawls have them.
    random.Random(SEED).shuffle(texts)
    truth = {"pages": add_pages(archive, texts[:30])}
    add_damage(archive, texts)
    truth["pictures"] = add_pictures(archive)
    add_others(archive, texts)
    truth["pages"] |= add_pages(archive, texts[30:])
    small = sum(min(picture["width"], picture["height"]) < 96 for picture in truth["pictures"].values())
    wide = sum(picture["width"] < 96 for picture in truth["pictures"].values())
    picture_types = {f"image/{kind}" for kind in ("jpeg", "png", "gif", "bmp", "webp")}
    left_out = {"image_decode": 1, "image_header": 1, "filter_width": wide, "filter_height": small - wide}
    truth["records"] = dict(sorted(archive.records.items()))
    truth["demo-text"] = outcomes(archive, {HTML, "application/xhtml+xml"}, {})
    truth["demo-image"] = outcomes(archive, picture_types, left_out)
    (FOLDER / "sample.warc.gz").write_bytes(archive.data)
    expected = json.dumps(truth, ensure_ascii=False, indent=1, sort_keys=True) + "\n"
    (FOLDER / "expected.json").write_text(expected, "utf-8")
    print(f"sample.warc.gz: {len(archive.data):,} bytes, {dict(archive.records)}, damage {dict(archive.damage)}")


if __name__ == "__main__":
    main()
