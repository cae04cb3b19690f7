"""Rebound: definitions and closed forms that can be checked, and its measurement from three runs of a model."""
