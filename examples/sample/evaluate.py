#!/usr/bin/env python3
"""Tells how well the two models do on the sample, as ONNX Runtime runs them; fails where they do badly.

The texts are the pages' own, without what surrounds them; the program's extraction leaves nearly the same.
"""

import io
import pathlib
import sys

import make_archive
import numpy as np
import onnxruntime
import pages
from PIL import Image
from tokenizers import Tokenizer

MODELS = pathlib.Path(__file__).parent / "models"
PASSING = 0.9


def score_texts():
    """URL, probability of being a recipe, truth."""
    session = onnxruntime.InferenceSession(MODELS / "recipe" / "model.onnx")
    tokenizer = Tokenizer.from_file(str(MODELS / "recipe" / "tokenizer.json"))
    texts = pages.load()
    rows = [tokenizer.encode(page.text()).ids[:512] for page in texts]
    ids = np.zeros((len(rows), max(map(len, rows))), np.int64)
    for number, row in enumerate(rows):
        ids[number, : len(row)] = row
    (together,) = session.run(["logits"], {"input_ids": ids, "attention_mask": (ids != 0).astype(np.int64)})
    for page, row, logits in zip(texts, rows, together):
        feed = {"input_ids": np.array([row]), "attention_mask": np.ones((1, len(row)), np.int64)}
        (alone,) = session.run(["logits"], feed)
        if not np.allclose(alone[0], logits, atol=1e-4):
            sys.exit(f"{page.url}: {alone[0]} alone, but {logits} among others")
        yield page.url, 1 / (1 + np.exp(logits[0] - logits[1])), page.is_recipe


def score_pictures():
    """URL, probability of a caption, truth; of the pictures that the demo's filter lets through."""
    session = onnxruntime.InferenceSession(MODELS / "caption" / "model.onnx")
    for url, body, facts in make_archive.draw_pictures():
        if min(facts["width"], facts["height"]) >= 96:
            picture = Image.open(io.BytesIO(body)).convert("RGB").resize((96, 96), Image.Resampling.BILINEAR)
            image = np.asarray(picture, np.float32)[None] / 255
            (probability,) = session.run(["probability"], {"image": image})
            yield url, probability[0, 0], facts["caption"]


def report(name, rows):
    """Prints mistakes and figures; whether they are good enough."""
    rows = list(rows)
    for url, score, truth in rows:
        if (score > 0.5) != truth:
            print(f"  {url}: {score:.3f}, but it is {'one' if truth else 'none'}")
    found = [truth for _, score, truth in rows if score > 0.5]
    precision, recall = sum(found) / max(1, len(found)), sum(found) / sum(truth for _, _, truth in rows)
    lowest = min(score for _, score, truth in rows if truth)
    highest = max(score for _, score, truth in rows if not truth)
    print(f"{name}: {len(rows)} scored, precision {precision:.3f}, recall {recall:.3f} at 0.5;", end=" ")
    print(f"lowest positive {lowest:.3f}, highest negative {highest:.3f}")
    return min(precision, recall) >= PASSING


if __name__ == "__main__":
    passed = [report("recipe", score_texts()), report("caption", score_pictures())]
    sys.exit(0 if all(passed) else "a model does worse than it should")
