"""Experiments: every scenario run with bands, its rebound and what it changes."""
