"""Makes the archive of pictures of benches/image.rs, and reads it as that does, by FastWARC and Pillow.

image_pillow.py make ARCHIVE | read SIDE ARCHIVE [PIXELS]
"""

import gzip
import io
import json
import math
import random
import resource
import sys

from fastwarc.warc import ArchiveIterator, WarcRecordType
from PIL import Image, ImageDraw, ImageFilter

PICTURES = 240
TYPES = {"image/jpeg", "image/png", "image/gif", "image/bmp", "image/webp"}
# Shares of formats, about as on pages: most are photographs in JPEG, some of them progressive.
FORMATS = ["jpeg"] * 11 + ["progressive"] * 3 + ["png"] * 4 + ["gif", "webp"]


def photograph(width: int, height: int) -> Image.Image:
    """Shapes before a sky, with noise at several scales: compresses about as photographs do."""
    picture = Image.linear_gradient("L").resize((width, height))
    channels = []
    for _ in range(3):
        channel = picture.point([int(random.random() * 40 + level * random.uniform(0.5, 0.8)) for level in range(256)])
        channels.append(channel)
    picture = Image.merge("RGB", channels).filter(ImageFilter.GaussianBlur(3))
    draw = ImageDraw.Draw(picture)
    for _ in range(random.randint(8, 40)):
        x, y = random.randint(-50, width), random.randint(-50, height)
        size = random.randint(10, max(12, width // 3))
        colour = tuple(random.randint(0, 255) for _ in range(3))
        shape = random.choice([draw.ellipse, draw.rectangle])
        shape((x, y, x + size, y + random.randint(10, size)), fill=colour)
    for scale, strength in ((24, 0.20), (6, 0.15), (2, 0.06), (1, 0.03)):
        size = (max(1, width // scale), max(1, height // scale))
        noise = Image.merge("RGB", [Image.effect_noise(size, 90) for _ in range(3)])
        picture = Image.blend(picture, noise.resize((width, height), Image.Resampling.BICUBIC), strength)
    return picture


def drawing(width: int, height: int) -> Image.Image:
    """Flat areas, lines and letters, as of logos, charts and screens."""
    picture = Image.new("RGB", (width, height), tuple(random.randint(200, 255) for _ in range(3)))
    draw = ImageDraw.Draw(picture)
    for _ in range(random.randint(20, 80)):
        x, y = random.randint(0, width), random.randint(0, height)
        colour = tuple(random.randint(0, 255) for _ in range(3))
        if random.random() < 0.5:
            draw.text((x, y), "".join(random.choices("abcdefghijklmnop qrst", k=24)), fill=colour)
        else:
            draw.rectangle((x, y, x + random.randint(5, 120), y + random.randint(2, 60)), fill=colour)
    return picture


def encoded(kind: str) -> tuple[str, bytes]:
    """MIME type and file."""
    width = min(2400, max(80, int(random.lognormvariate(math.log(600), 0.6))))
    height = min(2400, max(60, int(width * random.uniform(0.5, 1.3))))
    file = io.BytesIO()
    if kind in ("jpeg", "progressive"):
        options = {"quality": random.randint(70, 92), "subsampling": random.choice([2, 2, 2, 0])}
        photograph(width, height).save(file, "JPEG", progressive=kind == "progressive", **options)
        return "image/jpeg", file.getvalue()
    drawn = photograph(width // 2, height // 2) if random.random() < 0.3 else drawing(width, height)
    if kind == "png" and random.random() < 0.3:
        drawn.putalpha(Image.linear_gradient("L").resize(drawn.size))
    if kind == "gif":
        drawn = drawn.quantize(64)
    options = {"quality": 80} if kind == "webp" else {}
    drawn.save(file, kind.upper(), **options)
    return f"image/{kind}", file.getvalue()


def record(kind: str, url: str, block: bytes) -> bytes:
    head = (
        f"WARC/1.1\r\nWARC-Type: {kind}\r\nWARC-Date: 2026-11-22T00:00:00Z\r\nWARC-Target-URI: {url}\r\n"
        f"WARC-Record-ID: <urn:uuid:00000000-0000-4000-8000-{len(url) + len(block):012x}>\r\n"
        f"Content-Type: application/http; msgtype={kind}\r\nContent-Length: {len(block)}\r\n\r\n"
    )
    return head.encode() + block + b"\r\n\r\n"


def make(path: str) -> dict:
    random.seed(7)
    picture_bytes = 0
    with open(path, "wb") as file:
        for number in range(PICTURES):
            mime, picture = encoded(FORMATS[number % len(FORMATS)])
            picture_bytes += len(picture)
            url = f"https://pictures.example/{number}"
            head = f"HTTP/1.1 200 OK\r\nContent-Type: {mime}\r\nContent-Length: {len(picture)}\r\n\r\n"
            file.write(gzip.compress(record("request", url, b"GET / HTTP/1.1\r\n\r\n"), 6))
            file.write(gzip.compress(record("response", url, head.encode() + picture), 6))
    return {"pictures": PICTURES, "picture_bytes": picture_bytes}


def seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def read(side: int, path: str, pixels_to: str | None) -> dict:
    before = last = seconds()
    records = pictures = 0
    formats: dict[str, float] = {}
    pixels = []
    with open(path, "rb") as file:
        for item in ArchiveIterator(file, parse_http=True):
            records += 1
            if item.record_type == WarcRecordType.response and item.http_content_type in TYPES:
                picture = Image.open(io.BytesIO(item.reader.read()))
                width, height = picture.size
                if max(width, height) <= 16384 and width * height <= 64_000_000:
                    small = picture.convert("RGB").resize((side, side), Image.Resampling.BILINEAR)
                    data = small.tobytes()
                    pictures += 1
                    if pixels_to:
                        pixels.append(data)
                now = seconds()
                formats[item.http_content_type] = formats.get(item.http_content_type, 0.0) + now - last
            last = seconds()
    took = seconds() - before
    if pixels_to:
        with open(pixels_to, "wb") as file:
            file.write(b"".join(pixels))
    return {"records": records, "pictures": pictures, "formats": formats, "seconds": took}


if sys.argv[1] == "make":
    print(json.dumps(make(sys.argv[2])))
else:
    print(json.dumps(read(int(sys.argv[2]), sys.argv[3], sys.argv[4] if len(sys.argv) > 4 else None)))
