"""The certificate: what the library was judged by, with figures, measured on the cases of the universal checks."""
