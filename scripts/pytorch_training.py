#!/usr/bin/env python3
"""usage: pytorch_training.py MODEL NORM SEED [LR]   (Debian: python3-torch, python3-numpy, dataset-fashion-mnist)

Trains a model of compare_norms with PyTorch: the same layers, initialization, batch size and optimizer, with seeds of
its own, one thread. Prints the test accuracy on Fashion-MNIST after some numbers of steps. MODEL: mlp (5000 steps of 60
images, lr 0.1) or cnn (937 steps of 64 images, lr 0.2, momentum 0.9); NORM: none, batch, layer or group.
"""
import gzip
import sys

import numpy
import torch
from torch import nn

FOLDER = "/usr/share/datasets/fashion-mnist/"
MODELS = {
    "mlp": dict(batch=60, steps=5000, lr=0.1, momentum=0.0, report={250, 500, 1000, 2000, 5000}),
    "cnn": dict(batch=64, steps=937, lr=0.2, momentum=0.9, report={100, 300, 600, 937}),
}


def read_idx(name):
    data = gzip.open(FOLDER + name).read()
    shape = [int.from_bytes(data[4 + 4 * i : 8 + 4 * i], "big") for i in range(data[3])]
    return numpy.frombuffer(data, numpy.uint8, offset=4 + 4 * len(shape)).reshape(shape)


def norm_of(norm, size, images):
    if norm == "batch":
        return [nn.BatchNorm2d(size) if images else nn.BatchNorm1d(size)]
    if norm == "layer":
        return [nn.GroupNorm(1, size) if images else nn.LayerNorm(size)]
    if norm == "group":
        return [nn.GroupNorm(8 if images else 10, size)]
    return []


def make(model, norm):
    if model == "mlp":
        layers = [nn.Flatten()]
        for size in (784, 100, 100):
            layers += [nn.Linear(size, 100), *norm_of(norm, 100, False), nn.Sigmoid()]
        return nn.Sequential(*layers, nn.Linear(100, 10))
    return nn.Sequential(
        nn.Conv2d(1, 32, 3, padding=1), *norm_of(norm, 32, True), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(32, 64, 3, padding=1), *norm_of(norm, 64, True), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(3136, 128), nn.ReLU(), nn.Linear(128, 10))


def main():
    if len(sys.argv) not in (4, 5) or sys.argv[1] not in MODELS or sys.argv[2] not in ("none", "batch", "layer", "group"):
        sys.exit(__doc__)
    model, norm, seed = sys.argv[1], sys.argv[2], int(sys.argv[3])
    settings = MODELS[model]
    lr = float(sys.argv[4]) if len(sys.argv) == 5 else settings["lr"]
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    pixels = [read_idx(f"{part}-images-idx3-ubyte.gz").astype(numpy.float32) for part in ("train", "t10k")]
    mean, std = pixels[0].mean(dtype=numpy.float64), pixels[0].std(dtype=numpy.float64)
    train, test = (torch.tensor((p - mean) / std, dtype=torch.float32)[:, None] for p in pixels)
    labels, expected = (
        torch.tensor(read_idx(f"{part}-labels-idx1-ubyte.gz").astype(numpy.int64)) for part in ("train", "t10k"))
    net = make(model, norm)
    optimizer = torch.optim.SGD(net.parameters(), lr=lr, momentum=settings["momentum"])
    size, at, order, found = settings["batch"], len(train), None, []
    for step in range(1, settings["steps"] + 1):
        if at + size > len(train):
            order, at = torch.randperm(len(train)), 0
        chosen = order[at : at + size]
        at += size
        optimizer.zero_grad()
        nn.functional.cross_entropy(net(train[chosen]), labels[chosen]).backward()
        optimizer.step()
        if step in settings["report"]:
            net.eval()
            with torch.no_grad():
                right = sum((net(x).argmax(1) == y).sum().item() for x, y in zip(test.split(500), expected.split(500)))
            net.train()
            found.append(f"step {step}: {right / len(test):.4f}")
    print(f"{model} {norm} seed {seed} lr {lr:g}: " + ", ".join(found))


main()
