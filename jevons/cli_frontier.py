"""The command that draws the backfire frontier."""

from __future__ import annotations

from pathlib import Path

import click

LIMITS = ("power", "chips")


def _grid(context: click.Context, parameter: click.Parameter, text: str) -> tuple[int, int]:
    columns, by, rows = text.lower().partition("x")
    try:
        found = int(columns), int(rows)
    except ValueError:
        by = ""
    if not by or min(found) < 3:
        raise click.BadParameter(f"found {text!r}, expected two whole numbers from 3 on, such as 25x20")
    return found


@click.command()
@click.option(
    "--scenario",
    default="deepseek",
    show_default=True,
    help="'inference' (tenfold, inference alone), a shipped scenario of efficiency gains, or a TOML file.",
)
@click.option(
    "--limit",
    "limits",
    type=click.Choice(LIMITS),
    multiple=True,
    default=LIMITS,
    show_default=True,
    help="What grows no faster than the vertical axis says; may be repeated.",
)
@click.option("--satiation", default="shipped", show_default=True, help="Refits: shipped, weak or none.")
@click.option(
    "--grid",
    default="25x20",
    show_default=True,
    callback=_grid,
    metavar="XxY",
    help="Cells: elasticities by limits, the last limit being none.",
)
@click.option("--threads", type=click.IntRange(1), default=2, show_default=True, help="Numbers do not depend on it.")
@click.option("--out", type=click.Path(file_okay=False), required=True, help="Folder for tables and figures.")
def frontier(
    scenario: str, limits: tuple[str, ...], satiation: str, grid: tuple[int, int], threads: int, out: str
) -> None:  # fmt: skip
    """Where an efficiency gain backfires: rebound over elasticity of demand and a limit of growth.

    At every elasticity the other parameters are those refitted to history; a limit holds from the date of the gain on.
    Written for every limit are map-SCENARIO-LIMIT.csv, and figures of R after 1, 5 and 10 years and of the time until
    R exceeds 1; thresholds.csv has the elasticity at which R = 1.

    Example: jevons frontier --scenario deepseek --grid 25x20 --out frontier

    Example: jevons frontier --scenario inference --limit power --satiation weak --grid 12x8 --out frontier
    """
    import pandas as pd

    from jevons.frontier.run import note, read_plan, threshold_table
    from jevons.plot_frontier import maps, times

    plan = read_plan()
    chosen = plan.scenario(scenario)
    refits, name, fall = plan.read_refits(satiation), chosen.name, plan.fall(chosen)
    folder = Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    static, tables = plan.static_lines(refits, fall) if fall is not None else None, []
    for limit in dict.fromkeys(limits):
        click.echo(
            f"{name}, {limit}: compiling (minutes the first time), then {grid[0]} x {grid[1]} cells of three runs"
        )
        plane = plan.plane(scenario, limit, grid, threads)
        found = plane.map(refits, progress=None)
        found.to_frame().to_csv(folder / f"map-{name}-{limit}.csv", index=False, float_format="%.5g")
        words = note(plan, limit, satiation)
        maps(
            [found],
            [name],
            folder / f"frontier-{name}-{limit}.png",
            static=static,
            believed=plan.believed(limit),
            note=words,
        )
        bare = note(plan, limit, satiation, outlined=False) + " Hatching ends with the cells of the grid."
        times([found], [name], folder / f"times-{name}-{limit}.png", static=static, note=bare)
        tables.append(threshold_table(plane, plan, name, limit, [satiation]))
        if found.failed.any():
            click.echo(f"{int(found.failed.sum())} of {found.failed.size} cells failed; they are hatched", err=True)
    table = pd.concat(tables)
    table.to_csv(folder / "thresholds.csv", index=False, float_format="%.6g")
    if static is not None:
        large = f"for a gain of factor {fall:g} {static[1]:.3g}"
        click.echo(f"The static law has R = 1 at a total elasticity of {static[0]:g}, {large}.")
    for (limit, years), part in table.groupby(["limit", "horizon_years"], sort=False):
        some = part["total_elasticity"].dropna()
        highest = float(found.elasticity.max())
        said = f"{some.min():.2f} to {some.max():.2f}, in {len(some)} of {len(part)} rows" if len(some) else (
            f"nowhere below {highest:.2f}")  # fmt: skip
        click.echo(f"R = 1 after {years:g} years, {limit}: total elasticity {said}")
    click.echo(f"wrote {folder}")
