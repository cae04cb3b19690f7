"""A folder with the finished chunks of an ensemble, its manifest and its summary."""

from __future__ import annotations

import contextlib
import errno
import importlib.metadata
import json
import math
import os
import platform
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jevons.ensemble.design import BLOCK
from jevons.ensemble.netcdf import DamagedError, Variable, digest, file_of, read_file
from jevons.ensemble.reduction import (
    Failure,
    Floats,
    Reduction,
    Shape,
    Summary,
    failures_as_text,
    failures_from_text,
)
from jevons.ensemble.sketch import Sketch
from jevons.ensemble.task import Chunk, Paths
from jevons.errors import EnsembleError, JevonsError

FORMAT = 1
MANIFEST, SUMMARY = "manifest.json", "summary.nc"
_FULL = (errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC))  # Windows has no quotas
_CUBE = ("scenario", "date", "output")


@dataclass(frozen=True)
class Labels:
    """What the axes of an ensemble's arrays mean.

    Attributes
    ----------
    model, time_unit : str
    members : int
    parameters, scenarios, outputs : tuple of str
    dates : array of shape (dates,)
    units : mapping of output to unit
    levels : tuple of float
        Quantiles that are reported unless others are asked for.
    thresholds : tuple of (output's place, value)
    """

    model: str
    time_unit: str
    members: int
    parameters: tuple[str, ...]
    scenarios: tuple[str, ...]
    outputs: tuple[str, ...]
    dates: Floats
    units: Mapping[str, str]
    levels: tuple[float, ...]
    thresholds: tuple[tuple[int, float], ...]

    @property
    def shape(self) -> Shape:
        return len(self.scenarios), self.dates.size, len(self.outputs)

    @classmethod
    def of(cls, manifest: Mapping[str, Any]) -> Labels:
        """The labels of the ensemble that a manifest describes."""
        design, outputs = manifest["design"], tuple(manifest["outputs"])
        exceed = manifest["settings"]["exceed"]
        return cls(
            manifest["model"],
            manifest["time_unit"],
            design["members"],
            tuple(design["parameters"]),
            tuple(manifest["scenarios"]),
            outputs,
            np.array(manifest["dates"]),
            dict(manifest["outputs"]),
            tuple(manifest["settings"]["quantiles"]),
            tuple((outputs.index(name), value) for name, values in exceed.items() for value in values),
        )


def versions() -> dict[str, str]:
    """Versions of everything that decides the numbers or the files."""
    found = {"python": ".".join(platform.python_version_tuple()[:2])}
    for package in ("jevons", "numpy", "scipy", "numba", "h5py", "h5netcdf"):
        found[package] = importlib.metadata.version(package)
    return found


class Store:
    """A folder of one ensemble.

    A file gets its final name when it is complete and on the disk, so that whatever has a final name is whole,
    whenever the program ends. The name of a chunk's file ends in the hash of its content, which tells a file that
    was damaged later.

    Parameters
    ----------
    folder : path
    manifest : mapping
        What the ensemble is; a folder holds one ensemble only.

    Raises
    ------
    EnsembleError
        If the folder holds another ensemble, with every difference.
    JevonsError
        If nothing can be written there.
    """

    def __init__(self, folder: str | Path, manifest: Mapping[str, Any]) -> None:
        self.folder = Path(folder)
        self.manifest = json.loads(json.dumps(manifest))
        self.labels = Labels.of(self.manifest)
        self.chunk_blocks = int(self.manifest["settings"]["chunk"]) // BLOCK
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            for part in self.folder.glob(".*.part"):
                part.unlink()
        except OSError as error:
            raise self._unwritable(error) from error
        path = self.folder / MANIFEST
        if path.exists():
            _require_same(self.folder, read_manifest(self.folder), self.manifest)
        elif list(self.folder.glob("chunk-*.nc")):
            mistake = f"there are chunks but no {MANIFEST}; give another folder"
            raise EnsembleError(f"folder {self.folder}", [mistake])
        self._write(path, (json.dumps(self.manifest, indent=1, ensure_ascii=False) + "\n").encode())

    @property
    def spans(self) -> list[tuple[int, int]]:
        """First and last block of each chunk."""
        return spans(self.labels.members, self.chunk_blocks)

    def stored(self) -> int:
        """Number of chunks with a final name."""
        return len(list(self.folder.glob("chunk-*.nc")))

    def finished(self) -> Iterator[tuple[tuple[int, int], Reduction]]:
        """Reductions of the chunks that are stored whole; a damaged one is reported and left out."""
        found = {int(path.name.split("-")[1]): path for path in self.folder.glob("chunk-*.nc")}
        for number, span in enumerate(self.spans):
            if number not in found:
                continue
            try:
                yield span, read_chunk(found[number], self.labels)
            except DamagedError as error:
                warnings.warn(f"{found[number]} is damaged ({error}) and is computed again", stacklevel=3)
                found[number].unlink()

    def write_chunk(self, chunk: Chunk) -> None:
        """Store a chunk; when this returns it survives a loss of power."""
        r = chunk.reduction
        ordered = sorted(r.moments)
        variables: dict[str, Variable] = {
            "block": (("block",), np.array(ordered, dtype=np.int64)),
            **{
                name: (("block", *_CUBE), np.array([r.moments[b][i] for b in ordered]))
                for i, name in enumerate(("block_count", "block_mean", "block_squares"))
            },
            "minimum": (_CUBE, r.minimum),
            "maximum": (_CUBE, r.maximum),
            **_common(r),
        }
        if chunk.paths is not None:
            first = chunk.first * BLOCK
            count = np.arange(first, first + len(chunk.paths.codes))
            variables["member"] = (("member",), count)
            variables["parameters"] = (("member", "parameter"), chunk.paths.parameters)
            variables["values"] = (("member", *_CUBE), chunk.paths.values)
            variables["status"] = (("member", "scenario"), chunk.paths.codes)
            variables["reached"] = (("member", "scenario"), chunk.paths.reached)
        content = file_of(variables)
        number = chunk.first // self.chunk_blocks
        self._write(self.folder / f"chunk-{number:06d}-{digest(content)}.nc", content)

    def write_summary(self, summary: Summary) -> None:
        """Store the result."""
        labels = self.labels
        variables: dict[str, Variable] = {
            "scenario": (("scenario",), np.array(labels.scenarios, dtype=object)),
            "date": (("date",), labels.dates),
            "output": (("output",), np.array(labels.outputs, dtype=object)),
            "unit": (("output",), np.array([labels.units[n] for n in labels.outputs], dtype=object)),
            "quantile": (("quantile",), np.array(labels.levels)),
            "count": (_CUBE, summary.count),
            "mean": (_CUBE, summary.mean),
            "sd": (_CUBE, summary.sd),
            "minimum": (_CUBE, summary.minimum),
            "maximum": (_CUBE, summary.maximum),
            "quantiles": ((*_CUBE, "quantile"), summary.quantiles(labels.levels)),
            **_common(summary),
        }
        self._write(self.folder / SUMMARY, file_of(variables))

    def _write(self, path: Path, content: bytes) -> None:
        part = path.with_name(f".{path.name}.{os.getpid()}.part")
        try:
            with part.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            part.replace(path)
            _sync_folder(path.parent)
        except OSError as error:
            with contextlib.suppress(OSError):  # the first error is the one to tell
                part.unlink(missing_ok=True)
            raise self._unwritable(error, len(content)) from error

    def _unwritable(self, error: OSError, size: int = 0) -> JevonsError:
        try:
            kept = f"{self.stored()} of {len(self.spans)} chunks are kept"
        except OSError:
            kept = "nothing is kept"
        if error.errno in _FULL:
            left = len(self.spans) - self.stored()
            return JevonsError(
                f"no room in folder {self.folder} ({error.strerror}): {kept}, all of them whole. "
                f"Make room for about {max(1, left) * size / 1e6:.3g} MB and run again with the same folder: "
                "what is kept is not computed again"
            )
        return JevonsError(
            f"folder {self.folder} cannot be written ({error.strerror}): {kept}. Give a folder that can be written"
        )


def spans(members: int, chunk_blocks: int) -> list[tuple[int, int]]:
    """First and last block of each chunk."""
    blocks = -(-members // BLOCK)
    return [(first, min(first + chunk_blocks, blocks)) for first in range(0, blocks, chunk_blocks)]


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest of a folder."""
    try:
        manifest: dict[str, Any] = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise JevonsError(f"folder {folder} holds no ensemble: there is no {MANIFEST}") from error
    except (OSError, ValueError) as error:
        raise JevonsError(f"{folder / MANIFEST} cannot be read ({error}); give another folder") from error
    if manifest.get("format") != FORMAT:
        raise JevonsError(f"{folder / MANIFEST}: format {manifest.get('format')!r}, expected {FORMAT}")
    return manifest


def read_chunk(path: Path, labels: Labels) -> Reduction:
    """The reduction in a chunk's file."""
    try:
        variables = read_file(path, whole=True)
        r = Reduction(labels.shape, labels.thresholds)
        parts = [variables[f"block_{n}"] for n in ("count", "mean", "squares")]
        r.moments = {int(b): (p, q, s) for b, p, q, s in zip(variables["block"], *parts, strict=True)}
        r.minimum, r.maximum = variables["minimum"], variables["maximum"]
        r.exceedances, r.sketch, r.failures, r.trajectories = _read_common(variables, labels)
    except (KeyError, ValueError) as error:
        raise DamagedError(str(error)) from error
    return r


def read_paths(path: Path) -> tuple[int, Paths]:
    """First member and all paths in a chunk's file."""
    try:
        v = read_file(path, whole=True)
        return int(v["member"][0]), Paths(v["parameters"], v["values"], v["status"], v["reached"])
    except (DamagedError, KeyError) as error:
        raise JevonsError(f"{path} is damaged ({error}); run the ensemble again with the same folder") from error


def read_summary(folder: Path, labels: Labels) -> Summary:
    """The summary of a finished ensemble."""
    path = folder / SUMMARY
    if not path.exists():
        kept = len(list(folder.glob("chunk-*.nc")))
        raise JevonsError(
            f"the ensemble in {folder} is not finished: {kept} chunks are stored. "
            "Run it again with the same folder: it goes on from there"
        )
    try:
        v = read_file(path)
        cubes = {n: v[n] for n in ("count", "mean", "sd", "minimum", "maximum")}
        exceedances, sketch, failures, trajectories = _read_common(v, labels)
        return Summary(**cubes, exceedances=exceedances, sketch=sketch, failures=failures, trajectories=trajectories)
    except (DamagedError, KeyError, ValueError) as error:
        message = f"{path} is damaged ({error}); run the ensemble again with the same folder"
        raise JevonsError(message) from error


def _common(result: Reduction | Summary) -> dict[str, Variable]:
    column, key, count = result.sketch.arrays()
    text = json.dumps(failures_as_text(result.failures)).encode()
    variables: dict[str, Variable] = {"failures": (("text",), np.frombuffer(text, dtype=np.uint8))}
    if column.size:
        variables["bin_column"] = (("bin",), column)
        variables["bin_key"] = (("bin",), key)
        variables["bin_count"] = (("bin",), count)
    if result.exceedances.size:
        variables["exceedances"] = (("scenario", "date", "threshold"), result.exceedances)
    if result.trajectories:
        members = sorted(result.trajectories)
        variables["trajectory"] = (("trajectory",), np.array(members, dtype=np.int64))
        paths = np.array([result.trajectories[m] for m in members])
        variables["trajectory_values"] = (("trajectory", *_CUBE), paths)
    return variables


def _read_common(
    variables: Mapping[str, NDArray[Any]], labels: Labels
) -> tuple[NDArray[np.int64], Sketch, dict[tuple[int, str, str], Failure], dict[int, Floats]]:
    none = np.empty(0, dtype=np.int64)
    bins = [variables.get(f"bin_{n}", none) for n in ("column", "key", "count")]
    shape = (*labels.shape[:2], len(labels.thresholds))
    exceedances = variables.get("exceedances", np.zeros(shape, dtype=np.int64))
    members = variables.get("trajectory", none)
    paths = variables.get("trajectory_values", none)
    sketch = Sketch.from_arrays(math.prod(labels.shape), *bins)
    failures = failures_from_text(json.loads(variables["failures"].tobytes()))
    return exceedances, sketch, failures, {int(m): path for m, path in zip(members, paths, strict=True)}


def _sync_folder(folder: Path) -> None:
    if os.name != "posix":
        return  # elsewhere folders cannot be opened
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _require_same(folder: Path, old: Mapping[str, Any], new: Mapping[str, Any]) -> None:
    a, b = dict(_flat("", old)), dict(_flat("", new))
    missing = "nothing"
    differences = [
        f"{key}: found {a.get(key, missing)!r}, this job has {b.get(key, missing)!r}"
        for key in dict.fromkeys([*a, *b])
        if a.get(key, missing) != b.get(key, missing)
    ]
    if differences:
        raise EnsembleError(f"folder {folder} holds another ensemble", [*differences, "give another folder"])


def _flat(prefix: str, tree: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(tree, Mapping):
        for key, value in tree.items():
            yield from _flat(f"{prefix}.{key}" if prefix else str(key), value)
    else:
        yield prefix, tree
