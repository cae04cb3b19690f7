"""Small Vensim models written as text, as we and as PySD run them."""

from __future__ import annotations

import textwrap
import warnings
from pathlib import Path
from typing import Any

import numpy as np

import jevons as jv
from jevons.interchange.dimensions import canonical

CONTROL = """
INITIAL TIME = 0 ~ Month ~ |
FINAL TIME = 4 ~ Month ~ |
TIME STEP = 0.5 ~ Month ~ |
SAVEPER = TIME STEP ~ Month ~ |
"""


def vensim(body: str, control: str = CONTROL, after: str = "") -> str:
    """A whole model: one equation a line, with units and documentation or without."""
    lines = []
    for line in textwrap.dedent(body).strip().splitlines():
        complete = (
            not line.strip() or line.rstrip().endswith("|") or line.lstrip().upper().startswith((":MACRO", ":END"))
        )
        lines.append(line if complete else f"{line} ~~|")
    return "\n".join(["{UTF-8}", *lines, control, after])


def write(folder: Path, text: str, name: str = "m.mdl") -> Path:
    file = folder / name
    file.write_text(text, encoding="utf-8")
    return file


def read(folder: Path, body: str, control: str = CONTROL, after: str = "", **options: Any) -> jv.Model:
    return jv.read_vensim(write(folder, vensim(body, control, after)), **options)


def values(model: jv.Model, **options: Any) -> dict[str, np.ndarray]:
    """Every series of a run and every constant, over the dates of the run."""
    run = model.run(**options)
    constants = {name: np.full(len(run.times), value) for name, value in model.values.items()}
    return constants | {name: run.values[:, i] for i, name in enumerate(run.names)}


def pysd_values(file: Path) -> dict[str, np.ndarray]:
    """The same by PySD."""
    import pysd

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        load = pysd.read_vensim if file.suffix == ".mdl" else pysd.read_xmile
        table = load(str(file)).run(progress=False, flatten_output=True)
    return {name: table[name].to_numpy(float) for name in table}


def same(name: str) -> str:
    """A name as both write it."""
    return canonical(name.replace('"', "")).replace(",_", ",")
