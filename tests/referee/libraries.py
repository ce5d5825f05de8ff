"""The libraries of architectures, an extra of the package: a test that needs one skips where it is not installed."""

import importlib
import os
import warnings
from types import ModuleType

import pytest
import torch

KERNELS = torch.library.Library("torchvision", "FRAGMENT")


def library(name: str) -> ModuleType:
    """torchvision's models, timm's models, or transformers; never with a look at the network."""
    os.environ["HF_HUB_OFFLINE"] = "1"
    try:
        with warnings.catch_warnings(action="ignore"):
            importlib.import_module("torchvision")
    except ModuleNotFoundError:
        pytest.skip("needs the extra [models]: torchvision is not installed")
    except RuntimeError:  # a wheel built for CUDA beside a torch built without: its kernels can't be loaded
        for kernel in ("nms", "qnms"):
            KERNELS.define(f"{kernel}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    with warnings.catch_warnings(action="ignore"):
        return pytest.importorskip(name, reason=f"needs the extra [models]: {name} is not installed")
