"""The backfire frontier: where in the plane of elasticity and limits a gain of efficiency backfires."""

from jevons.frontier.plane import Axis, Frontier, frontier

__all__ = ["Axis", "Frontier", "frontier"]
