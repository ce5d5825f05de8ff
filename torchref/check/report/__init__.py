"""The verdict and its findings as a user reads them: text, JSON, JUnit XML, and a page with pictures.

`judgement` holds the words for every kind of mistake. A `verdict` is a judgement that a notebook can show. `several`
makes one answer of many. `html` writes the page, `tiles` its pictures, `junit` the file for CI. `derivation` says where
the right formula is derived.
"""
