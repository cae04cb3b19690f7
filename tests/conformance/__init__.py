"""Conformance: imported models beside reference outputs and PySD's Python back end.

``python -m tests.conformance --models FOLDER --write docs/parity.md`` writes the table; FOLDER is a checkout of
SDXorg/test-models, or `SD_TEST_MODELS` names it.
"""
