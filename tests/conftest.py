"""One thread and one hypothesis profile for every test: the same run twice gives the same answer."""

import hypothesis
import torch

torch.set_num_threads(1)
torch.use_deterministic_algorithms(False)
hypothesis.settings.register_profile("fixed", derandomize=True, deadline=None, max_examples=50, database=None)
hypothesis.settings.load_profile("fixed")
