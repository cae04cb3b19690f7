"""The report as one HTML file that asks nothing of the network."""

from __future__ import annotations

import importlib.resources
from collections.abc import Callable
from pathlib import Path

from jevons.html import answer, beliefs, chance, limits, outlook, trials
from jevons.html.inputs import Inputs
from jevons.html.markup import escape

SECTIONS: tuple[tuple[str, str, Callable[[Inputs], str]], ...] = (
    ("answer", "The answer", answer.answer),
    ("knowledge", "What is known, what is not", answer.knowledge),
    ("change", "What would change this answer", answer.change),
    ("definition", "What R is", chance.definition),
    ("chances", "The chance that a gain burns more", chance.chances),
    ("elasticity", "The elasticity: prior, posterior, profile", beliefs.elasticity),
    ("unmoved", "Parameters that history hardly moves", beliefs.unmoved),
    ("experiments", "With and without price experiments", beliefs.experiments),
    ("rebound", "Rebound by kind of efficiency", outlook.rebound),
    ("projection", "History and projection", outlook.projection),
    ("families", "Readings of the sources, each and averaged", outlook.families),
    ("backtests", "Backtests, failures included", trials.backtests),
    ("checks", "Predictive checks and residuals", trials.checks),
    ("ablation", "What each loop is for", trials.ablation),
    ("identifiability", "What the data can tell at all", limits.identifiability),
    ("convergence", "Convergence", limits.convergence),
    ("sources", "Sources and parameters", outlook.sources),
    ("reproduction", "How to reproduce this", limits.reproduction),
)
TITLE = "Does more efficient computing use more energy?"


def write_report(
    out: str | Path, *, source: str | Path, fits: str | Path | None = None, model: str = "world", variant: str = "main"
) -> Path:
    """Write the report.

    Parameters
    ----------
    out : path
        File to write; a folder gets ``report.html``.
    source : path
        Folder that ``jevons project`` wrote.
    fits : path, optional
        Folder with fits and what judges them; the shipped one by default.
    model, variant : str

    Returns
    -------
    Path
        The file. Every table that is missing is named where it would stand, with the command that makes it.

    Raises
    ------
    CalibrationError
        If no calibration is shipped for the model.
    JevonsError
        If the calibration projects nothing.
    """
    path = Path(out)
    path = path / "report.html" if path.suffix.lower() not in (".html", ".htm") else path
    path.parent.mkdir(parents=True, exist_ok=True)
    inputs = Inputs(Path(source), None if fits is None else Path(fits), model, variant)
    path.write_text(page(inputs), encoding="utf-8", newline="\n")
    return path


def page(inputs: Inputs) -> str:
    """The page as text."""
    style = importlib.resources.files("jevons.html").joinpath("style.css").read_text(encoding="utf-8")
    _ = inputs.plan
    warned = answer.warning(inputs)
    bodies = [(ident, title, make(inputs)) for ident, title, make in SECTIONS]
    contents = "".join(f'<li><a href="#{ident}">{escape(title)}</a></li>' for ident, title, _ in bodies)
    sections = "\n".join(
        f'<section id="{ident}" aria-labelledby="{ident}-title"><h2 '
        f'id="{ident}-title">{escape(title)}</h2>{body}</section>'
        for ident, title, body in bodies
    )
    about = f"{inputs.model}, {inputs.variant}"
    return (
        '<!DOCTYPE html>\n<html lang="en-GB">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        f"<title>{escape(TITLE)} ({escape(about)})</title>\n<style>\n{style}</style>\n</head>\n<body>\n"
        '<a class="skip" href="#answer">Skip to the answer</a>\n'
        f'<header><p class="kind">jevons, model “{escape(inputs.model)}”, reading “{escape(inputs.variant)}”</p>'
        f"<h1>{escape(TITLE)}</h1><p>A stock-and-flow model of compute, price, adoption, power and electricity, "
        "fitted to history, asked whether a gain in the efficiency of AI saves electricity or burns it. Every number "
        "in the text is from a table, which its tooltip names. Ranges are 90&nbsp;% bands unless said "
        "otherwise.</p></header>\n"
        f'<nav aria-labelledby="contents-title"><h2 id="contents-title">Contents</h2><ol>{contents}</ol></nav>\n'
        f"<main>\n{warned}{sections}\n</main>\n</body>\n</html>\n"
    )
