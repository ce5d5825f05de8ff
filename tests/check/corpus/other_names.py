# ruff: noqa  (written as students write)
"""Names in any language: which methods go forward and back, which array is the weight and what a rate is says the code."""

import numpy as np

from tests.check.corpus import right, wrong


@right("linear")
class Schicht:
    def __init__(self, eingaenge, ausgaenge):
        self.gewichte = np.random.randn(eingaenge, ausgaenge) * 0.1
        self.schwelle = np.zeros(ausgaenge)

    def vorwaerts(self, x):
        self.eingang = x
        return x @ self.gewichte + self.schwelle

    def rueckwaerts(self, fehler):
        self.d_gewichte = self.eingang.T @ fehler
        self.d_schwelle = fehler.sum(axis=0)
        return fehler @ self.gewichte.T


@wrong("linear", "wrong-sign", "weight")
class SchichtMinus(Schicht):
    def rueckwaerts(self, fehler):
        self.d_gewichte = -self.eingang.T @ fehler
        self.d_schwelle = fehler.sum(axis=0)
        return fehler @ self.gewichte.T


@right("linear")
class Capa:  # the rate is what the backward asks for beside the upstream gradient
    def __init__(self, n_entradas, n_salidas):
        self.pesos = np.random.randn(n_entradas, n_salidas)
        self.sesgo = np.zeros((1, n_salidas))

    def adelante(self, entrada):
        self.entrada = entrada
        return entrada @ self.pesos + self.sesgo

    def atras(self, gradiente, tasa):
        devuelto = gradiente @ self.pesos.T
        self.pesos -= tasa * (self.entrada.T @ gradiente)
        self.sesgo -= tasa * gradiente.sum(axis=0, keepdims=True)
        return devuelto


@wrong("linear", "mean-instead-of-sum", "bias")
class CapaMedia(Capa):
    def atras(self, gradiente, tasa):
        devuelto = gradiente @ self.pesos.T
        self.pesos -= tasa * (self.entrada.T @ gradiente)
        self.sesgo -= tasa * gradiente.mean(axis=0, keepdims=True)
        return devuelto


@right("linear")
class Camada:  # the rate is an attribute of any name
    def __init__(self, entradas, neuronios, taxa=0.01):
        self.taxa = taxa
        self.pesos = np.random.randn(neuronios, entradas)
        self.vies = np.zeros(neuronios)

    def propagar(self, x):
        self.x = x
        return x.dot(self.pesos.T) + self.vies

    def retropropagar(self, erro):
        proximo = erro.dot(self.pesos)
        self.pesos -= self.taxa * erro.T.dot(self.x)
        self.vies -= self.taxa * erro.sum(0)
        return proximo


@right("linear")
class Warstwa:  # the gradients are the new arrays of the shapes
    def __init__(self, wejscia, wyjscia):
        self.wagi = 0.1 * np.random.randn(wejscia, wyjscia)
        self.przesuniecie = np.zeros((1, wyjscia))

    def w_przod(self, wejscie):
        self.wejscie = wejscie
        return wejscie @ self.wagi + self.przesuniecie

    def wstecz(self, blad):
        self.zmiana_wag = self.wejscie.T @ blad
        self.zmiana_przesuniecia = blad.sum(axis=0, keepdims=True)
        return blad @ self.wagi.T


@wrong("linear", "mean-instead-of-sum", "bias")
class WarstwaSrednia(Warstwa):
    def wstecz(self, blad):
        self.zmiana_wag = self.wejscie.T @ blad
        self.zmiana_przesuniecia = blad.mean(axis=0, keepdims=True)
        return blad @ self.wagi.T


@right("batch_norm")
class Normalizzazione:
    def __init__(self, canali, eps=1e-5):
        self.scala, self.spostamento, self.eps = np.ones(canali), np.zeros(canali), eps

    def avanti(self, x):
        self.inversa = 1 / np.sqrt(x.var(axis=0) + self.eps)
        self.centrato = (x - x.mean(axis=0)) * self.inversa
        return self.scala * self.centrato + self.spostamento

    def indietro(self, errore):
        self.d_scala = (errore * self.centrato).sum(axis=0)
        self.d_spostamento = errore.sum(axis=0)
        e = errore * self.scala
        return self.inversa * (e - e.mean(axis=0) - self.centrato * (e * self.centrato).mean(axis=0))


@wrong("mse_loss", "scale-forgotten", "input")
class Verlust:
    def vorwaerts(self, vorhersage, ziel):
        self.differenz = vorhersage - ziel
        return np.mean(self.differenz**2)

    def rueckwaerts(self):
        return self.differenz / self.differenz.size


@right("softmax")
class SoftmaxLayer:
    def Forward(self, X):
        E = np.exp(X - np.max(X, axis=1).reshape(-1, 1))
        self.last = E / np.sum(E, axis=1).reshape(-1, 1)
        return self.last

    def Backward(self, dOut):
        S = self.last
        J = np.einsum("ij,jk->ijk", S, np.eye(S.shape[1])) - np.einsum("ij,ik->ijk", S, S)
        return np.einsum("ij,ijk->ik", dOut, J)


@right("tanh")
class Tangente:  # two methods that take the same, and keep nothing
    def valeur(self, x):
        return np.tanh(x)

    def pente(self, x):
        return 1 - np.tanh(x) ** 2


@wrong("tanh", "derivative-at-wrong-tensor", "input")
class TangenteDeX:
    def valeur(self, x):
        return np.tanh(x)

    def pente(self, x):
        return 1 - x**2


@right("softmax")
class SoftmaxOfAColumn:
    def forward(self, column):
        e = np.exp(column - column.max())
        self.p = e / e.sum()
        return self.p

    def backward(self, grad):
        return (np.eye(len(self.p)) * self.p - self.p @ self.p.T) @ grad


@wrong("softmax", "softmax-elementwise", "input")
class SoftmaxOfAColumnDiagonal(SoftmaxOfAColumn):
    def backward(self, grad):
        return np.diagflat(self.p * (1 - self.p)) @ grad


@right("linear")
class OneColumn:
    def __init__(self, n_in, n_out):
        self.W, self.b = np.random.randn(n_out, n_in), np.random.randn(n_out, 1)

    def forward(self, column):
        self.column = column
        return self.W @ column + self.b

    def backward(self, grad, rate):
        back = self.W.T @ grad
        self.W -= rate * grad @ self.column.T
        self.b -= rate * grad
        return back


@wrong("max_pool2d", "pool-ties", "input")
class PoolOfAnImage:  # (h, w, channels), a window of 2
    def forward(self, image):
        self.image = image
        h, w, c = image.shape
        self.y = np.zeros((h // 2, w // 2, c))
        for i in range(h // 2):
            for j in range(w // 2):
                self.y[i, j] = image[2 * i : 2 * i + 2, 2 * j : 2 * j + 2].max(axis=(0, 1))
        return self.y

    def backprop(self, d):
        back = np.zeros(self.image.shape)
        for i in range(d.shape[0]):
            for j in range(d.shape[1]):
                part = self.image[2 * i : 2 * i + 2, 2 * j : 2 * j + 2]
                back[2 * i : 2 * i + 2, 2 * j : 2 * j + 2] = (part == self.y[i, j]) * d[i, j]
        return back


@right("mse_loss")
class OfAnActivation:  # grad(y, y_pred, z, act_fn): the prediction is act_fn(z)
    def __call__(self, y, y_pred):
        return np.mean((y_pred - y) ** 2)

    @staticmethod
    def grad(y, y_pred, z, act_fn):
        return 2 * (y_pred - y) / y.size * act_fn.grad(z)
