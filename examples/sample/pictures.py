"""Drawn pictures, some of them with a caption as memes have it: for the sample, and to train its model on.

All chance comes from the `random.Random` that is passed, so a seed gives the same picture again. The font is the one
that Pillow carries, so that none of the machine's is needed.
"""

import colorsys
import functools
import math

from PIL import Image, ImageDraw, ImageFilter, ImageFont

PHRASES = """
monday again
nobody said it would be easy
when the code works on the first try
one does not simply water the cactus
the cat has read your diary
still waiting for the train
forecast: sunny with umbrellas
this meeting could have been a mail
five more minutes
my brain at three in the morning
what if we just opened the window
left the keys inside
it was never plugged in
me after one salad
yes but actually no
not sure if dream or deadline
finally friday
hold my tea
and then it started to rain
we need a bigger kettle
grandma knows all your passwords
my plants have trust issues
I came here for the biscuits
so you are telling me it is only tuesday
""".strip().splitlines()
LABELS = "jan feb mar apr may jun jul aug sep oct nov dec".split()


def draw(random, size, captioned):
    """A picture of `size` (width, height) in RGB; with a caption or without one."""
    # The title of a chart is text above a picture, but hardly a caption: charts get none.
    scenes = [scene for scene in SCENES if not (captioned and scene is _chart)]
    picture = random.choice(scenes)(random, *size)
    return caption(random, picture) if captioned else picture


def caption(random, picture):
    """The picture with a caption: outlined white letters over it, or a bar with text above or below."""
    return random.choice((_outlined, _outlined, _barred))(random, picture)


def _outlined(random, picture):
    picture = picture.copy()
    width, height = picture.size
    places = random.choice((("top", "bottom"), ("top", "bottom"), ("top",), ("bottom",)))
    for place in places:
        lines, font = _fit(random, width * 0.94, height * random.uniform(0.16, 0.24), upper=random.random() < 0.85)
        stroke = max(1, round(font.size / 11))
        line_height = font.size * 1.15
        margin = height * random.uniform(0.01, 0.04)
        top = margin if place == "top" else height - margin - line_height * len(lines)
        for number, line in enumerate(lines):
            ImageDraw.Draw(picture).text(
                (width / 2, top + line_height * number),
                line,
                "white",
                font,
                "ma",
                stroke_width=stroke,
                stroke_fill="black",
            )
    return picture


def _barred(random, picture):
    width, height = picture.size
    bar, ink = random.choice((("black", "white"), ("black", "white"), ("white", "black")))
    bar_height = round(height * random.uniform(0.16, 0.26))
    lines, font = _fit(random, width * 0.9, bar_height * 0.85, upper=random.random() < 0.5)
    framed = Image.new("RGB", (width, height), bar)
    at_top = random.random() < 0.5
    framed.paste(picture.resize((width, height - bar_height)), (0, bar_height if at_top else 0))
    line_height = font.size * 1.15
    top = (bar_height - line_height * len(lines)) / 2 + (0 if at_top else height - bar_height)
    for number, line in enumerate(lines):
        ImageDraw.Draw(framed).text(
            (width / 2, top + line_height * number), line, ink, font, "ma", stroke_width=1, stroke_fill=ink
        )
    return framed


def _fit(random, width, height, upper):
    """A phrase in one or two lines, and the largest font in which they fit."""
    phrase = random.choice(PHRASES)
    words = (phrase.upper() if upper else phrase).split()
    middle = (len(words) + 1) // 2
    lines = [" ".join(words)] if len(words) < 5 else [" ".join(words[:middle]), " ".join(words[middle:])]
    longest = max(_font(100).getlength(line) for line in lines)
    return lines, _font(max(8, int(min(height / 1.15 / len(lines), 100 * width / longest))))


@functools.cache
def _font(size):
    return ImageFont.load_default(size)


def _colour(random, low=0.0, high=1.0):
    hue, saturation, value = random.random(), random.uniform(0.15, 0.9), random.uniform(low, high)
    return tuple(round(255 * part) for part in colorsys.hsv_to_rgb(hue, saturation, value))


def _gradient(random, width, height, low=0.1, high=1.0):
    corners = Image.new("RGB", (2, 2))
    corners.putdata([_colour(random, low, high) for _ in range(4)])
    return corners.resize((width, height), Image.Resampling.BILINEAR, box=(0.5, 0.5, 1.5, 1.5))


def _shapes(random, width, height):
    picture = _gradient(random, width, height)
    canvas = ImageDraw.Draw(picture)
    for _ in range(random.randint(3, 14)):
        x, y = random.uniform(-0.1, 0.9) * width, random.uniform(-0.1, 0.9) * height
        box = (x, y, x + random.uniform(0.05, 0.5) * width, y + random.uniform(0.05, 0.5) * height)
        shape = random.choice((canvas.ellipse, canvas.rectangle, canvas.ellipse))
        outline = random.choice((None, "black", "white"))
        shape(box, fill=_colour(random), outline=outline, width=random.randint(1, 4))
    return picture


def _landscape(random, width, height):
    """A sky with sun and clouds, ranges of hills that darken towards the viewer, sometimes trees."""
    picture = _gradient(random, width, height, 0.5, 1.0)
    canvas = ImageDraw.Draw(picture)
    radius = random.uniform(0.04, 0.1) * width
    x, y = random.uniform(0.1, 0.9) * width, random.uniform(0.08, 0.35) * height
    canvas.ellipse((x - radius, y - radius, x + radius, y + radius), fill=(255, 244, random.randint(160, 230)))
    for _ in range(random.randint(0, 5)):
        x, y = random.uniform(0, 1) * width, random.uniform(0.02, 0.3) * height
        for _ in range(4):
            cloud = random.uniform(0.03, 0.09) * width
            x += cloud * 0.8
            canvas.ellipse((x - cloud, y - cloud / 2, x + cloud, y + cloud / 2), fill="white")
    picture = picture.filter(ImageFilter.GaussianBlur(width / 150))
    canvas = ImageDraw.Draw(picture)
    hue, ranges = random.random(), random.randint(2, 5)
    for number in range(ranges):
        base = height * (0.4 + 0.5 * number / ranges)
        waves = [(random.uniform(0.5, 7), random.uniform(0, 6.3), random.uniform(0.01, 0.06)) for _ in range(4)]
        ridge = [
            (x, base + height * sum(rise * math.sin(turns * x / width * 6.3 + phase) for turns, phase, rise in waves))
            for x in range(0, width + 8, 4)
        ]
        fill = tuple(round(255 * part) for part in colorsys.hsv_to_rgb(hue, 0.4, 0.75 - 0.6 * number / ranges))
        canvas.polygon([*ridge, (width, height), (0, height)], fill=fill)
        if number == ranges - 1:
            for x, y in random.sample(ridge, min(len(ridge), random.randint(0, 12))):
                tall = random.uniform(0.04, 0.12) * height
                canvas.polygon([(x - tall / 3, y), (x + tall / 3, y), (x, y - tall)], fill=(20, 50, 30))
    return picture


def _chart(random, width, height):
    """Bars or lines with axes, ticks and small labels: text, but no caption."""
    picture = Image.new("RGB", (width, height), random.choice(("white", (245, 245, 240), (30, 32, 40))))
    ink = (60, 60, 60) if picture.getpixel((0, 0))[0] > 100 else (200, 200, 200)
    canvas = ImageDraw.Draw(picture)
    font = _font(max(8, height // 30))
    left, right, top, bottom = width * 0.1, width * 0.95, height * random.uniform(0.06, 0.14), height * 0.88
    canvas.line((left, top, left, bottom, right, bottom), fill=ink, width=2)
    count = random.randint(4, 12)
    values = [random.uniform(0.1, 1) for _ in range(count)]
    step = (right - left) / count
    for number in range(5):
        y = bottom - (bottom - top) * number / 4
        canvas.line((left, y, right, y), fill=ink)
        canvas.text((left - 4, y), str(number * 25), ink, font, "rm")
    points = [(left + step * (number + 0.5), bottom - (bottom - top) * value) for number, value in enumerate(values)]
    for number, (x, _) in enumerate(points):
        canvas.text((x, bottom + 4), LABELS[number], ink, font, "ma")
    if random.random() < 0.6:
        fill = _colour(random, 0.4, 0.9)
        for x, y in points:
            canvas.rectangle((x - step * 0.35, y, x + step * 0.35, bottom), fill=fill)
    else:
        for _ in range(random.randint(1, 3)):
            line = [(x, bottom - (bottom - y) * random.uniform(0.4, 1)) for x, y in points]
            canvas.line(line, fill=_colour(random, 0.4, 0.9), width=max(2, width // 200))
    return picture


def _pattern(random, width, height):
    """Stripes, tiles or a lattice: many sharp edges, none of them letters."""
    picture = Image.new("RGB", (width, height), _colour(random))
    canvas = ImageDraw.Draw(picture)
    step = max(4, round(min(width, height) * random.uniform(0.04, 0.2)))
    fill, slant = _colour(random), random.choice((0, 0, step, -step * 2))
    kind = random.choice(("stripes", "bars", "tiles", "lattice"))
    for number, x in enumerate(range(-2 * step, width + 2 * step, step)):
        if kind == "stripes" and number % 2:
            canvas.polygon([(x, 0), (x + step, 0), (x + step + slant, height), (x + slant, height)], fill=fill)
        if kind == "lattice":
            canvas.line((x, 0, x + slant, height), fill=fill, width=max(1, step // 6))
        for row, y in enumerate(range(0, height, step)):
            if kind == "tiles" and (number + row) % 2 or kind == "bars" and row % 2:
                canvas.rectangle((x, y, x + step, y + step), fill=fill)
            if kind == "lattice" and number == 0:
                canvas.line((0, y, width, y), fill=fill, width=max(1, step // 6))
    return picture


def _still(random, width, height):
    """A table with round things on it, softly lit, as photographs have it; at times between black bars as films are."""
    picture = _gradient(random, width, height, 0.3, 0.9)
    canvas = ImageDraw.Draw(picture)
    table = height * random.uniform(0.5, 0.7)
    canvas.rectangle((0, table, width, height), fill=_colour(random, 0.2, 0.8))
    for _ in range(random.randint(2, 7)):
        radius, x = random.uniform(0.05, 0.16) * width, random.uniform(0, 1) * width
        y, fill = table + random.uniform(-0.05, 0.25) * height, _colour(random, 0.4, 1.0)
        canvas.ellipse((x - radius, y - radius * 0.1, x + radius * 1.4, y + radius * 1.1), fill=(30, 25, 25))
        canvas.ellipse((x - radius, y - radius, x + radius, y + radius), fill=fill)
        shine = radius * 0.3
        canvas.ellipse((x - shine * 1.8, y - shine * 1.8, x - shine * 0.6, y - shine * 0.6), fill="white")
    picture = picture.filter(ImageFilter.GaussianBlur(width / random.uniform(80, 300)))
    if random.random() < 0.35:
        bar = height * random.uniform(0.06, 0.2)
        canvas = ImageDraw.Draw(picture)
        canvas.rectangle((0, 0, width, bar), fill="black")
        canvas.rectangle((0, height - bar, width, height), fill="black")
    return picture


SCENES = (_gradient, _shapes, _landscape, _landscape, _chart, _pattern, _still, _still)
