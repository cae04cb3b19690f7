"""What the data can tell at all, whether the draws have converged, and how to make it again."""

from __future__ import annotations

import importlib.metadata
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from jevons.html.drawing import BLUE, GREY, ORANGE, canvas, inline
from jevons.html.inputs import Inputs
from jevons.html.markup import (
    Column,
    bullets,
    columns_of,
    details,
    escape,
    figure,
    fixed,
    missing,
    number,
    paragraph,
    table,
    value,
    words,
)
from jevons.inference.config import read_config
from jevons.inference.convergence import LARGEST_K_HAT, LARGEST_R_HAT, SMALLEST_ESS, has_converged
from jevons.inference.identifiability import CORRELATED, Confounded, Identifiability

SHOWN = 12
"""Directions that are written out."""


def spectrum(inputs: Inputs) -> Identifiability | None:
    """What the stored covariance of the fit says of directions and pairs; None if it is missing."""
    found = inputs.fitted("covariance.csv")
    if not found.there:
        return None
    frame = found.data
    names = tuple(str(c) for c in frame.columns[1:])
    covariance = frame[list(names)].to_numpy(float)
    if covariance.shape != (len(names), len(names)) or not np.isfinite(covariance).all():
        return None
    sizes, vectors = np.linalg.eigh(covariance)
    signs = np.sign(vectors[np.abs(vectors).argmax(axis=0), np.arange(len(names))])
    eigenvalues = np.maximum(1 / np.maximum(sizes, 1e-300) - 1, 0.0)
    rows = int(inputs.meta().get("rows", 0))
    bare = Identifiability(names, np.zeros(len(names)), rows, eigenvalues, vectors * signs, covariance)
    measured = inputs.fitted("rows.csv", ("variable",))
    observed = set(measured.data["variable"]) if measured.there else set()
    hints = [
        h
        for h in read_config(inputs.model).hints
        if set(h.parameters) <= set(names) and h.unless_observed not in observed
    ]
    hinted = tuple(
        Confounded(a, b, bare.correlation(a, b), h.why)
        for h in hints for k, a in enumerate(h.parameters) for b in h.parameters[k + 1 :]
    )  # fmt: skip
    return Identifiability(names, bare.u, rows, eigenvalues, bare.directions, covariance, hinted)


def identifiability(inputs: Inputs) -> str:
    """Sloppy directions by name, and pairs that cannot be told apart."""
    found = spectrum(inputs)
    if found is None:
        return missing(inputs.fitted("covariance.csv"))
    name = f"{inputs.fit_name}/covariance.csv"
    directions = found.to_frame()
    n, held = len(directions), found.held
    parts = [
        paragraph(
            f"The data hold {value(held, str, name)} of {value(n, str, name)} directions of the parameters more "
            "firmly than the priors do, worth "
            f"{value(found.effective_parameters, fixed(found.effective_parameters, 1), name)} parameters. The rest is "
            "prior. This is a local answer, at the best fit "
            '(<a href="https://doi.org/10.1371/journal.pcbi.0030189" rel="noreferrer">Gutenkunst et al. 2007</a>).'
        ),
        figure(
            _spectrum_figure(found), "spectrum",
            "Left of the line a direction is held by its prior, not by data; the names of these are below.",
            "Eigenvalues of the information in the data, by direction",
        ),
    ]  # fmt: skip
    show = [
        Column("direction", "", words), Column("eigenvalue", "information (prior = 1)"),
        Column("variance_share", "variance left", fixed),
    ]  # fmt: skip
    sloppy = directions.iloc[::-1].head(SHOWN)
    parts.append(table(sloppy, f"The {len(sloppy)} directions of which the data say least", show, "sloppy"))
    parts.append(
        details(f"All {n} directions", table(directions, "All directions, best told first", show, "directions"))
    )
    pairs = found.confounded
    if pairs:
        parts.append(paragraph(f"Posterior correlations above {CORRELATED:g} in size: {len(pairs)}."))
        parts.append(bullets(_pair(p) for p in pairs))
    else:
        closest = _closest(found)
        parts.append(
            paragraph(f"No posterior correlation is above {CORRELATED:g} in size. The closest: {escape(closest)}.")
        )
    if found.hinted:
        body = bullets(_pair(p) for p in found.hinted)
        parts.append(details(f"Pairs known to be confounded, with their correlation ({len(found.hinted)})", body))
    return "".join(parts)


def _pair(pair: Confounded) -> str:
    return escape(str(pair).replace("r = -", "r = −"))


def _closest(found: Identifiability) -> str:
    sd = np.sqrt(np.diag(found.covariance))
    r = np.abs(found.covariance / np.outer(sd, sd))
    np.fill_diagonal(r, 0.0)
    i, j = np.unravel_index(int(r.argmax()), r.shape)
    return str(Confounded(found.names[i], found.names[j], found.correlation(found.names[i], found.names[j])))


def _spectrum_figure(found: Identifiability) -> str:
    values = np.maximum(found.eigenvalues, 1e-4)
    order = np.arange(len(values))
    with canvas(3.0) as (drawn, (ax,)):
        held = values > 1
        for chosen, colour, label in ((held, BLUE, "held by data"), (~held, ORANGE, "held by the prior")):
            ax.hlines(order[chosen], 1, values[chosen], color=colour, lw=2)
            ax.plot(values[chosen], order[chosen], "o", color=colour, ms=4, ls="", label=label)
        ax.axvline(1, color=GREY, lw=1)
        ax.set_xscale("log")
        ax.minorticks_off()
        ax.set_yticks([])
        ax.invert_yaxis()
        ax.set_xlabel("information in the data over that in the prior")
        ax.legend(loc="lower right")
        return inline(drawn, "spectrum")


def doubts(inputs: Inputs) -> list[str]:
    """Why the draws are not to be trusted, in words; empty if they are."""
    found = inputs.fitted("convergence.csv", ("quantity", "r_hat", "ess_bulk", "ess_tail"))
    made = inputs.meta().get("posterior", {})
    if not found.there:
        return ["nothing says whether the draws behind the bands have converged"]
    frame, said = found.data, []
    worst_r, worst_ess = float(frame["r_hat"].max()), float(frame[["ess_bulk", "ess_tail"]].min(axis=1).min())
    if not has_converged(frame):
        said.append(
            f"the largest R-hat is {value(worst_r, fixed(worst_r, 3), found.name)} (it should be below "
            f"{LARGEST_R_HAT:g}) and the smallest effective sample {value(worst_ess, f'{worst_ess:.0f}', found.name)} "
            f"(it should be above {SMALLEST_ESS:.0f})"
        )
    k = float(made.get("k_hat", math.nan)) if isinstance(made, Mapping) else math.nan
    if k > LARGEST_K_HAT:
        said.append(f"the weights of the draws have a tail with k̂ = {fixed(k)} (it should be below {LARGEST_K_HAT:g})")
    return said


def convergence(inputs: Inputs) -> str:
    """R-hat and effective sample sizes; where the starts ended."""
    found = inputs.fitted("convergence.csv", ("quantity", "r_hat", "ess_bulk", "ess_tail"))
    meta = inputs.meta()
    parts = []
    if found.there:
        frame = found.data.sort_values("r_hat", ascending=False, kind="stable")
        told = doubts(inputs)
        if told:
            parts.append(
                paragraph(
                    f"<strong>The draws have not converged</strong>: {'; '.join(told)}. Every band stands on them.",
                    "warn",
                )
            )
        else:
            r, ess = float(frame["r_hat"].max()), float(frame[["ess_bulk", "ess_tail"]].min(axis=1).min())
            parts.append(
                paragraph(
                    "The draws have converged: the largest R-hat of all parameters and reported quantities is "
                    f"{value(r, fixed(r, 3), found.name)}, the smallest effective sample "
                    f"{value(ess, f'{ess:.0f}', found.name)}."
                )
            )
        show = [Column("quantity", "", words), Column("r_hat", "R-hat", lambda x: fixed(x, 3))]
        show += [Column("ess_bulk", "ESS, bulk", _whole), Column("ess_tail", "ESS, tail", _whole)]
        parts.append(table(frame.head(5), "The five quantities that mix worst", show, "worst"))
        parts.append(
            details(f"All {len(frame)} quantities", table(frame, "R-hat and effective samples", show, "convergence"))
        )
    else:
        parts.append(missing(found))
    if meta:
        made = meta.get("posterior", {})
        name = f"{inputs.fit_name}/fit.toml"
        starts, share = int(meta.get("starts", 0)), float(meta.get("share_of_starts_at_best", math.nan))
        parts.append(
            paragraph(
                f"The best fit was searched from {value(starts, str, name)} starts, of which "
                f"{value(share, f'{100 * share:.0f}', name)}&nbsp;% ended at the same optimum. Draws: "
                f"{escape(made.get('method', 'unknown method'))}, {value(meta.get('draws', 0), str, name)} stored. "
                "R-hat and effective samples after "
                '<a href="https://doi.org/10.1214/20-BA1221" rel="noreferrer">Vehtari et al. 2021</a>.'
            )
        )
        numbers = [(k, v) for k, v in sorted(made.items()) if isinstance(v, int | float) and not isinstance(v, bool)]
        items = [f"{escape(k.replace('_', ' '))}: {value(v, number, name)}" for k, v in numbers]
        parts.append(details("What the sampler says of itself", bullets(items)))
    else:
        parts.append(paragraph("Missing: the fit's own account, <code>fit.toml</code>.", "missing"))
    return "".join(parts)


def _whole(x: Any) -> str:
    return "–" if math.isnan(float(x)) else f"{float(x):,.0f}"


def reproduction(inputs: Inputs) -> str:
    """Commands, hashes and versions."""
    import pandas as pd

    meta = inputs.meta()
    model, variant = escape(inputs.model), escape(inputs.variant)
    parts = [
        paragraph("Everything here is made by these commands, in this order; the first takes about an hour:"),
        "<pre><code>make fit\nmake project\njevons report</code></pre>",
    ]
    if meta:
        told = (
            "model_hash", "history_hash", "problem_hash", "seed", "code_version", "python", "numpy", "scipy", "numba",
            "command", "known_until", "rows", "free_parameters", "chi2_data", "chi2_prior", "reduced_chi2",
        )  # fmt: skip
        rows = [
            (k.replace("_", " "), f"{v:.6g}" if isinstance(v, float) else str(v))
            for k in told
            if (v := meta.get(k, "")) != ""
        ]
        frame = pd.DataFrame(rows, columns=["what", "value"])
        caption = f"The fit {inputs.model}-{inputs.variant} as it was made"
        parts.append(table(frame, caption, [Column("what", "", words), Column("value", "", words)], "fit"))
    parts.append(
        paragraph(
            f"This page was written by jevons {escape(importlib.metadata.version('jevons'))} for model “{model}”, "
            f"reading “{variant}”, from the files below and nothing else. It has no date: the same files give the "
            "same page, byte by byte."
        )
    )
    frame = pd.DataFrame(inputs.digests(), columns=["file", "sha256", "bytes"])
    columns = [
        Column("file", "", words),
        Column("sha256", "SHA-256, first 16 digits", words),
        Column("bytes", "", _whole),
    ]
    parts.append(details(f"The {len(frame)} files it was made from", table(frame, "Files read", columns, "files")))
    gone = inputs.absent
    if gone:
        frame = pd.DataFrame(sorted(gone.items()), columns=["file", "made by"])
        parts.append(table(frame, "Files that were missing", columns_of(frame), "absent"))
    return "".join(parts)


def fit_quality(inputs: Inputs) -> str:
    """How the fit stands to its rows, in one paragraph."""
    meta = inputs.meta()
    if not meta:
        return ""
    name = f"{inputs.fit_name}/fit.toml"
    keys = ("rows", "free_parameters", "effective_parameters", "chi2_data", "reduced_chi2", "largest_z")
    if not all(k in meta for k in keys):
        return ""
    shown = {k: value(meta[k], f"{float(meta[k]):.0f}", name) for k in keys[:4]}
    return (
        f"The model meets {shown['rows']} rows of history with chi-square {shown['chi2_data']}; it has "
        f"{shown['free_parameters']} free parameters, of which the data pay for {shown['effective_parameters']}. The "
        f"worst row is {value(meta['largest_z'], fixed(meta['largest_z'], 1), name)} standard errors away."
    )
