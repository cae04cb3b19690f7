"""Integration over lanes, in the part of Python that numba compiles.

The text of these modules is executed beside the generated functions of a model (see `jevons.lanes`): names that they
declare without a value are those, or come from one another.
"""
