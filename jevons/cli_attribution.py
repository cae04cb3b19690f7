"""The commands that say what makes a model behave as it does: loops, attribution."""

from __future__ import annotations

import click

from jevons.cli_options import fit_option, load_model

out_option = click.option("--out", type=click.Path(file_okay=False), required=True, help="Folder for the result.")


@click.command()
@click.argument("model")
@click.option("--from", "start", type=float, help="First date; the model's start by default.")
@click.option("--to", "end", type=float, required=True, help="Last date.")
@click.option("--every", type=click.FloatRange(0, min_open=True), default=0.125, show_default=True, help="Dates apart.")
@click.option("--variable", help="What the lower panel shows; energy use by default.")
@click.option("--parts", is_flag=True, help="Take the loops of one equation apart.")
@fit_option
@out_option
def loops(
    model: str, start: float | None, end: float, every: float, variable: str | None, parts: bool, fit_name: str,
    out: str,
) -> None:  # fmt: skip
    """Score the feedback loops of a run: which of them make it behave as it does, and when (Loops that Matter).

    Writes every loop with its share, the strongest ones over time, where dominance passes on, and a figure.

    Example: jevons loops world --from 2015 --to 2035 --out loops
    """
    from jevons.plot_loops import write_loops

    loaded = load_model(model, fit_name)
    begin = loaded.start if start is None else start
    for path in write_loops(loaded, begin, end, out, variable=variable, every=every, parts=parts):
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
