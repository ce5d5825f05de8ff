"""What was found, as a user reads it: the verdict with its findings, as text, JSON, JUnit XML and a page of pictures.

`judgement` holds the words for every kind of mistake; a `verdict` is one that a notebook shows. `several` makes one
answer of many, `html` makes the page and `tiles` its pictures, `junit` writes what CI reads, `derivation` says where
the right formula is derived.
"""
