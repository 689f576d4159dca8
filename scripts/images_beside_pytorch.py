#!/usr/bin/env python3
"""Trains build/examples/images and the same program written for PyTorch on the same generated CIFAR-10 files.

    scripts/images_beside_pytorch.py [--seeds 3] [--epochs 10] [--train 4000] [--test 2000] [--depth 8] [--width 16]

Prints the test accuracies of both, per seed and in the mean, and exits with 1 if the means differ by more than the
tolerance (1 point). Needs python3-torch and numpy. The ten classes are five patterns of two wavelengths under
noise; place, contrast, colors and noise are random.
"""

import argparse
import math
import pathlib
import subprocess
import sys
import tempfile

import numpy as np
import torch
from torch import nn

ROOT = pathlib.Path(__file__).resolve().parent.parent
LR, MOMENTUM, WEIGHT_DECAY, SMOOTHING, EMA, BATCH = 0.2, 0.9, 5e-4, 0.1, 0.99, 128


def generated(count, random):
    """Images [count, 3, 32, 32] and labels, as bytes."""
    labels = random.integers(0, 10, count)
    y, x = np.mgrid[0:32, 0:32]
    images = np.empty((count, 3, 32, 32), np.uint8)
    for i, label in enumerate(labels):
        step = 2 * math.pi / ((5.0, 7.0)[label // 5] * math.exp(random.normal(0, 0.1)))
        turn = random.normal(0, 0.2)
        u = step * (x * math.cos(turn) + y * math.sin(turn) - random.uniform(0, 32))
        v = step * (y * math.cos(turn) - x * math.sin(turn) - random.uniform(0, 32))
        # A flip must not lead from one class to another.
        pattern = (np.sin(u), np.sin(v), np.sin(u) * np.sin(v), np.sin(np.hypot(u, v)),
                   (np.sin(u + v) + np.sin(u - v)) / 2)[label % 5]
        image = random.uniform(80, 176, (3, 1, 1)) + random.uniform(10, 60, (3, 1, 1)) * pattern
        images[i] = np.clip(image + random.normal(0, 60, (3, 32, 32)), 0, 255)
    return images, labels.astype(np.uint8)


def write_cifar(folder, train, test):
    """The files of CIFAR-10 in binary form: a byte for the label, then the image."""
    def records(images, labels):
        return np.concatenate([labels[:, None], images.reshape(len(labels), -1)], axis=1).tobytes()

    for i, part in enumerate(np.array_split(np.arange(len(train[1])), 5)):
        (folder / f"data_batch_{i + 1}.bin").write_bytes(records(train[0][part], train[1][part]))
    (folder / "test_batch.bin").write_bytes(records(*test))


class Block(nn.Module):
    def __init__(self, channels_in, channels, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(channels_in, channels, 3, stride, 1, bias=False)
        self.norm1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, 1, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(channels)
        changes = stride != 1 or channels_in != channels
        self.shortcut = nn.Conv2d(channels_in, channels, 1, stride, bias=False) if changes else nn.Identity()

    def forward(self, x):
        h = self.norm2(self.conv2(torch.relu(self.norm1(self.conv1(x)))))
        return torch.relu(h + self.shortcut(x))


class ResNet(nn.Module):
    def __init__(self, width, depth):
        super().__init__()
        self.conv = nn.Conv2d(3, width, 3, 1, 1, bias=False)
        self.norm = nn.BatchNorm2d(width)
        blocks, channels = [], width
        for stage in (1, 2, 4):
            for i in range((depth - 2) // 6):
                blocks.append(Block(channels, stage * width, 2 if i == 0 and stage > 1 else 1))
                channels = stage * width
        self.blocks = nn.ModuleList(blocks)
        self.fc = nn.Linear(4 * width, 10)

    def forward(self, x):
        h = torch.relu(self.norm(self.conv(x)))
        for block in self.blocks:
            h = block(h)
        return self.fc(h.mean((2, 3)))


def augmented(images):
    """A crop at a random place after padding by 4 zeros, and a flip of every other image."""
    padded = nn.functional.pad(images, (4, 4, 4, 4))
    rows, columns = torch.randint(0, 9, (2, len(images)))
    crops = [padded[i, :, r:r + 32, c:c + 32] for i, (r, c) in enumerate(zip(rows.tolist(), columns.tolist()))]
    y = torch.stack(crops)
    flips = torch.rand(len(images)) < 0.5
    y[flips] = y[flips].flip(3)
    return y


def train_pytorch(train, test, arguments, seed):
    """The test accuracy of the averaged weights, as build/examples/images prints it."""
    torch.manual_seed(seed)
    x, labels = (torch.tensor(part) for part in train)
    x, labels = x / 255.0, labels.long()
    mean, std = x.mean(), x.std(unbiased=False)
    x = (x - mean) / std
    test_x, test_labels = (torch.tensor(test[0]) / 255.0 - mean) / std, torch.tensor(test[1]).long()
    net = ResNet(arguments.width, arguments.depth)
    decayed = [p for p in net.parameters() if p.dim() > 1]
    others = [p for p in net.parameters() if p.dim() <= 1]
    optimizer = torch.optim.SGD([{"params": decayed}, {"params": others, "weight_decay": 0.0}], lr=LR,
                                momentum=MOMENTUM, weight_decay=WEIGHT_DECAY, nesterov=True)
    steps = len(labels) // BATCH
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LR, total_steps=arguments.epochs * steps)
    average = torch.optim.swa_utils.AveragedModel(
        net, avg_fn=lambda old, new, n: EMA * old + (1 - EMA) * new)
    for _ in range(arguments.epochs):
        order = torch.randperm(len(labels))
        for i in range(steps):
            batch = order[i * BATCH:(i + 1) * BATCH]
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(net(augmented(x[batch])), labels[batch], label_smoothing=SMOOTHING)
            loss.backward()
            optimizer.step()
            schedule.step()
            average.update_parameters(net)
    for (_, of_average), (_, of_net) in zip(average.module.named_buffers(), net.named_buffers()):
        of_average.copy_(of_net)
    average.eval()
    with torch.no_grad():
        correct = sum((average(test_x[i:i + 250]).argmax(1) == test_labels[i:i + 250]).sum().item()
                      for i in range(0, len(test_labels), 250))
    return correct / len(test_labels)


def train_normgrad(folder, arguments, seed):
    command = [ROOT / "build/examples/images", "--data", folder, "--epochs", arguments.epochs, "--depth",
               arguments.depth, "--width", arguments.width, "--batch-size", BATCH, "--lr", LR, "--seed", seed, "--out",
               folder / f"out{seed}"]
    run = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)
    if run.returncode != 0:
        sys.exit(f"build/examples/images failed:\n{run.stderr}")
    return float(run.stdout.split("test accuracy: ")[1].split()[0])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, value in {"seeds": 3, "epochs": 10, "train": 4000, "test": 2000, "depth": 8, "width": 16}.items():
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--tolerance", type=float, default=1.0, help="points of accuracy")
    arguments = parser.parse_args()
    random = np.random.default_rng(1)
    train, test = generated(arguments.train, random), generated(arguments.test, random)
    ours, theirs = [], []
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        write_cifar(folder, train, test)
        for seed in range(1, arguments.seeds + 1):
            ours.append(100 * train_normgrad(folder, arguments, seed))
            theirs.append(100 * train_pytorch(train, test, arguments, seed))
            print(f"seed {seed}: normgrad {ours[-1]:.2f} %, PyTorch {theirs[-1]:.2f} %", flush=True)
    difference = float(np.mean(ours) - np.mean(theirs))
    print(f"mean: normgrad {np.mean(ours):.2f} %, PyTorch {np.mean(theirs):.2f} %, difference {difference:+.2f} points")
    return 0 if abs(difference) <= arguments.tolerance else 1


if __name__ == "__main__":
    sys.exit(main())
