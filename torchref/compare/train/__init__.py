"""Whole trainings: one run, checkpoints, the report, and sweeps over seeds and settings."""
