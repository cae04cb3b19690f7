"""Claims of others, and what the model says of them: a file of claims, statistics on draws, verdicts, a page."""

from jevons.claims.file import read_claims
from jevons.claims.judgement import evaluate

__all__ = ["evaluate", "read_claims"]
