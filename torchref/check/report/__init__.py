"""What was found, as it is told: the verdict with its findings, as text, JSON and a page of pictures.

`verdict` holds the words for every kind of mistake. `several` makes one answer of many verdicts, `html` draws the page,
`derivation` says where the right formula is derived.
"""
