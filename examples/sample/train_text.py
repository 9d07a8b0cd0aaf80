#!/usr/bin/env python3
"""Trains models/recipe: is a page a recipe?

Each word has a weight, its log odds to stand in a recipe (naive Bayes, counted). The score is a logistic regression on
the mean weight of the text and of its most recipe-like passages, for recipes often begin with a long story. The texts
to learn from are put together from the phrases of phrases/. The pages of the sample play no part: they are the test.
"""

import json
import os
import pathlib
import random
import re
from collections import Counter

os.environ["TOKENIZERS_PARALLELISM"] = "false"

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

FOLDER = pathlib.Path(__file__).parent
MODEL = FOLDER / "models" / "recipe"
SEED = 7
LABELS = {"0": "OTHER", "1": "RECIPE"}
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
PAD, UNK = 0, 1
# Words of Japanese syllables, as BERT's rules part them from the Chinese characters around.
KANA = re.compile("[\u3040-\u30ff]+")
# Sections of single words, the kinds of text that are no recipe.
LISTS = ("foods", "units", "headings")
OTHERS = ("restaurant", "travel", "news", "garden", "howto", "product", "poem")

DOCUMENTS = 8_000
# Entries of the tokenizer: words, and pieces of Japanese words of at most so many characters.
VOCABULARY, PIECES, PIECE = 6_000, 1_500, 4
MAX_TOKENS = 512
# Lengths of passages, in tokens.
WINDOWS = (32, 64, 128)
# Occurrences in a million tokens that are added to each count, and the largest weight of a word.
SMOOTHING, LARGEST = 5, 3.0
# At most this share of a text's tokens is hidden from the regression: real texts are full of words never seen.
UNKNOWN = 0.8
# Of each kind of phrase this share is kept from training; texts made of them tell how well new phrases are judged.
HELD_OUT = 0.25
# Below every mean weight.
NOWHERE = -1e4


def load_phrases():
    """The phrases of each language: section, list of lines."""
    languages = {}
    for file in sorted((FOLDER / "phrases").glob("*.txt")):
        sections = languages[file.stem] = {}
        for part in file.read_text("utf-8").split("@ ")[1:]:
            name, *lines = part.strip().split("\n")
            sections[name] = [item for line in lines for item in (line.split(", ") if name in LISTS else [line])]
    return languages


def fill(chance, phrases, text):
    """The phrase with something in each of its gaps: {f}ood, {n}umber, {t}emperature."""
    while "{f}" in text:
        text = text.replace("{f}", chance.choice(phrases["foods"]), 1)
    while "{n}" in text:
        text = text.replace("{n}", str(chance.choice((2, 3, 4, 5, 8, 10, 12, 15, 20, 25, 30, 40, 45, 60, 90))), 1)
    return text.replace("{t}", str(chance.choice((150, 160, 170, 175, 180, 190, 200, 220, 250))))


def some(chance, phrases, section, low, high):
    """From `low` to `high` phrases of a section, filled in."""
    lines = phrases[section]
    return [fill(chance, phrases, line) for line in chance.sample(lines, min(len(lines), chance.randint(low, high)))]


def ingredient(chance, language, phrases):
    """A line of a list of ingredients."""
    amount = chance.choice(
        ("1", "2", "3", "4", "6", "50", "100", "125", "150", "200", "250", "400", "500", "1/2", "1,5")
    )
    food, unit = chance.choice(phrases["foods"]), chance.choice(phrases["units"])
    if language == "ja":
        return f"{food} {unit}{amount}" if unit in ("大さじ", "小さじ", "カップ") else f"{food} {amount}{unit}"
    if chance.random() < 0.25:
        return f"{amount} {food}"
    return f"{amount} {unit} {food}"


def recipe(chance, language, phrases):
    """A recipe: as list and steps, or told in one go; with a story before it or without one."""
    lines = some(chance, phrases, "story", 0, 4)
    # People tell of anything before they come to the point.
    if chance.random() < 0.6:
        for _ in range(chance.randint(1, 5)):
            lines += some(chance, phrases, chance.choice(OTHERS), 1, 1)
    chance.shuffle(lines)
    if chance.random() < 0.75:
        headings = chance.sample(phrases["headings"], 2)
        listed = [ingredient(chance, language, phrases) for _ in range(chance.randint(3, 13))]
        lines += headings[:1] * (chance.random() < 0.8) + listed + headings[1:] * (chance.random() < 0.8)
    lines += some(chance, phrases, "steps", 3, 12)
    return lines + some(chance, phrases, "story", 0, 2)


def other(chance, language, phrases):
    """Anything else, about food in one way or another half of the time."""
    kinds = ["restaurant"] if chance.random() < 0.45 else [chance.choice(OTHERS)]
    if chance.random() < 0.3:
        kinds.append(chance.choice(OTHERS))
    lines = [line for kind in kinds for line in some(chance, phrases, kind, 2, 10)]
    lines += some(chance, phrases, "story", 0, 4)
    if chance.random() < 0.3:
        lines += chance.sample(phrases["foods"], chance.randint(1, 6))
    if chance.random() < 0.5:
        chance.shuffle(lines)
    return lines


def document(chance, languages):
    """A text and whether it is a recipe."""
    language = chance.choice(list(languages))
    is_recipe = chance.random() < 0.5
    lines = (recipe if is_recipe else other)(chance, language, languages[language])
    return "\n".join(lines), int(is_recipe)


def split(chance, languages):
    """The phrases to train with, and those to test with. Foods, units and headings are the same in both."""
    training, testing = {}, {}
    for language, sections in languages.items():
        training[language], testing[language] = {}, {}
        for name, lines in sections.items():
            kept = lines
            if name not in LISTS:
                lines = chance.sample(lines, len(lines))
                count = max(1, round(len(lines) * HELD_OUT))
                lines, kept = lines[count:], lines[:count]
            training[language][name], testing[language][name] = lines, kept
    return training, testing


def train_tokenizer(texts):
    """A WordPiece tokenizer with BERT's normalisation, special tokens and template.

    Its entries are the characters, the most frequent words, and pieces of Japanese words, which no spaces part. They
    are counted here because the trainers of `tokenizers` break ties differently from run to run.
    """
    normalizer, pre_tokenizer = normalizers.BertNormalizer(lowercase=True), pre_tokenizers.BertPreTokenizer()
    words, pieces = Counter(), Counter()
    for text in texts:
        words.update(word for word, _ in pre_tokenizer.pre_tokenize_str(normalizer.normalize_str(text)))
    for word, count in words.items():
        if KANA.fullmatch(word):
            for start in range(len(word)):
                for end in range(start + 2, min(start + PIECE, len(word)) + 1):
                    pieces["##" * (start > 0) + word[start:end]] += count
    characters = sorted({character for word in words for character in word})
    entries = [*SPECIAL, *characters, *("##" + character for character in characters)]
    for counts, most in ((words, VOCABULARY), (pieces, PIECES)):
        entries += sorted(counts, key=lambda entry: (-counts[entry], entry))[:most]
    vocabulary = {entry: number for number, entry in enumerate(dict.fromkeys(entries))}

    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.add_special_tokens(SPECIAL)
    tokenizer.normalizer, tokenizer.pre_tokenizer = normalizer, pre_tokenizer
    tokenizer.decoder = decoders.WordPiece()
    ends = [(token, tokenizer.token_to_id(token)) for token in ("[CLS]", "[SEP]")]
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=ends
    )
    return tokenizer


class Words:
    """What the tokenizer's entries tell: the weight of each, and which are fragments."""

    def __init__(self, tokenizer):
        entries = [tokenizer.id_to_token(number) for number in range(tokenizer.get_vocab_size())]
        # Pieces of words never seen tell nothing. Japanese has no spaces, so there they are all that there is.
        self.fragment = np.array([entry[:2] == "##" and not KANA.fullmatch(entry[2:]) for entry in entries], np.float32)
        self.weight = np.zeros(len(entries), np.float32)

    def whole(self, ids):
        """1.0 for whole words, 0.0 for fragments and what stands before one, the first piece of the same word."""
        fragment = self.fragment[ids]
        return (1 - fragment) * (1 - np.append(fragment[1:], 0))

    def count(self, encoded):
        """Learns the weights."""
        counts = np.zeros((2, len(self.weight)))
        for ids, label in encoded:
            np.add.at(counts[label], ids, self.whole(ids))
        per_million = counts / counts.sum(1, keepdims=True) * 1e6 + SMOOTHING
        self.weight = np.log(per_million[1] / per_million[0]).clip(-LARGEST, LARGEST).astype(np.float32)
        self.weight[: len(SPECIAL)] = 0

    def features(self, ids):
        """Mean weight of the text, and of the best passage of each length around any of its tokens."""
        weights = self.weight[ids] * self.whole(ids)
        sums = np.concatenate([[0], weights.cumsum()])
        at = np.arange(len(ids))
        best = [
            (sums[np.minimum(at + length // 2, len(ids))] - sums[np.maximum(at - length // 2, 0)]).max() / length
            for length in WINDOWS
        ]
        return [weights.mean(), *best]


def regress(features, labels):
    """Weights of the features and the bias, by Newton's method, slightly regularised."""
    inputs = np.column_stack([features, np.ones(len(features))])
    result = np.zeros(inputs.shape[1])
    for _ in range(50):
        probability = 1 / (1 + np.exp(-inputs @ result))
        hessian = (inputs.T * (probability * (1 - probability))) @ inputs + np.eye(len(result))
        result += np.linalg.solve(hessian, inputs.T @ (labels - probability) - result)
    return result


def train(documents, numbers):
    """Tokenizer, words and regression, all learnt from these texts."""
    tokenizer = train_tokenizer(text for text, _ in documents)
    encoded = encode(tokenizer, documents)
    words = Words(tokenizer)
    words.count(encoded)
    features = []
    for ids, _ in encoded:
        hidden = numbers.random(len(ids)) < numbers.random() * UNKNOWN
        features.append(words.features(np.where(hidden, UNK, ids)))
    return tokenizer, words, regress(np.array(features), np.array([label for _, label in encoded]))


def encode(tokenizer, documents):
    """Ids and label of each text."""
    return [(np.array(tokenizer.encode(text).ids[:MAX_TOKENS]), label) for text, label in documents]


def export(words, regression, path):
    """Writes the model as an ONNX graph of standard operators. Padding is masked out: no row depends on it."""
    constants = {
        "weight": words.weight,
        "fragment": words.fragment,
        # The logits of OTHER and RECIPE: their difference is what the regression says.
        "slope": np.outer(regression[:-1], [-0.5, 0.5]).astype(np.float32),
        "bias": (regression[-1] * np.array([-0.5, 0.5])).astype(np.float32),
        "zero": np.array(0, np.float32),
        "one": np.array(1, np.float32),
        "nowhere": np.array(NOWHERE, np.float32),
        "row": np.array([1]),
        "behind": np.array([0, 0, 0, 1]),
        "end": np.array([2**62]),
    }
    node = helper.make_node
    nodes = [
        node("Cast", ["attention_mask"], ["mask"], to=TensorProto.FLOAT),
        node("Cast", ["attention_mask"], ["present"], to=TensorProto.BOOL),
        node("Unsqueeze", ["present", "row"], ["present_row"]),
        node("Gather", ["weight", "input_ids"], ["weights"]),
        node("Gather", ["fragment", "input_ids"], ["all_fragments"]),
        node("Mul", ["all_fragments", "mask"], ["fragments"]),
        node("Pad", ["fragments", "behind", "zero"], ["longer"]),
        node("Slice", ["longer", "row", "end", "row"], ["next_fragments"]),
        node("Max", ["fragments", "next_fragments"], ["broken"]),
        node("Sub", ["mask", "broken"], ["difference"]),
        node("Relu", ["difference"], ["whole"]),
        node("Mul", ["weights", "whole"], ["values"]),
        node("ReduceSum", ["values", "row"], ["sum"], keepdims=1),
        node("ReduceSum", ["mask", "row"], ["tokens"], keepdims=1),
        node("Max", ["tokens", "one"], ["count"]),
        node("Div", ["sum", "count"], ["mean"]),
        node("Unsqueeze", ["values", "row"], ["values_row"]),
    ]
    for length in WINDOWS:
        pads = [length // 2, length // 2 - 1]
        pooled, masked, best = (f"{name}_{length}" for name in ("pooled", "masked", "best"))
        nodes += [
            node("AveragePool", ["values_row"], [pooled], kernel_shape=[length], pads=pads, count_include_pad=1),
            node("Where", ["present_row", pooled, "nowhere"], [masked]),
            node("ReduceMax", [masked], [best], axes=[2], keepdims=0),
        ]
    nodes += [
        node("Concat", ["mean", *(f"best_{length}" for length in WINDOWS)], ["features"], axis=1),
        node("Gemm", ["features", "slope", "bias"], ["logits"]),
    ]
    shape = ["batch", "sequence"]
    graph = helper.make_graph(
        nodes,
        "recipe",
        [helper.make_tensor_value_info(name, TensorProto.INT64, shape) for name in ("input_ids", "attention_mask")],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", 2])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    model.producer_name = "train_text.py"
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, path)


def main():
    chance, numbers = random.Random(SEED), np.random.default_rng(SEED)
    phrases = load_phrases()
    training, testing = split(chance, phrases)
    tokenizer, words, regression = train([document(chance, training) for _ in range(DOCUMENTS)], numbers)
    held_out = encode(tokenizer, [document(chance, testing) for _ in range(DOCUMENTS // 4)])
    right = [(words.features(ids) @ regression[:-1] + regression[-1] > 0) == label for ids, label in held_out]
    print(f"texts of phrases kept from training: {np.mean(right):.1%} right")

    tokenizer, words, regression = train([document(chance, phrases) for _ in range(DOCUMENTS)], numbers)
    MODEL.mkdir(parents=True, exist_ok=True)
    export(words, regression, MODEL / "model.onnx")
    tokenizer.save(str(MODEL / "tokenizer.json"), pretty=False)
    config = {
        "id2label": LABELS,
        "label2id": {name: int(index) for index, name in LABELS.items()},
        "max_position_embeddings": MAX_TOKENS,
        "pad_token_id": PAD,
        "vocab_size": tokenizer.get_vocab_size(),
    }
    (MODEL / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    for file in sorted(MODEL.iterdir()):
        print(f"{file.relative_to(FOLDER)}: {file.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
