"""Arrays as netCDF-4 files that tell when they were damaged."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Variable = tuple[tuple[str, ...], NDArray[Any]]
"""Names of the dimensions, and values."""


class DamagedError(Exception):
    """A file that does not hold what was written."""


def file_of(variables: Mapping[str, Variable]) -> bytes:
    """A netCDF-4 file, made in memory: a full disk then meets one plain write, not the inside of a library."""
    import h5netcdf
    import h5py

    with h5py.File("memory", "w", driver="core", backing_store=False, track_order=True) as memory:
        with h5netcdf.File(memory, "w") as file:
            for dims, values in variables.values():
                file.dimensions.update(
                    {d: n for d, n in zip(dims, values.shape, strict=True) if d not in file.dimensions}
                )
            for name, (dims, values) in variables.items():
                if values.dtype == object:
                    file.create_variable(name, dims, h5py.string_dtype())[...] = values
                    continue
                packed = {"compression": "gzip", "compression_opts": 4, "shuffle": True} if name != "values" else {}
                # the checksum tells a damaged file from a whole one
                file.create_variable(name, dims, values.dtype, data=values, fletcher32=True, **packed)
        memory.flush()
        return bytes(memory.id.get_file_image())


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:12]


def read_file(path: Path, whole: bool = False) -> dict[str, NDArray[Any]]:
    """All variables of a file; with `whole` its name ends in the hash of its content."""
    import h5netcdf

    try:
        if whole and digest(path.read_bytes()) != path.stem.rsplit("-", 1)[-1]:
            raise DamagedError("its content is not what was written")
        with h5netcdf.File(path, "r") as file:
            return {name: np.asarray(v[...]) for name, v in file.variables.items()}
    except (OSError, KeyError, ValueError, RuntimeError, AttributeError, TypeError) as error:
        raise DamagedError(str(error)) from error
