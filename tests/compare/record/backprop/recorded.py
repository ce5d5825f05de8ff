"""A run of the tiny comparison, and what TensorBoard reads of it."""

import json

import numpy as np
import torch
from tensorboard.backend.event_processing.data_provider import MultiplexerDataProvider
from tensorboard.backend.event_processing.plugin_event_multiplexer import EventMultiplexer
from tensorboard.util.tensor_util import make_ndarray

from torchref.compare.lockstep.step import Lockstep
from torchref.compare.record.backprop.names import PLUGIN, STRUCTURE
from torchref.compare.record.backprop.record import record_backprop
from torchref.compare.record.recorder import Recorder


def multiplexer(folder):
    """All runs under a folder, no step dropped."""
    found = EventMultiplexer(size_guidance={}, tensor_size_guidance={PLUGIN: 0})
    found.AddRunsFromDirectory(str(folder))
    found.Reload()
    return found


def provider(folder):
    return MultiplexerDataProvider(multiplexer(folder), str(folder))


def read(folder):
    """{(run, tag, step): array} of the tab's tensors, and {(run, step): structure}."""
    found = multiplexer(folder)
    tensors, structures = {}, {}
    for run in found.Runs():
        for tag in found.PluginRunToTagToContent(PLUGIN).get(run, {}):
            for event in found.Tensors(run, tag):
                array = make_ndarray(event.tensor_proto)
                if tag == STRUCTURE:
                    structures[run, event.step] = json.loads(array.item())
                else:
                    tensors[run, tag, event.step] = array
    return tensors, structures


def same(ours, theirs):
    """Whether two records hold the same entries, to the bit."""
    return ours.keys() == theirs.keys() and all(np.array_equal(ours[k], theirs[k], equal_nan=True) for k in ours)


def train_few(comparison, out, steps=2):
    """Only what the tab shows of the first steps of every variant: a whole run draws, judges and writes far more."""
    data = comparison.data().astype(np.dtype(comparison.dtype))
    x, target = data.train_inputs[: comparison.batch_size], data.train_targets[: comparison.batch_size]
    for name, options in comparison.variants.items():
        lockstep = Lockstep(comparison, options, torch.device("cpu"), None)
        with Recorder(out / comparison.name / name) as recorder:
            for n in range(1, steps + 1):
                record_backprop(recorder, lockstep.step(x, target, observe=True).watched, lockstep, n)
