# ruff: noqa: E501
"""What users call the sizes, methods, attributes and dictionaries of their classes."""

from __future__ import annotations

SIZES = {
    "in_features": ("in_features", "input_size", "input_dim", "in_dim", "n_in", "nin", "fan_in", "n_inputs", "num_inputs", "in_size", "d_in", "input_features", "n_input", "inputs", "in_", "nx", "features_in", "indim", "din"),
    "out_features": ("out_features", "output_size", "output_dim", "out_dim", "n_out", "nout", "fan_out", "n_outputs", "num_outputs", "out_size", "d_out", "n_units", "units", "output_features", "n_neurons", "outputs", "n_output", "hidden_size", "outdim", "dout", "n_hidden"),
    "num_features": ("num_features", "dim", "d", "features", "n_features", "channels", "num_channels", "c", "size", "n", "input_dim", "hidden_size", "input_size", "n_channels", "input_shape"),
    "normalized_shape": ("normalized_shape", "dim", "d", "features", "n_features", "num_features", "hidden_size", "size", "shape", "n", "d_model", "embed_dim", "hidden_dim", "input_dim", "embedding_dim", "n_embd", "ndim", "feature_dim", "input_size"),
    "num_channels": ("num_channels", "channels", "c", "num_features", "n_channels"),
    "num_embeddings": ("num_embeddings", "vocab_size", "vocabulary", "v", "n", "num_tokens", "n_vocab", "vocab", "num_words", "vocabsize"),
    "embedding_dim": ("embedding_dim", "embed_dim", "dim", "d", "embedding_size", "embed_size", "emb_dim", "n_embd", "hidden_size", "d_model", "dims"),
    "in_channels": ("in_channels", "in_ch", "c_in", "cin", "input_channels", "channels_in", "n_in", "in_c", "input_depth", "in_planes", "inchannels", "channels", "nin", "ic"),
    "out_channels": ("out_channels", "out_ch", "c_out", "cout", "output_channels", "channels_out", "n_out", "n_filters", "num_filters", "out_c", "depth", "filters", "out_planes", "nout", "oc"),
    "kernel_size": ("kernel_size", "k", "filter_size", "ksize", "kernel", "f", "kernel_shape", "size", "ks"),
    "input_size": ("input_size", "input_dim", "in_features", "n_in", "d", "in_dim", "n_x", "d_in", "vocab_size", "embed_dim", "nx", "input_features"),
    "hidden_size": ("hidden_size", "hidden_dim", "n_hidden", "h", "units", "n_h", "d_h", "out_dim", "hidden", "nh", "hidden_features", "out_features", "n_out"),
    "num_parameters": ("num_parameters", "n", "channels", "dim", "num_features"),
    "embed_dim": ("embed_dim", "d_model", "dim", "d", "embedding_dim", "hidden_size", "n_embd", "e", "hidden_dim", "model_dim", "embed_size", "width"),
    "in1_features": ("in1_features", "in1"), "in2_features": ("in2_features", "in2"),
}  # fmt: skip
FORWARDS = (
    "forward",
    "__call__",
    "fwd",
    "forward_pass",
    "forward_propagation",
    "forward_prop",
    "forwardprop",
    "feed_forward",
    "feedforward",
    "fprop",
    "call",
    "apply",
    "compute",
    "loss",
    "calculate",
    "calc",
)
BACKWARDS = (
    "backward",
    "bwd",
    "backward_pass",
    "backward_propagation",
    "backward_prop",
    "backprop",
    "back_prop",
    "backpropagate",
    "back_propagation",
    "bprop",
    "grad",
    "gradient",
)
RESULTS = ("output", "out", "outputs", "y", "result", "loss", "a", "z", "value", "activation", "activations")
ZERO = (
    "zero_grad",
    "zero_grads",
    "zerograd",
    "zero_gradients",
    "reset_grad",
    "reset_grads",
    "clear_grad",
    "clear_grads",
    "zero",
)
HOLDERS = ("params", "parameters", "weights", "param", "_params", "state", "p", "theta")
GRADS = ("grads", "gradients", "grad", "dparams", "_grads", "g", "d", "param_grads")
SIDES = {  # of the images or signals that a constructor is made for: which axis of the input it asks for
    **dict.fromkeys(("length", "inputlength", "seqlen", "seqlength", "inputlen", "siglen", "width", "inputwidth", "imagewidth", "inwidth", "imgw", "inw"), -1),
    **dict.fromkeys(("height", "inputheight", "imageheight", "inheight", "imgh", "inh"), -2),
}  # fmt: skip
