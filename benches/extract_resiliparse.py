"""Prepares pages as benches/extract.rs does, by FastWARC, Resiliparse and tokenizers: the recipe of WARC-DL.

Arguments: a tokenizer.json, and archives. Prints what was counted, CPU seconds of the whole path, CPU milliseconds a page
for parsing and both texts alone, and the characters of the first of these.
"""

import json
import resource
import sys
import zlib

import brotli
from fastwarc.warc import ArchiveIterator, WarcRecordType
from resiliparse.extract.html2text import extract_plain_text
from resiliparse.parse.encoding import bytes_to_str, detect_encoding
from resiliparse.parse.html import HTMLTree
from resiliparse.parse.lang import detect_fast
from tokenizers import Tokenizer

PAGES = {"text/html", "application/xhtml+xml"}
MAX_TOKENS = 512
# Pages for the texts alone.
TEXTS = 2000


def both_texts(tree: HTMLTree) -> tuple[str, str]:
    prediction = extract_plain_text(
        tree,
        preserve_formatting=False,
        main_content=True,
        list_bullets=False,
        alt_texts=False,
        links=False,
        form_fields=False,
        noscript=False,
    )
    export = extract_plain_text(
        tree,
        preserve_formatting=True,
        main_content=True,
        list_bullets=True,
        alt_texts=True,
        links=True,
        form_fields=True,
        noscript=True,
    )
    return prediction, export


def cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def decoded(body: bytes, encoding: str) -> bytes:
    """The body without its compression, or as it is. FastWARC 2.0.1 ends at the first compressed body that it decodes."""
    try:
        if encoding in ("gzip", "x-gzip", "deflate"):
            return zlib.decompressobj(32 + zlib.MAX_WBITS).decompress(body)
        if encoding == "br":
            return brotli.decompress(body)
    except (zlib.error, brotli.error):
        pass
    return body


def pages(path: str):
    """Bodies of pages with their charsets; every record is read."""
    with open(path, "rb") as file:
        for record in ArchiveIterator(file, parse_http=True, auto_decode="transfer"):
            if record.record_type == WarcRecordType.response and record.http_content_type in PAGES:
                encoding = (record.http_headers.get("Content-Encoding") or "").strip().lower()
                yield record.http_charset, decoded(record.reader.read(), encoding)


def main() -> None:
    tokenizer = Tokenizer.from_file(sys.argv[1])
    tokenizer.enable_truncation(MAX_TOKENS)
    begin = cpu()
    count = tokens = 0
    for path in sys.argv[2:]:
        for charset, body in pages(path):
            tree = HTMLTree.parse_from_bytes(body, charset or detect_encoding(body))
            prediction, _export = both_texts(tree)
            detect_fast(prediction)
            tokens += len(tokenizer.encode(prediction).ids)
            count += 1
    seconds = cpu() - begin
    html = []
    for path in sys.argv[2:]:
        for charset, body in pages(path):
            if len(html) < TEXTS:
                html.append(bytes_to_str(body, charset or detect_encoding(body)))
    begin = cpu()
    for page in html:
        both_texts(HTMLTree.parse(page))
    texts_ms = (cpu() - begin) * 1000 / max(len(html), 1)
    chars = sum(len(both_texts(HTMLTree.parse(page))[0]) for page in html)
    print(json.dumps({"pages": count, "tokens": tokens, "chars": chars, "seconds": seconds, "texts_ms": texts_ms}))


main()
