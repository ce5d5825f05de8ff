"""Lazy modules: the number of inputs is read off the first input, and then the module is an ordinary one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, TypeGuard

import numpy as np
from numpy.typing import DTypeLike

from torchref.nn.batchnorm import BatchNorm1d, BatchNorm2d, BatchNorm3d
from torchref.nn.convolution import (
    Conv1d,
    Conv2d,
    Conv3d,
    ConvTranspose1d,
    ConvTranspose2d,
    ConvTranspose3d,
)
from torchref.nn.errors import check_arrays, check_device
from torchref.nn.instancenorm import InstanceNorm1d, InstanceNorm2d, InstanceNorm3d
from torchref.nn.linear import Linear
from torchref.nn.module import Array, Backward, Module, Parameter, join


class UninitializedBuffer(np.ndarray):
    """Stands for an array whose shape is not known yet; it has a dtype and no entries.

    Equals `torch.nn.parameter.UninitializedBuffer`.
    """

    def __new__(cls, dtype: DTypeLike | None = None) -> UninitializedBuffer:
        return np.empty(0, dtype or np.float32).view(cls)


class UninitializedParameter(Parameter):
    """A parameter whose shape is not known yet: an optimizer may hold it already. Equals torch's class of this name."""

    def __init__(self, requires_grad: bool = True, device: None = None, dtype: DTypeLike | None = None) -> None:
        check_device(device)
        super().__init__(UninitializedBuffer(dtype), requires_grad)

    @property
    def shape(self) -> tuple[int, ...]:
        raise RuntimeError(
            "Can't access the shape of an uninitialized parameter: call `forward` to initialize the parameters first"
        )

    def materialize(self, shape: tuple[int, ...], device: None = None, dtype: DTypeLike | None = None) -> None:
        """Become an ordinary Parameter of this shape, its entries undefined."""
        check_device(device)
        self.data = np.empty(shape, dtype or self.data.dtype)
        self.__class__ = Parameter  # type: ignore[assignment]

    def __repr__(self) -> str:
        return "<UninitializedParameter>"


class LazyModuleMixin(Module):
    """A module that finds out the number of its inputs in its first forward and then becomes `cls_to_become`.

    Its parameters are there from the start, without a shape; they stay the same objects, so that an optimizer can be
    made before the first forward. Loading a state gives them their shapes, too. Equals
    `torch.nn.modules.lazy.LazyModuleMixin`.
    """

    cls_to_become: ClassVar[Any]

    def wait(self, **arguments: Any) -> None:
        """Take away the shapes of all parameters and buffers, and keep the plain class's arguments for later."""
        self._arguments = arguments
        for name, parameter in list(self.own_parameters()):
            setattr(self, name, UninitializedParameter(dtype=parameter.dtype))
        for name, buffer in list(self.own_buffers()):
            if buffer.ndim > 0:
                setattr(self, name, UninitializedBuffer(buffer.dtype))

    def infer(self, input: Array) -> int:
        """The plain class's first argument, read off the first input."""
        raise NotImplementedError

    def has_uninitialized_params(self) -> bool:
        return any(isinstance(p, UninitializedParameter) for _, p in self.own_parameters()) or any(
            buffer.size == 0 for _, buffer in self.own_buffers()
        )

    def initialize_parameters(self, input: Array) -> None:
        """Take over shapes, initial values and attributes of a plain module made for this input."""
        check_arrays(type(self).__name__, input=input)
        plain = self.cls_to_become(self.infer(input), **self._arguments)
        for name, value in list(vars(plain).items()):
            mine = getattr(self, name, None)
            if isinstance(mine, UninitializedParameter):
                mine.materialize(value.shape)
                mine.data[...] = value.data
            elif isinstance(mine, np.ndarray):
                if mine.size == 0:
                    setattr(self, name, value.astype(mine.dtype))
            elif not isinstance(mine, Parameter):
                setattr(self, name, value)

    def forward(self, input: Array, *args: Any, **kwargs: Any) -> tuple[Array, Backward]:
        self.initialize_parameters(input)
        del self._arguments
        self.__class__ = self.cls_to_become
        return self.forward(input, *args, **kwargs)

    def before_load(self, state_dict: Mapping[str, Any], path: str) -> None:
        """Parameters and buffers take the shapes that they have in `state_dict`."""
        for name, parameter in self.own_parameters():
            new = state_dict.get(join(path, name))
            if isinstance(parameter, UninitializedParameter) and has_shape(new):
                parameter.materialize(new.shape)
        for name, buffer in list(self.own_buffers()):
            new = state_dict.get(join(path, name))
            if buffer.size == 0 and has_shape(new):
                setattr(self, name, np.empty(new.shape, buffer.dtype))


def has_shape(value: Any) -> TypeGuard[Array]:
    """Whether `value`, from a state, is an array that was initialised when it was saved."""
    return isinstance(value, np.ndarray) and not isinstance(value, UninitializedBuffer)


class LazyLinear(LazyModuleMixin, Linear):
    """A `Linear` whose in_features is the last size of its first input. Equals `torch.nn.LazyLinear`."""

    cls_to_become = Linear

    def __init__(
        self, out_features: int, bias: bool = True, device: None = None, dtype: DTypeLike | None = None
    ) -> None:
        Linear.__init__(self, 0, 0, bias, device, dtype)  # no outputs yet: nothing is drawn
        self.out_features = out_features
        self.wait(out_features=out_features, bias=bias, dtype=dtype)

    def infer(self, input: Array) -> int:
        return input.shape[-1]


class _LazyConv(LazyModuleMixin):
    """What lazy convolutions and transposed ones have in common: the channels come third or fourth from behind."""

    dimensions: int

    def infer(self, input: Array) -> int:
        if input.ndim not in (self.dimensions + 1, self.dimensions + 2):
            raise RuntimeError(
                f"Expected {self.dimensions + 1}D (unbatched) or {self.dimensions + 2}D (batched) input to "
                f"{type(self).__name__}, but got input of size {input.shape}"
            )
        return input.shape[-self.dimensions - 1]


class _LazyConvNd(_LazyConv):
    """What the lazy convolutions have in common."""

    def __init__(
        self,
        out_channels: int,
        kernel_size: int | Sequence[int],
        stride: int | Sequence[int] = 1,
        padding: str | int | Sequence[int] = 0,
        dilation: int | Sequence[int] = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        device: None = None,
        dtype: DTypeLike | None = None,
    ) -> None:
        arguments: dict[str, Any] = {
            "kernel_size": kernel_size,
            "stride": stride,
            "padding": padding,
            "dilation": dilation,
            "groups": groups,
            "bias": bias,
            "padding_mode": padding_mode,
            "device": device,
            "dtype": dtype,
        }
        self.cls_to_become.__init__(self, 0, 0, **arguments)  # no channels yet: nothing is drawn
        self.out_channels = out_channels
        self.wait(out_channels=out_channels, **arguments)


class _LazyConvTransposeNd(_LazyConv):
    """What the lazy transposed convolutions have in common."""

    def __init__(
        self,
        out_channels: int,
        kernel_size: int | Sequence[int],
        stride: int | Sequence[int] = 1,
        padding: int | Sequence[int] = 0,
        output_padding: int | Sequence[int] = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: int | Sequence[int] = 1,
        padding_mode: str = "zeros",
        device: None = None,
        dtype: DTypeLike | None = None,
    ) -> None:
        arguments: dict[str, Any] = {
            "kernel_size": kernel_size,
            "stride": stride,
            "padding": padding,
            "output_padding": output_padding,
            "groups": groups,
            "bias": bias,
            "dilation": dilation,
            "padding_mode": padding_mode,
            "device": device,
            "dtype": dtype,
        }
        self.cls_to_become.__init__(self, 0, 0, **arguments)  # no channels yet: nothing is drawn
        self.out_channels = out_channels
        self.wait(out_channels=out_channels, **arguments)


class _LazyNorm(LazyModuleMixin):
    """What the lazy norms have in common."""

    def __init__(
        self,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        device: None = None,
        dtype: DTypeLike | None = None,
        *,
        bias: bool = True,
    ) -> None:
        arguments: dict[str, Any] = {
            "eps": eps,
            "momentum": momentum,
            "affine": affine,
            "track_running_stats": track_running_stats,
            "device": device,
            "dtype": dtype,
            "bias": bias,
        }
        self.cls_to_become.__init__(self, 0, **arguments)
        self.wait(**arguments)


class _LazyBatchNorm(_LazyNorm):
    """What the lazy batch norms have in common."""

    def infer(self, input: Array) -> int:
        self.check_input_dim(input)  # type: ignore[attr-defined]
        return input.shape[1]


class _LazyInstanceNorm(_LazyNorm):
    """An unbatched first input is understood, too (torch takes its length for the number of channels)."""

    def infer(self, input: Array) -> int:
        self.check_input_dim(input)  # type: ignore[attr-defined]
        return input.shape[-self.input_dims[0]]  # type: ignore[attr-defined]


class LazyConv1d(_LazyConvNd, Conv1d):
    """A `Conv1d` that reads in_channels off its first input. Equals `torch.nn.LazyConv1d`."""

    cls_to_become = Conv1d


class LazyConv2d(_LazyConvNd, Conv2d):
    """A `Conv2d` that reads in_channels off its first input. Equals `torch.nn.LazyConv2d`."""

    cls_to_become = Conv2d


class LazyConv3d(_LazyConvNd, Conv3d):
    """A `Conv3d` that reads in_channels off its first input. Equals `torch.nn.LazyConv3d`."""

    cls_to_become = Conv3d


class LazyConvTranspose1d(_LazyConvTransposeNd, ConvTranspose1d):
    """A `ConvTranspose1d` that reads in_channels off its first input. Equals `torch.nn.LazyConvTranspose1d`."""

    cls_to_become = ConvTranspose1d


class LazyConvTranspose2d(_LazyConvTransposeNd, ConvTranspose2d):
    """A `ConvTranspose2d` that reads in_channels off its first input. Equals `torch.nn.LazyConvTranspose2d`."""

    cls_to_become = ConvTranspose2d


class LazyConvTranspose3d(_LazyConvTransposeNd, ConvTranspose3d):
    """A `ConvTranspose3d` that reads in_channels off its first input. Equals `torch.nn.LazyConvTranspose3d`."""

    cls_to_become = ConvTranspose3d


class LazyBatchNorm1d(_LazyBatchNorm, BatchNorm1d):
    """A `BatchNorm1d` that reads num_features off its first input. Equals `torch.nn.LazyBatchNorm1d`."""

    cls_to_become = BatchNorm1d


class LazyBatchNorm2d(_LazyBatchNorm, BatchNorm2d):
    """A `BatchNorm2d` that reads num_features off its first input. Equals `torch.nn.LazyBatchNorm2d`."""

    cls_to_become = BatchNorm2d


class LazyBatchNorm3d(_LazyBatchNorm, BatchNorm3d):
    """A `BatchNorm3d` that reads num_features off its first input. Equals `torch.nn.LazyBatchNorm3d`."""

    cls_to_become = BatchNorm3d


class LazyInstanceNorm1d(_LazyInstanceNorm, InstanceNorm1d):
    """An `InstanceNorm1d` that reads num_features off its first input. Equals `torch.nn.LazyInstanceNorm1d`."""

    cls_to_become = InstanceNorm1d


class LazyInstanceNorm2d(_LazyInstanceNorm, InstanceNorm2d):
    """An `InstanceNorm2d` that reads num_features off its first input. Equals `torch.nn.LazyInstanceNorm2d`."""

    cls_to_become = InstanceNorm2d


class LazyInstanceNorm3d(_LazyInstanceNorm, InstanceNorm3d):
    """An `InstanceNorm3d` that reads num_features off its first input. Equals `torch.nn.LazyInstanceNorm3d`."""

    cls_to_become = InstanceNorm3d
