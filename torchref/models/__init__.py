"""Networks, each for both engines.

Where torch.nn's mirror can say a network, it is one function of the namespace (`mlp(nn, ...)`); where it cannot, the
NumPy class and its torch twin stand one under the other in one file, made of the same parts, so that their state_dicts
are equal: `GPT(...)` and `torch_gpt(nn, ...)`. Importing this imports no torch; making a twin does.
"""

from torchref.models.encoder import EncoderClassifier, torch_encoder_classifier
from torchref.models.gpt import GPT, decay_matrices, torch_gpt, warmup_cosine
from torchref.models.plain import (
    autoencoder,
    convolutional_autoencoder,
    lenet,
    logistic_regression,
    mlp,
    policy_network,
)
from torchref.models.policy import PolicyGradientLoss, torch_policy_gradient_loss
from torchref.models.resnet import ResNet, torch_resnet
from torchref.models.seq2seq import EncoderDecoder, torch_encoder_decoder
from torchref.models.sequence import (
    RecurrentClassifier,
    RecurrentLanguageModel,
    torch_recurrent_classifier,
    torch_recurrent_language_model,
)
from torchref.models.vae import (
    EvidenceLoss,
    VariationalAutoencoder,
    torch_evidence_loss,
    torch_variational_autoencoder,
)
from torchref.models.window import WindowLanguageModel, torch_window_language_model

__all__ = [
    "GPT",
    "EncoderClassifier",
    "EncoderDecoder",
    "EvidenceLoss",
    "PolicyGradientLoss",
    "RecurrentClassifier",
    "RecurrentLanguageModel",
    "ResNet",
    "VariationalAutoencoder",
    "WindowLanguageModel",
    "autoencoder",
    "convolutional_autoencoder",
    "decay_matrices",
    "lenet",
    "logistic_regression",
    "mlp",
    "policy_network",
    "torch_encoder_classifier",
    "torch_encoder_decoder",
    "torch_evidence_loss",
    "torch_gpt",
    "torch_policy_gradient_loss",
    "torch_recurrent_classifier",
    "torch_recurrent_language_model",
    "torch_resnet",
    "torch_variational_autoencoder",
    "torch_window_language_model",
    "warmup_cosine",
]
