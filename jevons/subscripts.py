"""Names with subscripts, ``Stock A[North,Young]``, as arrays over dimensions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from jevons.errors import nearest

if TYPE_CHECKING:
    import xarray as xr

Subscripts = Mapping[str, tuple[str, ...]]


def split(name: str, subscripts: Subscripts) -> tuple[str, tuple[str, ...]] | None:
    """Name without subscripts and the labels of an element of an array; None for what is none."""
    base, bracket, rest = name.partition("[")
    if not bracket or not rest.endswith("]") or base not in subscripts:
        return None
    return base, tuple(rest[:-1].split(","))


def dimension_mistakes(names: Iterable[str], dimensions: Subscripts, subscripts: Subscripts) -> Iterator[str]:
    """Arrays over unknown dimensions, and elements whose labels are not those of their dimensions."""
    for name, elements in dimensions.items():
        repeated = sorted({e for e in elements if elements.count(e) > 1})
        if repeated:
            yield f"dimension {name!r}: element {repeated[0]!r} more than once"
    sound = {}
    for base, over in subscripts.items():
        unknown = [d for d in over if d not in dimensions]
        for dimension in unknown:
            yield f"{base!r}: dimension {dimension!r} is not defined{nearest(dimension, dimensions)}"
        if not unknown:
            sound[base] = over
    members = {dimension: frozenset(elements) for dimension, elements in dimensions.items()}
    for name in names:
        found = split(name, sound) if isinstance(name, str) else None
        if found is None:
            continue
        base, labels = found
        over = sound[base]
        if len(labels) != len(over):
            yield f"{name!r}: {len(labels)} subscripts, expected {len(over)}, of {', '.join(over) or 'no dimension'}"
            continue
        for label, dimension in zip(labels, over, strict=True):
            if label not in members[dimension]:
                yield (
                    f"{name!r}: {label!r} is not an element of dimension {dimension!r}"
                    f"{nearest(label, dimensions[dimension])}"
                )


def arrays(names: Iterable[str], subscripts: Subscripts) -> dict[str, dict[tuple[str, ...], int]]:
    """Each array to the column of every combination of labels; names that stand for themselves are left out."""
    names = list(names)
    alone = set(names)
    found: dict[str, dict[tuple[str, ...], int]] = {}
    for column, name in enumerate(names):
        parts = split(name, subscripts)
        if parts is not None and parts[0] not in alone and len(parts[1]) == len(subscripts[parts[0]]):
            found.setdefault(parts[0], {})[parts[1]] = column
    return found


def gathered(
    values: NDArray[np.float64],
    columns: Mapping[tuple[str, ...], int],
    over: tuple[str, ...],
    dimensions: Subscripts,
) -> NDArray[np.float64]:
    """Columns of `values` as one array of shape (dates, elements of each dimension); NaN where there is none."""
    places = [{label: i for i, label in enumerate(dimensions[d])} for d in over]
    result = np.full((len(values), *(len(dimensions[d]) for d in over)), np.nan)
    by_date = np.moveaxis(result, 0, -1)
    for labels, column in columns.items():
        where = tuple(place[label] for place, label in zip(places, labels, strict=True))
        by_date[where] = values[:, column]
    return result


def dimension_labels(over: tuple[str, ...], taken: Iterable[str]) -> tuple[str, ...]:
    """Names of the dimensions of one array that differ from each other and from names that are taken.

    A dimension that an array has twice is numbered; one that is called as a variable gets `` (dimension)``.
    """
    taken = {*taken, "time"}
    labels: list[str] = []
    for dimension in over:
        name = f"{dimension} (dimension)" if dimension in taken else dimension
        count = over[: len(labels)].count(dimension)
        labels.append(name if not count else f"{name} {count + 1}")
    return tuple(labels)


def labelled(
    values: NDArray[np.float64],
    columns: Mapping[tuple[str, ...], int],
    over: tuple[str, ...],
    dimensions: Subscripts,
    taken: Iterable[str],
) -> xr.DataArray:
    """The gathered array with names of dimensions and labels, without dates and units."""
    import xarray as xr

    names = dimension_labels(over, taken)
    coordinates = {name: list(dimensions[d]) for name, d in zip(names, over, strict=True)}
    return xr.DataArray(gathered(values, columns, over, dimensions), coordinates, ("time", *names))
