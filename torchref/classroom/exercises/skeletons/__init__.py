"""The files that students fill in: one exercise a file, the forward given, the backward empty."""
