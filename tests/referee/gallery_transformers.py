"""Architectures of transformers, tiny: each a function of the library that returns a model and its loss."""

from tests.referee.transformers_built import SERIES, built, on_series
from tests.referee.transformers_of_senses import SENSES
from tests.referee.transformers_of_text import TEXT_ALONE

ARCHITECTURES = {
    **TEXT_ALONE,
    **SENSES,
    "fnet": built(
        "FNetForMaskedLM",
        {"vocab_size": 32, "hidden_size": 16, "num_hidden_layers": 2, "intermediate_size": 32},
        max_position_embeddings=32,
    ),
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
