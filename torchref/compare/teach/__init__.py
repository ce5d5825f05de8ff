"""Lessons: a claim, the trainings that measure it, and the rule from figures to a verdict."""
