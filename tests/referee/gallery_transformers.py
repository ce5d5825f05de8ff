"""Architectures of transformers, tiny: each a function of the library that returns a model and its loss."""

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


ARCHITECTURES = {
    "albert": built("AlbertForMaskedLM", EMBEDDED),
    "bamba": built(
        "BambaForCausalLM", GROUPED, mamba_n_heads=4, mamba_d_head=8, mamba_d_state=4, attn_layer_indices=[1]
    ),
    "bart": built("BartForConditionalGeneration", TRANSLATION),
    "bert": built("BertForMaskedLM", TEXT),
    "bert_by_hand": built("BertForMaskedLM", TEXT, attn_implementation="eager"),
    "bigbird": built("BigBirdForMaskedLM", TEXT, attention_type="original_full"),
    "biogpt": built("BioGptForCausalLM", TEXT),
    "blenderbot": built("BlenderbotForConditionalGeneration", TRANSLATION),
    "blip": built(
        "BlipForConditionalGeneration",
        both({**TEXT, "encoder_hidden_size": 16, "bos_token_id": 1, "sep_token_id": 2, "eos_token_id": 2}, {}),
        captioned,
        projection_dim=8,
    ),
    "bloom": built("BloomForCausalLM", {"vocab_size": 32, "hidden_size": 16, "n_layer": 2, "n_head": 2}),
    "clip": built("CLIPModel", both({**TEXT, "eos_token_id": 31}, {}), on_text_and_images, projection_dim=8),
    "codegen": built("CodeGenForCausalLM", {**GPT, "n_head": 4}, rotary_dim=2),
    "cohere": built("CohereForCausalLM", GROUPED),
    "convbert": built("ConvBertForMaskedLM", EMBEDDED, conv_kernel_size=3),
    "convnext_v2": built(
        "ConvNextV2ForImageClassification",
        {"hidden_sizes": [8, 16], "depths": [1, 1]},
        on_images,
        num_stages=2,
        num_labels=5,
    ),
    "ctrl": built("CTRLLMHeadModel", GPT, dff=32),
    "deberta_v2": built(
        "DebertaV2ForMaskedLM", TEXT, relative_attention=True, pos_att_type=["p2c", "c2p"], position_buckets=4
    ),
    "decision_transformer": built(
        "DecisionTransformerModel",
        {"state_dim": 4, "act_dim": 2, "hidden_size": 16, "n_layer": 1, "n_head": 2, "n_positions": 32},
        on_decisions,
        max_ep_len=16,
    ),
    "deit": built("DeiTForImageClassification", VISION, on_images, num_labels=5),
    "dinov2": built("Dinov2ForImageClassification", VISION, on_images, num_labels=5),
    "distilbert": built(
        "DistilBertForMaskedLM", {"vocab_size": 32, "dim": 16, "n_layers": 2, "n_heads": 2, "hidden_dim": 32}
    ),
    "electra": built("ElectraForMaskedLM", EMBEDDED),
    "encodec": built(
        "EncodecModel",
        {"num_filters": 2, "hidden_size": 4, "codebook_dim": 4, "codebook_size": 16, "upsampling_ratios": [2, 2]},
        coded,
        num_lstm_layers=1,
        target_bandwidths=[1.5],
        sampling_rate=240,
    ),
    "esm": built("EsmForMaskedLM", TEXT, mask_token_id=1, pad_token_id=0, position_embedding_type="rotary"),
    "falcon": built("FalconForCausalLM", HIDDEN, vocab_size=32),
    "funnel": built(
        "FunnelForMaskedLM", {"vocab_size": 32, "block_sizes": [1, 1], "d_model": 16, "n_head": 2}, d_head=8, d_inner=32
    ),
    "gemma": built("GemmaForCausalLM", GROUPED, head_dim=8),
    "gemma2": built("Gemma2ForCausalLM", GROUPED, head_dim=8, sliding_window=4),
    "gemma3": built("Gemma3ForCausalLM", GROUPED, head_dim=8, sliding_window=4),
    "glm": built("GlmForCausalLM", GROUPED, head_dim=8, pad_token_id=0),
    "gpt": built("OpenAIGPTLMHeadModel", GPT),
    "gpt2": built("GPT2LMHeadModel", GPT),
    "gpt2_by_hand": built("GPT2LMHeadModel", GPT, attn_implementation="eager"),
    "gpt_neo": built(
        "GPTNeoForCausalLM",
        {"vocab_size": 32, "hidden_size": 16, "num_layers": 2, "num_heads": 2, "intermediate_size": 32},
        attention_types=[[["global", "local"], 1]],
        window_size=4,
        max_position_embeddings=32,
    ),
    "gpt_neox": built("GPTNeoXForCausalLM", TEXT),
    "gpt_oss": built("GptOssForCausalLM", EXPERTS, head_dim=8, num_local_experts=4, sliding_window=4),
    "gptj": built("GPTJForCausalLM", GPT, rotary_dim=4),
    "granite": built("GraniteForCausalLM", GROUPED),
    "granite_moe": built("GraniteMoeForCausalLM", EXPERTS, num_local_experts=4),
    "helium": built("HeliumForCausalLM", GROUPED, head_dim=8),
    "hubert": built("HubertForCTC", SPEECH, on_speech),
    "informer": built("InformerForPrediction", SERIES, on_series, distribution_output="normal"),
    "layoutlm": built("LayoutLMForMaskedLM", TEXT, boxed, max_2d_position_embeddings=16),
    "led": built(
        "LEDForConditionalGeneration",
        {**PAIR, "vocab_size": 32},
        max_encoder_position_embeddings=32,
        max_decoder_position_embeddings=32,
        attention_window=4,
    ),
    "llama": built("LlamaForCausalLM", GROUPED),
    "longformer": built("LongformerForMaskedLM", TEXT, attention_window=4),
    "mamba": built(
        "MambaForCausalLM", {"vocab_size": 32, "hidden_size": 8, "num_hidden_layers": 2}, state_size=4, time_step_rank=4
    ),
    "mamba2": built(
        "Mamba2ForCausalLM",
        {"vocab_size": 32, "hidden_size": 8, "num_hidden_layers": 2},
        state_size=4,
        num_heads=4,
        head_dim=4,
        n_groups=2,
        chunk_size=4,
    ),
    "marian": built("MarianMTModel", TRANSLATION, pad_token_id=0, decoder_start_token_id=0, eos_token_id=1),
    "mbart": built("MBartForConditionalGeneration", TRANSLATION),
    "mistral": built("MistralForCausalLM", GROUPED),
    "mixtral": built("MixtralForCausalLM", EXPERTS, num_local_experts=4),
    "mobilebert": built("MobileBertForMaskedLM", EMBEDDED, intra_bottleneck_size=8),
    "mpt": built("MptForCausalLM", {"vocab_size": 32, "d_model": 16, "n_layers": 2, "n_heads": 2, "max_seq_len": 32}),
    "nemotron": built("NemotronForCausalLM", GROUPED),
    "nystromformer": built("NystromformerForMaskedLM", TEXT, num_landmarks=4, segment_means_seq_len=8),
    "olmo": built("OlmoForCausalLM", GROUPED),
    "olmo2": built("Olmo2ForCausalLM", GROUPED),
    "olmoe": built("OlmoeForCausalLM", EXPERTS, num_experts=4),
    "opt": built(
        "OPTForCausalLM",
        {"vocab_size": 32, "hidden_size": 16, "num_hidden_layers": 2, "ffn_dim": 32, "num_attention_heads": 2},
        max_position_embeddings=32,
        word_embed_proj_dim=16,
    ),
    "patchtst": built(
        "PatchTSTForPrediction",
        {"num_input_channels": 2, "context_length": 16, "patch_length": 4, "patch_stride": 4, "prediction_length": 4},
        on_patches,
        num_hidden_layers=1,
        d_model=16,
        num_attention_heads=2,
        ffn_dim=32,
    ),
    "pegasus": built("PegasusForConditionalGeneration", TRANSLATION),
    "perceiver": built(
        "PerceiverForMaskedLM",
        {"num_latents": 4, "d_latents": 16, "d_model": 16, "num_blocks": 1, "num_self_attends_per_block": 2},
        lambda model: model(inputs=IDS, labels=IDS).loss,
        num_self_attention_heads=2,
        num_cross_attention_heads=2,
        vocab_size=32,
        max_position_embeddings=8,
    ),
    "persimmon": built("PersimmonForCausalLM", TEXT),
    "phi": built("PhiForCausalLM", TEXT),
    "phi3": built("Phi3ForCausalLM", GROUPED, **SPECIAL),
    "poolformer": built(
        "PoolFormerForImageClassification",
        {"hidden_sizes": [8, 16], "depths": [1, 1], "patch_sizes": [3, 3]},
        on_images,
        num_encoder_blocks=2,
        strides=[2, 2],
        padding=[1, 1],
        num_labels=5,
    ),
    "prophetnet": built(
        "ProphetNetForConditionalGeneration",
        {"vocab_size": 32, "hidden_size": 16, "encoder_ffn_dim": 32, "decoder_ffn_dim": 32, "num_buckets": 8},
        num_encoder_layers=1,
        num_decoder_layers=1,
        num_encoder_attention_heads=2,
        num_decoder_attention_heads=2,
        max_position_embeddings=32,
        relative_max_distance=16,
    ),
    "qwen2": built("Qwen2ForCausalLM", GROUPED),
    "qwen2_moe": built(
        "Qwen2MoeForCausalLM", EXPERTS, num_experts=4, moe_intermediate_size=8, shared_expert_intermediate_size=8
    ),
    "qwen3": built("Qwen3ForCausalLM", GROUPED, head_dim=8),
    "recurrent_gemma": built(
        "RecurrentGemmaForCausalLM",
        GROUPED,
        lru_width=16,
        attention_window_size=4,
        block_types=["recurrent", "attention"],
    ),
    "roberta": built("RobertaForMaskedLM", TEXT),
    "rwkv": built(
        "RwkvForCausalLM",
        {"vocab_size": 32, "hidden_size": 16, "num_hidden_layers": 2, "intermediate_size": 32},
        attention_hidden_size=16,
        context_length=32,
    ),
    "segformer": built(
        "SegformerForSemanticSegmentation",
        {"hidden_sizes": [8, 16], "depths": [1, 1], "patch_sizes": [3, 3], "strides": [2, 2], "sr_ratios": [2, 1]},
        on_pixels,
        num_encoder_blocks=2,
        num_attention_heads=[1, 2],
        mlp_ratios=[2, 2],
        decoder_hidden_size=8,
        num_labels=3,
    ),
    "siglip": built("SiglipModel", both(TEXT, {}), on_text_and_images),
    "smollm3": built("SmolLM3ForCausalLM", GROUPED, **SPECIAL),
    "squeezebert": built(
        "SqueezeBertForMaskedLM",
        {**TEXT, "embedding_size": 16},
        q_groups=2,
        k_groups=2,
        v_groups=2,
        intermediate_groups=2,
        output_groups=2,
    ),
    "stablelm": built("StableLmForCausalLM", GROUPED),
    "starcoder2": built("Starcoder2ForCausalLM", GROUPED),
    "swin": built(
        "SwinForImageClassification",
        {"image_size": 16, "patch_size": 2, "embed_dim": 8, "depths": [1, 1]},
        on_images,
        num_heads=[2, 2],
        window_size=2,
        num_labels=5,
    ),
    "t5": built("T5ForConditionalGeneration", T5, decoder_start_token_id=0),
    "tapas": built("TapasForMaskedLM", TEXT, type_vocab_sizes=[3, 8, 8, 2, 2, 4, 2]),
    "time_series_transformer": built(
        "TimeSeriesTransformerForPrediction", SERIES, on_series, distribution_output="normal"
    ),
    "vit": built("ViTForImageClassification", VISION, on_images, num_labels=5),
    "vit_mae": built(
        "ViTMAEForPreTraining",
        VISION,
        masked,
        decoder_hidden_size=16,
        decoder_num_hidden_layers=1,
        decoder_num_attention_heads=2,
        decoder_intermediate_size=32,
    ),
    "wav2vec2": built("Wav2Vec2ForCTC", SPEECH, on_speech),
    "whisper": built(
        "WhisperForConditionalGeneration",
        {**PAIR, "vocab_size": 32, **SPECIAL},
        on_spectra,
        num_mel_bins=4,
        max_source_positions=8,
        max_target_positions=16,
        decoder_start_token_id=1,
    ),
    "xlm": built("XLMWithLMHeadModel", {"vocab_size": 32, "emb_dim": 16, "n_layers": 2, "n_heads": 2}),
    "xlnet": built("XLNetLMHeadModel", {"vocab_size": 32, "d_model": 16, "n_layer": 2, "n_head": 2, "d_inner": 32}),
}

# What parts, for a reason: where, and by how much of the largest entry.
PARTED = {
    # Its backward returns the gradients of the two halves of its input in the other order. The halves are one tensor,
    # so that no parameter shows it.
    "reformer": (
        "_ReversibleFunction",
        0.1,
        10.0,
        built(
            "ReformerModelWithLMHead",
            {"vocab_size": 32, "hidden_size": 16, "attention_head_size": 8, "num_attention_heads": 2},
            attn_layers=["local", "local"],
            feed_forward_size=32,
            axial_pos_embds=False,
            max_position_embeddings=32,
            is_decoder=True,
            local_attn_chunk_length=4,
        ),
    ),
    # torch's digamma loses digits beside its zero at 1.46, and what is half a degree of freedom begins near there.
    "time_series_transformer": (
        "lgamma",
        1e-15,
        1e-12,
        built("TimeSeriesTransformerForPrediction", SERIES, on_series),
    ),
}

# What is not judged, and the word that says why.
NOT_JUDGED = {
    "fnet": (
        "complex",
        built(
            "FNetForMaskedLM",
            {"vocab_size": 32, "hidden_size": 16, "num_hidden_layers": 2, "intermediate_size": 32},
            max_position_embeddings=32,
        ),
    ),
}
