"""The operations, a file for each family, with the arrays that their probes are made of.

Sizes are small distinct primes, options are not their neutral values, ties, zeros and repeated indices are planted.
A maker gets a generator, the options and a variant; "square" makes all sizes equal, for code that breaks otherwise.
"""

from __future__ import annotations

from torchref.check.catalogue.activations import ACTIVATIONS
from torchref.check.catalogue.losses import LOSSES
from torchref.check.catalogue.norms import NORMS
from torchref.check.catalogue.products import PRODUCTS
from torchref.check.catalogue.rows import DISTANCES, ROWS
from torchref.check.catalogue.sequences import MULTI_HEAD, OTHERS
from torchref.check.catalogue.windows import WINDOWS
from torchref.check.ops import Op

CATALOGUE: tuple[Op, ...] = (*ACTIVATIONS, *ROWS, *PRODUCTS, *LOSSES, *DISTANCES, *NORMS, *WINDOWS, *OTHERS, MULTI_HEAD)
