"""Loops that matter: scores of links and feedback loops along a run."""

from jevons.loop_scores.scores import LoopScores, loop_scores

__all__ = ["LoopScores", "loop_scores"]
