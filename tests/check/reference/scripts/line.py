# ruff: noqa  (written as students write)
"""A line through points: its weights are plain numbers, its parts stand in functions and under __main__."""

import random


def predict(x):
    return w * x + b


xs = [0.5, 1.0, 2.0, 3.5]
ys = [1.2, 1.9, 4.1, 7.3]
w = 0.3
b = 0.0

if __name__ == "__main__":
    random.seed(0)
    for epoch in range(100):
        cost = sum((predict(x) - y) ** 2 for x, y in zip(xs, ys)) / len(xs)
        grad_w = sum(2 * (predict(x) - y) * x for x, y in zip(xs, ys)) / len(xs)
        grad_b = sum(2 * (predict(x) - y) for x, y in zip(xs, ys)) / len(xs)
        w = w - 0.05 * grad_w
        b = b - 0.05 * grad_b
