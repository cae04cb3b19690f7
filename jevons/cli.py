"""The `jevons` command.

Exit status: 0 done; 1 the question has a bad answer (a run diverged, a check failed); 2 the question is malformed.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click

from jevons import cli_interchange, cli_models
from jevons.cli_attribution import attribution, loops
from jevons.cli_claims import claims
from jevons.cli_ensembles import ensemble, sensitivity
from jevons.cli_experiments import experiment, experiments
from jevons.cli_frontier import frontier
from jevons.cli_inference import backtest, calibrate, fit, profile, sample
from jevons.cli_options import BAD_ANSWER, MALFORMED, fit_option, fit_variant, is_file, load_model, numbers
from jevons.errors import FitError, IntegrationError, JevonsError

if TYPE_CHECKING:
    from jevons.model import Model
    from jevons.scenario import Scenario
    from jevons.system import RunnableModel


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="jevons")
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
@click.pass_context
def cli(ctx: click.Context, debug: bool) -> None:
    """When computing gets more efficient, does its energy use fall or rise?

    Example: jevons project --out out
    """
    ctx.obj = {"debug": debug}


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Entry point of the command."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in given
    if debug:
        given.remove("--debug")
        given.insert(0, "--debug")
    try:
        status = cli.main(args=given, prog_name="jevons", standalone_mode=False)
    except click.exceptions.Exit as stop:
        status = stop.exit_code
    except click.ClickException as error:
        error.show()
        status = MALFORMED
    except click.Abort:
        click.echo("stopped", err=True)
        status = 130
    except (IntegrationError, FitError) as error:
        _report(error, debug)
        status = BAD_ANSWER
    except (JevonsError, OSError) as error:
        _report(error, debug)
        status = MALFORMED
    sys.exit(status if isinstance(status, int) else 0)


def _report(error: Exception, debug: bool) -> None:
    if debug:
        raise error
    click.echo(f"jevons: {error}", err=True)


COMMANDS = (
    ensemble, sensitivity, fit, calibrate, sample, profile, backtest,
    experiment, experiments, frontier, attribution, loops, claims,
    *cli_models.COMMANDS, *cli_interchange.COMMANDS,
)  # fmt: skip
for command in COMMANDS:
    cli.add_command(command)


@cli.command("list")
def list_all() -> None:
    """List the models, scenarios and shipped fits.

    Example: jevons list
    """
    from jevons.inference.config import shipped_countries, shipped_fits
    from jevons.library import list_models, load
    from jevons.scenario import read_scenario, shipped_scenarios

    click.echo("models")
    for name in list_models():
        click.echo(f"  {name:18} {_first_line(load(name, None).doc)}")
    click.echo("scenarios, for 'jevons experiment' (those that the world has the parameters for run on it, too)")
    for name, path in shipped_scenarios().items():
        scenario = read_scenario(path)
        click.echo(f"  {name:27} {scenario.title or _first_line(scenario.doc)}")
    click.echo("shipped fits")
    for name in (*shipped_fits(), *(f"world-{country}" for country in shipped_countries())):
        click.echo(f"  {name}")


def _few(dates: list[float]) -> list[float]:
    """At most some sixty dates, evenly apart, and the last."""
    apart = -(-len(dates) // 60)
    return dates[::apart] if (len(dates) - 1) % apart == 0 else [*dates[::apart], dates[-1]]


def _first_line(text: str) -> str:
    return text.strip().splitlines()[0] if text.strip() else ""


@cli.command()
@click.argument("model")
@click.option("--from", "start", type=float, help="First date reported; the run begins at the model's own start.")
@click.option("--to", "end", type=float, help="Last date; that of the file by default.")
@click.option("--set", "settings", multiple=True, metavar="NAME=VALUE", help="Change a parameter; may be repeated.")
@click.option("--scenario", help="A shipped scenario, or a TOML file.")
@click.option("--csv", "path", type=click.Path(dir_okay=False), help="Write all variables there.")
@click.option(
    "--method",
    help="LSODA (default), Radau, BDF, DOP853, RK45, RK23, RK4, RK2, Euler; a file's own method by default.",
)
@click.option("--every", type=float, help="Distance of reported dates; 0.125, or as the file says.")
@click.option(
    "--variable",
    "variables",
    multiple=True,
    help="Print this variable (see 'jevons show'); may be repeated. Default: energy, or the first stocks.",
)
@fit_option
def run(
    model: str, start: float | None, end: float | None, settings: tuple[str, ...], scenario: str | None,
    path: str | None, method: str | None, every: float | None, variables: tuple[str, ...], fit_name: str,
) -> None:  # fmt: skip
    """Integrate a model and report a window.

    MODEL is a shipped model (see 'jevons list') or a Vensim or XMILE file, which runs as it says itself.

    Example: jevons run world --from 2010 --to 2035 --set satiation=0.1 --scenario deepseek --csv run.csv
    """
    from jevons.integrate import run as integrate
    from jevons.integrate import runnable
    from jevons.library import load_runnable

    values = dict(numbers("--set", settings, "satiation=0.1"))
    given: Model | RunnableModel
    if scenario is None and not is_file(model):
        given = loaded = load_runnable(model, fit_variant(fit_name))
        loaded.require(values, loaded.parameters, "parameter")
    else:
        symbolic = load_model(model, fit_name)
        symbolic.require(values, symbolic.parameters, "parameter")
        if scenario is not None:
            from jevons.scenario import load_scenario

            symbolic, values = load_scenario(scenario).apply(symbolic.with_values(values)), {}
        given, loaded = symbolic, runnable(symbolic, symbolic.settings is None)
    trajectory = integrate(given, start, end, params=values, method=method, every=every)
    shown = list(variables) or ([loaded.energy] if loaded.energy else list(loaded.stocks[:5]))
    frame = trajectory.to_frame(units=False)
    loaded.require(shown, trajectory.names, "variable")
    whole = frame.loc[_few([t for t in frame.index if abs(t - round(t)) < 1e-9] or list(frame.index)), shown]
    table = whole.rename(columns={n: f"{n} [{trajectory.units[n]}]" for n in shown})
    energy = loaded.energy
    if energy in shown and (every is None or 0 < every <= 0.5):
        means = [trajectory.annual_mean(energy, t) if t + 1 <= trajectory.times[-1] else None for t in table.index]
        table[f"mean of the {loaded.time_unit} from then on"] = means
    click.echo(
        f"Values at the dates shown ({loaded.time_unit}; 2025.0 is the first moment of 2025)."
        if loaded.start > 1900
        else f"Values at the dates shown ({loaded.time_unit})."
    )
    click.echo(table.to_string(float_format=lambda x: f"{x:.6g}", na_rep=""))
    click.echo(str(trajectory))
    if path:
        trajectory.to_csv(path)
        click.echo(f"wrote {path}")


@cli.command()
@click.option(
    "--out", type=click.Path(file_okay=False), default="out", show_default=True, help="Folder for the results."
)
@click.option("--variant", default="main", show_default=True, help="Shipped fit, or a folder with a fit.")
@click.option("--draws", type=click.IntRange(20), help="How many of the fit's draws, 20 or more; all by default.")
@click.option("--scenario", "scenarios", multiple=True, help="One more scenario for projection.csv; may be repeated.")
def project(out: str, variant: str, draws: int | None, scenarios: tuple[str, ...]) -> None:
    """Project to 2035 with bands and rebounds: the main job.

    Writes tables, pictures and a summary; docs/outputs.md says what is in them. About half a minute.

    Example: jevons project --out out
    """
    from jevons.report import run_projection
    from jevons.scenario import load_scenario

    report = run_projection(out, variant=variant, draws=draws, extra=[load_scenario(s) for s in scenarios])
    click.echo(report.summary)
    click.echo()
    for path in report.files:
        click.echo(f"wrote {path}")


@cli.command()
@click.option("--out", type=click.Path(dir_okay=False), default="out/report.html", show_default=True, help="The page.")
@click.option(
    "--source", type=click.Path(file_okay=False), default="out", show_default=True, help="Of 'jevons project'."
)
@click.option(
    "--fits", type=click.Path(exists=True, file_okay=False), help="Folder of fits instead of the shipped one."
)
@click.option("--variant", default="main", show_default=True, help="Reading of the data.")
def report(out: str, source: str, fits: str | None, variant: str) -> None:
    """Put all of it on one page: the answer, the evidence, the checks, the failures.

    The page needs nothing else, no network either. Run 'jevons project' first: its folder is what the page is made of.
    It is about the world; for one's own data there are the tables of 'jevons project'.

    Example: jevons report --out report.html
    """
    from jevons.html.document import write_report

    if not (Path(source) / "projection.csv").exists():
        raise click.UsageError(f"{source} holds no projection.csv; run 'jevons project --out {source}' first")
    _require_fit(Path(source), Path(fits) if fits else None, variant)
    written = write_report(Path(out), source=Path(source), fits=Path(fits) if fits else None, variant=variant)
    click.echo(f"wrote {written}")


def _require_fit(source: Path, fits: Path | None, variant: str) -> None:
    """Refuse a projection of another fit than the page's."""
    import pandas as pd

    from jevons.inference.config import shipped_fit

    stored = shipped_fit("world", variant if fits is None else str(fits / f"world-{variant}"))
    shown = pd.read_csv(source / "parameters.csv").set_index("name")["value"]
    for name, value in stored.values.items():
        if abs(shown.get(name, float("nan")) - value) > 1e-4 * abs(value):
            found = f"{name} is {shown[name]:.6g} there and {value:.6g} in the fit {variant!r}"
            raise click.UsageError(f"{source} holds a projection of another fit ({found}); project again")


@cli.command()
@click.argument("model")
@click.option(
    "--shock", "kind", help="Kind of efficiency; the world has inference, training, hardware, facility, hardware_price."
)
@click.option("--factor", type=float, help="Gain, above 0.")
@click.option("--at", type=float, help="Date of the gain, a decimal year such as 2025.07.")
@click.option("--spread", type=float, default=0.0, show_default=True, help="Time over which the gain spreads, years.")
@click.option("--scenario", help="A scenario of efficiency gains instead of --shock, --factor and --at.")
@click.option("--until", type=float, default=10.0, show_default=True, help="Years after the gain.")
@click.option("--csv", "path", type=click.Path(dir_okay=False), help="Write R over time there.")
@click.option("--draws", type=click.IntRange(0), default=400, show_default=True, help="Draws for the bands; 0: none.")
@fit_option
def rebound(
    model: str, kind: str | None, factor: float | None, at: float | None, spread: float, scenario: str | None,
    until: float, path: str | None, draws: int, fit_name: str,
) -> None:  # fmt: skip
    """Measure the rebound of an efficiency gain from three runs.

    First at the best fit, then over the draws of its posterior: median, 50 and 90 % bands, P(R > 1).

    Example: jevons rebound world --shock inference --factor 10 --at 2025.07 --csv rebound.csv
    """
    import math

    from jevons.rebound.meter import measure_rebound as measure
    from jevons.rebound.meter import shock
    from jevons.scenario import load_scenario

    loaded = load_model(model, fit_name)
    if scenario is not None:
        if kind is not None:
            raise click.UsageError("give --shock or --scenario, not both")
        chosen = load_scenario(scenario)
    else:
        missing = [o for o, v in (("--shock", kind), ("--factor", factor), ("--at", at)) if v is None]
        if missing:
            raise click.UsageError(f"{', '.join(missing)} missing (or give --scenario)")
        chosen = shock(loaded, str(kind), float(factor or 0.0), float(at or 0.0), spread)
    if until <= 0:
        raise click.BadParameter(f"found {until:g}, expected more than 0", param_hint="--until")
    result = measure(loaded, chosen, at=at, until=until)
    click.echo(f"{chosen.name}: {chosen.doc.strip() or 'rebound'}")
    click.echo(f"{'years':>6} {'R':>8} {'cumulative':>11} {'energy change':>14}")
    last = float(result.times[-1] - result.times[0])
    for horizon in sorted({h for h in (1.0, 3.0, 5.0, 10.0) if h < last} | {last}):
        r, total = result.at(horizon)
        k = min(range(len(result.times)), key=lambda i, h=horizon: abs(result.times[i] - result.times[0] - h))  # type: ignore[misc]
        cells = ["undefined" if math.isnan(x) else f"{x:.3f}" for x in (r, total)]
        click.echo(f"{horizon:6g} {cells[0]:>8} {cells[1]:>11} {100 * result.induced_growth[k]:+13.2f}%")
    click.echo(f"Counterfactual: {result.counterfactual}.")
    if draws and fit_variant(fit_name) is not None:
        _rebound_bands(model, fit_name, chosen, float(result.times[0]), until, draws)
    if path:
        with Path(path).open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            unit = result.unit
            writer.writerow(
                ["time", "rebound", "cumulative", f"base [{unit}]", f"shocked [{unit}]", f"engineering [{unit}]"]
            )
            columns = (
                result.times,
                result.rebound,
                result.cumulative,
                result.base,
                result.shocked,
                result.engineering,
            )
            writer.writerows(
                ["" if math.isnan(x) else repr(float(x)) for x in row] for row in zip(*columns, strict=True)
            )
        click.echo(f"wrote {path}")


def _rebound_bands(model: str, fit_name: str, chosen: Scenario, at: float, until: float, draws: int) -> None:
    """Print the rebound over the draws of a fit, if the model has one."""
    from jevons.inference.config import shipped_fit, shipped_fits
    from jevons.inference.projection import project_rebound

    if not Path(fit_name).exists() and not any(f.startswith(f"{model}-") for f in shipped_fits()):
        return
    stored = shipped_fit(model, fit_name)
    horizons = sorted({h for h in (1.0, 3.0, 5.0, 10.0) if h < until} | {until})
    symbolic = load_model(model, "none")
    found = project_rebound(
        symbolic, stored, [(chosen, 1.0)], at, horizons=horizons, draws=min(draws, len(stored.sample))
    ).table
    click.echo(f"Over {min(draws, len(stored.sample))} draws of the posterior:")
    click.echo(f"{'years':>6} {'median':>8} {'50 % band':>17} {'90 % band':>17} {'P(R > 1)':>9} {'undefined':>10}")
    for row in found.itertuples():
        half, most = (f"{low:.2f} to {high:.2f}" for low, high in ((row.p25, row.p75), (row.p05, row.p95)))
        cells = f"{row.rebound:8.3f} {half:>17} {most:>17} {row.probability_backfire:9.0%} {row.undefined_share:10.0%}"
        click.echo(f"{row.horizon_years:6g} {cells}")
    click.echo(
        "P(R > 1) holds for the fit's prior of the price elasticity, which the data hardly move: see backfire.csv."
    )
