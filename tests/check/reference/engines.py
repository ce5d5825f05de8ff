# ruff: noqa  (written as students write)
"""Small engines: a class of numbers, and a class of arrays; right and wrong."""

import math

import numpy as np


class Number:
    def __init__(self, data, parents=()):
        self.data, self.grad, self._prev = data, 0.0, set(parents)
        self._backward = lambda: None

    def __add__(self, other):
        out = Number(self.data + other.data, (self, other))

        def _backward():
            self.grad += out.grad
            other.grad += out.grad

        out._backward = _backward
        return out

    def __mul__(self, other):
        out = Number(self.data * other.data, (self, other))

        def _backward():
            self.grad += other.data * out.grad
            other.grad += self.data * out.grad

        out._backward = _backward
        return out

    def tanh(self):
        t = math.tanh(self.data)
        out = Number(t, (self,))

        def _backward():
            self.grad += (1 - t * t) * out.grad

        out._backward = _backward
        return out

    def backward(self):
        order, seen = [], set()

        def build(v):
            if v not in seen:
                seen.add(v)
                for p in v._prev:
                    build(p)
                order.append(v)

        build(self)
        self.grad = 1.0
        for v in reversed(order):
            v._backward()


class NumberSet(Number):
    def __mul__(self, other):
        out = Number(self.data * other.data, (self, other))

        def _backward():
            self.grad = other.data * out.grad
            other.grad = self.data * out.grad

        out._backward = _backward
        return out

    __add__ = Number.__add__
    backward = Number.backward


class Array:
    def __init__(self, data, parents=()):
        self.data = np.asarray(data)
        self.grad = np.zeros(np.shape(self.data))
        self.parents, self.back = parents, lambda: None

    def to(self, g):
        while g.ndim > self.data.ndim:
            g = g.sum(axis=0)
        return g

    def __add__(self, other):
        out = Array(self.data + other.data, (self, other))

        def back():
            self.grad = self.grad + self.to(out.grad)
            other.grad = other.grad + other.to(out.grad)

        out.back = back
        return out

    def __matmul__(self, other):
        out = Array(self.data @ other.data, (self, other))

        def back():
            self.grad = self.grad + out.grad @ other.data.T
            other.grad = other.grad + self.data.T @ out.grad

        out.back = back
        return out

    def backward(self):
        order, seen = [], []

        def walk(v):
            if not any(v is s for s in seen):
                seen.append(v)
                for p in v.parents:
                    walk(p)
                order.append(v)

        walk(self)
        self.grad = np.ones_like(self.data)
        for v in reversed(order):
            v.back()


class ArrayAsItIs(Array):  # what is broadcast gets the gradient of what it became
    def to(self, g):
        return g

    def __add__(self, other):
        out = Array(self.data + other.data, (self, other))

        def back():
            self.grad = self.grad + out.grad
            other.grad = other.grad + out.grad

        out.back = back
        return out

    backward = Array.backward


class ArraySet(Array):  # a product that sets the gradient, and a backward that wants one
    def __add__(self, other):
        out = ArraySet(self.data + other.data, (self, other))

        def back():
            self.grad = self.grad + self.to(out.grad)
            other.grad = other.grad + other.to(out.grad)

        out.back = back
        return out

    def __matmul__(self, other):
        out = ArraySet(self.data @ other.data, (self, other))

        def back():
            self.grad = out.grad @ other.data.T
            other.grad = self.data.T @ out.grad

        out.back = back
        return out

    def backward(self, seed):
        Array.backward(self)


class ArrayAcross(Array):  # a product that raises on sizes that differ
    def __matmul__(self, other):
        out = ArrayAcross(self.data @ other.data, (self, other))

        def back():
            self.grad = self.grad + out.grad @ other.data.T
            other.grad = other.grad + self.data.T @ self.grad

        out.back = back
        return out

    backward = Array.backward


class Variable:  # keeps what it depends on, in float32; gradients are values
    def __init__(self, data, requires_grad=False, depends_on=()):
        self.data = np.asarray(data, dtype=np.float32)
        self.requires_grad, self.depends_on = requires_grad, depends_on
        self.grad = Variable(np.zeros_like(self.data)) if requires_grad else None

    def backward(self, grad=None):
        assert self.requires_grad
        if grad is None:
            assert self.data.shape == (), "grad must be specified"
            grad = Variable(1.0)
        while grad.data.ndim > self.data.ndim:
            grad = Variable(grad.data.sum(axis=0))
        self.grad.data = self.grad.data + grad.data
        for v, slope in self.depends_on:
            v.backward(Variable(slope(grad.data)))

    def __mul__(self, other):
        depends_on = [(self, lambda g: g * other.data), (other, lambda g: g * self.data)]
        return Variable(self.data * other.data, True, depends_on)


class VariableOfItself(Variable):
    def __mul__(self, other):
        depends_on = [(self, lambda g: g * other.data), (other, lambda g: g * other.data)]
        return VariableOfItself(self.data * other.data, True, depends_on)

    backward = Variable.backward
