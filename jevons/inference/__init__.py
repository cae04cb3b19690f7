"""From history to a fit, and from a fit to projections with bands."""
