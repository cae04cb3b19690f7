"""The commands that say what makes a model behave as it does: loops, attribution."""

from __future__ import annotations

import math

import click

from jevons.cli_options import fit_option, load_model

EVERY = 0.125
MOST_DATES = 1000
"""Dates up to which a file's own are scored; of more every second is left out, or more."""

out_option = click.option("--out", type=click.Path(file_okay=False), required=True, help="Folder for the result.")


@click.command()
@click.argument("model")
@click.option("--from", "start", type=float, help="First date; the model's start by default.")
@click.option("--to", "end", type=float, help="Last date; that of the file by default.")
@click.option(
    "--every",
    type=click.FloatRange(0, min_open=True),
    show_default="0.125; of a file its own, thinned",
    help="Dates apart.",
)
@click.option("--variable", help="What the lower panel shows; energy use, or a stock of the loops, by default.")
@click.option("--parts", is_flag=True, help="Take the loops of one equation apart.")
@fit_option
@out_option
def loops(
    model: str, start: float | None, end: float | None, every: float | None, variable: str | None, parts: bool,
    fit_name: str, out: str,
) -> None:  # fmt: skip
    """Score the feedback loops of a run: which of them make it behave as it does, and when (Loops that Matter).

    MODEL is a shipped model, or a Vensim or XMILE file, which runs as it says itself. Writes every loop with its share,
    the strongest ones over time, where dominance passes on, and a figure.

    Example: jevons loops world --from 2015 --to 2035 --out loops

    Example: jevons loops teacup.mdl --out loops
    """
    from jevons.loop_scores import loop_scores
    from jevons.plot_loops import write_scores

    loaded = load_model(model, fit_name)
    begin = loaded.start if start is None else start
    settings = loaded.settings
    if end is None and settings is None:
        raise click.UsageError(f"Missing option '--to': {model} does not say when a run ends")
    last = end if end is not None or settings is None else settings.end
    if every is None and settings is not None:
        every = settings.every * max(1, math.ceil((float(last or begin) - begin) / settings.every / MOST_DATES))
    run = loaded.run(begin, last, every=every or EVERY)
    if variable is not None:
        loaded.require([variable], run.names)
    scores = loop_scores(loaded, run, parts=parts)
    click.echo(str(scores))
    for path in write_scores(loaded, run, scores, out, variable=variable):
        click.echo(f"wrote {path}")


@click.command()
@click.argument("model", default="world")
@click.option("--scenario", default="deepseek", show_default=True, help="Shipped scenario of efficiencies, or a file.")
@fit_option
@out_option
def attribution(model: str, scenario: str, fit_name: str, out: str) -> None:
    """Say which loop carries a rebound (exact Shapley values), and which factor drove history (LMDI-I).

    At the fit, about half a minute: every coalition of loops is run. Writes tables and figures.

    Example: jevons attribution world --scenario deepseek --out attribution
    """
    from jevons.plot_attribution import write_attribution
    from jevons.rebound.meter import roles_of
    from jevons.scenario import load_scenario

    loaded, chosen = load_model(model, fit_name), load_scenario(scenario)
    roles_of(loaded)
    chosen.check(loaded)
    click.echo("Running every coalition of loops ...", err=True)
    for path in write_attribution(loaded, out, chosen):
        click.echo(f"wrote {path}")
