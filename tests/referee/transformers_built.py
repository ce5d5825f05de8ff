"""How an architecture of transformers is built: tiny configurations, and the loss of a model on fixed data."""

import torch
from torch.nn import functional as F

from tests.referee.gallery import image

IDS = torch.tensor([[5, 9, 7, 8, 6, 11, 10, 12], [5, 5, 6, 13, 9, 8, 7, 14]])
LABELS = torch.tensor([1, 3])
HIDDEN = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
TEXT = {**HIDDEN, "vocab_size": 32, "max_position_embeddings": 32}
GROUPED = {**TEXT, "num_key_value_heads": 1}
GPT = {"vocab_size": 32, "n_embd": 16, "n_layer": 2, "n_head": 2, "n_positions": 32}
EMBEDDED = {**TEXT, "embedding_size": 8}
VISION = {**HIDDEN, "image_size": 16, "patch_size": 4}
PAIR = {
    "d_model": 16, "encoder_layers": 1, "decoder_layers": 1, "encoder_attention_heads": 2,
    "decoder_attention_heads": 2, "encoder_ffn_dim": 32, "decoder_ffn_dim": 32,
}  # fmt: skip
TRANSLATION = {**PAIR, "vocab_size": 32, "max_position_embeddings": 32}
T5 = {"vocab_size": 32, "d_model": 16, "d_kv": 8, "d_ff": 32, "num_layers": 2, "num_heads": 2}
SPEECH = {
    **HIDDEN, "conv_dim": (8, 8), "conv_kernel": (4, 3), "conv_stride": (2, 2), "num_feat_extract_layers": 2,
    "num_conv_pos_embeddings": 4, "num_conv_pos_embedding_groups": 2, "vocab_size": 16, "mask_time_length": 2,
    "mask_time_min_masks": 0, "ctc_loss_reduction": "mean", "pad_token_id": 0,
}  # fmt: skip
SERIES = {
    **PAIR, "prediction_length": 4, "context_length": 8, "lags_sequence": [1, 2], "num_time_features": 1,
}  # fmt: skip
SPECIAL = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
EXPERTS = {**GROUPED, "num_experts_per_tok": 2, "experts_implementation": "eager"}


def dtype_of(model):
    return next(model.parameters()).dtype


def on_text(model):
    return model(input_ids=IDS, labels=IDS).loss


def on_images(model):
    return F.cross_entropy(model(pixel_values=image(size=16).to(dtype_of(model))).logits, LABELS)


def on_text_and_images(model):
    return model(input_ids=IDS, pixel_values=image(size=16).to(dtype_of(model)), return_loss=True).loss


def wave(model):
    return torch.linspace(-9, 9, 2 * 80).sin().reshape(2, 80).to(dtype_of(model))


def on_speech(model):
    return model(wave(model), labels=IDS[:, :4]).loss


def on_series(model):
    dtype = dtype_of(model)
    values = torch.linspace(-3, 3, 20).sin().reshape(2, 10).to(dtype) + 2
    return model(
        past_values=values,
        past_time_features=torch.ones(2, 10, 1).to(dtype),
        past_observed_mask=torch.ones(2, 10),
        future_values=torch.ones(2, 4).to(dtype),
        future_time_features=torch.ones(2, 4, 1).to(dtype),
    ).loss


def on_patches(model):
    dtype = dtype_of(model)
    values = torch.linspace(-3, 3, 64).sin().reshape(2, 16, 2).to(dtype)
    return model(past_values=values, future_values=torch.ones(2, 4, 2).to(dtype)).loss


def on_decisions(model):
    dtype = dtype_of(model)
    actions = model(
        states=torch.ones(2, 3, 4).to(dtype),
        actions=torch.ones(2, 3, 2).to(dtype),
        returns_to_go=torch.ones(2, 3, 1).to(dtype),
        timesteps=torch.arange(3).expand(2, 3),
        rewards=torch.ones(2, 3, 1),
        attention_mask=torch.ones(2, 3),
    ).action_preds
    return actions.pow(2).mean()


def on_spectra(model):
    sounds = torch.linspace(-2, 2, 2 * 4 * 16).sin().reshape(2, 4, 16).to(dtype_of(model))
    return model(input_features=sounds, labels=IDS).loss


def on_pixels(model):
    return model(pixel_values=image(size=16).to(dtype_of(model)), labels=(image(c=1, size=16)[:, 0] > 0).long()).loss


def masked(model):
    return model(pixel_values=image(size=16).to(dtype_of(model))).loss


def captioned(model):
    return model(input_ids=IDS, pixel_values=image(size=16).to(dtype_of(model)), labels=IDS).loss


def boxed(model):
    return model(input_ids=IDS, bbox=torch.ones(2, 8, 4).long(), labels=IDS).loss


def coded(model):
    return model.decoder(model.encoder(wave(model)[:, None])).pow(2).mean()


def built(name, config, loss=on_text, *, of="", **options):
    """`name`, a class of the library, of a configuration with `options`; `of` is the class of the configuration."""

    def made(hf):
        torch_model = getattr(hf, name)
        configuration = getattr(hf, of) if of else torch_model.config_class
        model = torch_model(configuration(**config, **options)).train()
        return model, lambda: loss(model)

    return made


def both(text, vision):
    """A tower of text and one of vision."""
    return {"text_config": text, "vision_config": {**VISION, **vision}}
