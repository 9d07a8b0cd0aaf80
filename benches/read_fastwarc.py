"""Reads an archive as benches/read.rs does, by FastWARC: every record, HTTP headers parsed, bodies of pages read whole."""

import json
import resource
import sys

from fastwarc.warc import ArchiveIterator, WarcRecordType

PAGES = {"text/html", "application/xhtml+xml"}


def main() -> None:
    before = resource.getrusage(resource.RUSAGE_SELF)
    records = pages = body_bytes = 0
    with open(sys.argv[1], "rb") as file:
        for record in ArchiveIterator(file, parse_http=True):
            records += 1
            if record.record_type == WarcRecordType.response and record.http_content_type in PAGES:
                pages += 1
                body_bytes += len(record.reader.read())
    after = resource.getrusage(resource.RUSAGE_SELF)
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(json.dumps({"records": records, "pages": pages, "body_bytes": body_bytes, "seconds": seconds}))


main()
