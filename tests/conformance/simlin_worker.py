"""Runs a model by pysimlin: ``python simlin_worker.py MODEL OUT.npz``."""

from __future__ import annotations

import sys

import numpy as np
import simlin


def main() -> None:
    """Run the model as its file says, and keep every variable."""
    source, out = sys.argv[1:]
    run = simlin.load(source).run().results
    names = np.asarray([str(name) for name in run.columns])
    np.savez_compressed(out, times=np.asarray(run.index, dtype=float), names=names, values=run.to_numpy(dtype=float))


if __name__ == "__main__":
    main()
