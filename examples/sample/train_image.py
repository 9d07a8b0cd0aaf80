#!/usr/bin/env python3
"""Trains models/caption: does a picture carry a caption, as memes do?

Fixed filters measure edges, contrast, white and black in the cells of a grid; a small network learns what captions look
like in these measures. It learns from pictures drawn like those of the sample, but by other seeds.
"""

import io
import json
import os
import pathlib
import random

# One thread adds up numbers in one order, so that the same weights come out each time.
os.environ["OPENBLAS_NUM_THREADS"] = "1"

import numpy as np
import onnx
import onnxruntime
import pictures
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

FOLDER = pathlib.Path(__file__).parent
MODEL = FOLDER / "models" / "caption"
SEED = 11
PICTURES, HELD_OUT = 5_000, 500
# Pixels of the input and of a cell of the grid: height, width.
SIDE, CELL = 96, (8, 24)
HIDDEN, BATCH, EPOCHS, RATE, DECAY = 24, 50, 40, 3e-3, 1e-3

# Differences to the right and downwards, and the Laplacian.
KERNELS = np.array(
    [
        [[0, 0, 0], [-1, 0, 1], [0, 0, 0]],
        [[0, -1, 0], [0, 0, 0], [0, 1, 0]],
        [[0, 1, 0], [1, -4, 1], [0, 1, 0]],
    ],
    np.float32,
)[:, None]


def examples(seed, count):
    """Pictures of [count, 96, 96, 3] in 0..1, and whether each has a caption."""
    chance = random.Random(seed)
    images, captioned = np.empty((count, SIDE, SIDE, 3), np.float32), np.empty(count, np.float32)
    filters = (Image.Resampling.BILINEAR, Image.Resampling.BILINEAR, Image.Resampling.BOX, Image.Resampling.BICUBIC)
    for number in range(count):
        captioned[number] = chance.random() < 0.5
        # Captions on smaller pictures cannot be read.
        smallest = 180 if captioned[number] else 96
        size = (chance.randint(smallest, 640), chance.randint(smallest, 480))
        picture = pictures.draw(chance, size, bool(captioned[number]))
        if chance.random() < 0.5:
            file = io.BytesIO()
            picture.save(file, "JPEG", quality=chance.randint(50, 95))
            picture = Image.open(file)
        images[number] = np.asarray(picture.resize((SIDE, SIDE), chance.choice(filters)), np.float32) / 255
    return images, captioned


def measuring():
    """Nodes from `image` to `measures`, and their constants."""
    constants = {
        "kernels": KERNELS,
        "half": np.array(0.5, np.float32),
        "bright": np.array(0.75, np.float32),
        "dark": np.array(0.25, np.float32),
        "four": np.array(4, np.float32),
    }
    node = helper.make_node
    near = {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]}
    return constants, [
        node("Transpose", ["image"], ["colours"], perm=[0, 3, 1, 2]),
        node("ReduceMean", ["colours"], ["grey"], axes=[1]),
        node("ReduceMin", ["colours"], ["least"], axes=[1]),
        node("ReduceMax", ["colours"], ["most"], axes=[1]),
        node("Conv", ["grey", "kernels"], ["signed"], **near),
        node("Abs", ["signed"], ["edges"]),
        # The lightest and the darkest grey nearby: letters and their outline lie within three pixels.
        node("MaxPool", ["grey"], ["lightest"], **near),
        node("Neg", ["grey"], ["negative"]),
        node("MaxPool", ["negative"], ["darkest"], **near),
        node("Add", ["lightest", "darkest"], ["range"]),
        node("Sub", ["range", "half"], ["range_above"]),
        node("Relu", ["range_above"], ["contrast"]),
        node("Sub", ["least", "bright"], ["least_above"]),
        node("Relu", ["least_above"], ["white_part"]),
        node("Mul", ["white_part", "four"], ["white"]),
        node("Sub", ["dark", "most"], ["most_below"]),
        node("Relu", ["most_below"], ["black_part"]),
        node("Mul", ["black_part", "four"], ["black"]),
        node("Concat", ["edges", "contrast", "white", "black"], ["maps"], axis=1),
        node("AveragePool", ["maps"], ["cells"], kernel_shape=CELL, strides=CELL),
        node("Flatten", ["cells"], ["measures"]),
    ]


def build(constants, nodes, output, width):
    """A checked ONNX model from `image` to `output` of [batch, width]."""
    graph = helper.make_graph(
        nodes,
        "caption",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["batch", SIDE, SIDE, 3])],
        [helper.make_tensor_value_info(output, TensorProto.FLOAT, ["batch", width])],
        [numpy_helper.from_array(np.ascontiguousarray(value), name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    model.producer_name = "train_image.py"
    onnx.checker.check_model(model, full_check=True)
    return model


def measure(images):
    """The measures of pictures, by the very graph that is exported."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    model = build(*measuring(), "measures", (3 + 3) * (SIDE // CELL[0]) * (SIDE // CELL[1]))
    session = onnxruntime.InferenceSession(model.SerializeToString(), options)
    return np.concatenate([session.run(None, {"image": part})[0] for part in np.array_split(images, len(images) // 50)])


def probability(weights, inputs):
    """Of a caption, and the hidden layer."""
    hidden = np.maximum(inputs @ weights["hidden"] + weights["hidden_bias"], 0)
    return 1 / (1 + np.exp(-(hidden @ weights["output"] + weights["output_bias"]))), hidden


def train(inputs, captioned, numbers):
    """The two layers, by Adam on the cross entropy."""
    scale = 1 / np.sqrt(inputs.shape[1])
    weights = {
        "hidden": (numbers.standard_normal((inputs.shape[1], HIDDEN)) * scale).astype(np.float32),
        "hidden_bias": np.zeros(HIDDEN, np.float32),
        "output": (numbers.standard_normal((HIDDEN, 1)) / np.sqrt(HIDDEN)).astype(np.float32),
        "output_bias": np.zeros(1, np.float32),
    }
    moments = {name: [np.zeros_like(value), np.zeros_like(value)] for name, value in weights.items()}
    steps, total = 0, EPOCHS * (len(inputs) // BATCH)
    for _ in range(EPOCHS):
        for rows in np.array_split(numbers.permutation(len(inputs)), len(inputs) // BATCH):
            steps += 1
            part = inputs[rows]
            found, hidden = probability(weights, part)
            d_output = (found - captioned[rows, None]) / len(rows)
            d_hidden = d_output @ weights["output"].T * (hidden > 0)
            gradients = {
                "hidden": part.T @ d_hidden,
                "hidden_bias": d_hidden.sum(0),
                "output": hidden.T @ d_output,
                "output_bias": d_output.sum(0),
            }
            for name, gradient in gradients.items():
                first, second = moments[name]
                first += 0.1 * (gradient - first)
                second += 0.001 * (gradient**2 - second)
                step = (first / (1 - 0.9**steps)) / (np.sqrt(second / (1 - 0.999**steps)) + 1e-8)
                weights[name] -= RATE * (1 - steps / total) * (step + DECAY * weights[name])
    return weights


def main():
    images, captioned = examples(SEED, PICTURES)
    measures = measure(images)
    mean, deviation = measures.mean(0), measures.std(0) + 1e-3
    weights = train((measures - mean) / deviation, captioned, np.random.default_rng(SEED))
    images, truth = examples(SEED + 1, HELD_OUT)
    found, _ = probability(weights, (measure(images) - mean) / deviation)
    print(f"drawn pictures held out: {((found[:, 0] > 0.5) == truth).mean():.1%} right")

    # The graph takes the measures as they are: scaling goes into the first layer.
    weights["hidden_bias"] = weights["hidden_bias"] - (mean / deviation) @ weights["hidden"]
    weights["hidden"] = weights["hidden"] / deviation[:, None]
    constants, nodes = measuring()
    nodes += [
        helper.make_node("Gemm", ["measures", "hidden", "hidden_bias"], ["hidden_sum"]),
        helper.make_node("Relu", ["hidden_sum"], ["hidden_active"]),
        helper.make_node("Gemm", ["hidden_active", "output", "output_bias"], ["logit"]),
        helper.make_node("Sigmoid", ["logit"], ["probability"]),
    ]
    constants |= {name: value.astype(np.float32) for name, value in weights.items()}
    MODEL.mkdir(parents=True, exist_ok=True)
    onnx.save(build(constants, nodes, "probability", 1), MODEL / "model.onnx")
    configurations = {
        "config.json": {"id2label": {"0": "CAPTION"}, "label2id": {"CAPTION": 0}},
        "preprocessor_config.json": {
            "do_normalize": False,
            "do_rescale": True,
            "do_resize": True,
            "rescale_factor": 1 / 255,
            "size": {"height": SIDE, "width": SIDE},
        },
    }
    for name, values in configurations.items():
        (MODEL / name).write_text(json.dumps(values, indent=2) + "\n")
    for file in sorted(MODEL.iterdir()):
        print(f"{file.relative_to(FOLDER)}: {file.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
