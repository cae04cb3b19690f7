"""The commands `jevons ensemble` and `jevons sensitivity`."""

from __future__ import annotations

import contextlib
import math
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from jevons.cli_options import BAD_ANSWER, fit_option, load_model, numbers

if TYPE_CHECKING:
    import pandas as pd

    from jevons.ensemble.design import Design
    from jevons.ensemble.result import EnsembleResult
    from jevons.model import Model

MOST_DATES = 100_000
THINNED = 200
"""Dates of a file up to which all are reported unless more are asked for."""
Varied = tuple[list[str] | None, dict[str, tuple[float, float]]]

vary_option = click.option(
    "--vary",
    "vary",
    multiple=True,
    metavar="NAME | NAME=LOW:HIGH",
    help="Vary this parameter over its prior, or evenly between two values; may be repeated. "
    "Default: all parameters whose prior is wider than a point.",
)


@click.command()
@click.argument("model")
@click.option(
    "--output",
    "outputs",
    multiple=True,
    metavar="NAME",
    help="Report this variable (see 'jevons show'); may be repeated. Default: energy, or the first stocks.",
)
@click.option("--from", "start", type=float, help="First date reported; the model's start by default.")
@click.option("--to", "end", type=float, help="Last date; that of the file by default.")
@click.option("--every", type=float, help="Distance of reported dates.", show_default="1; of a file its own, thinned")
@click.option("--members", type=click.IntRange(1), show_default="1024, or all draws", help="Sets of parameters.")
@click.option(
    "--design", "kind", type=click.Choice(["lhs", "sobol", "random"]), help="How they are spread.", show_default="lhs"
)
@vary_option
@click.option("--draws", "variant", metavar="VARIANT", help="Take the draws of this shipped fit instead, such as main.")
@click.option(
    "--scenario",
    "scenarios",
    multiple=True,
    help="A shipped scenario, or a TOML file, beside the model as it is; may be repeated.",
)
@click.option("--exceed", multiple=True, metavar="NAME=VALUE", help="Count the members above; may be repeated.")
@click.option(
    "--keep",
    type=click.Choice(["summary", "members"]),
    default="summary",
    show_default=True,
    help="Whether the folder keeps every member's values too.",
)
@click.option("--workers", type=click.IntRange(1), help="Run in this many processes.")
@click.option("--threads", type=click.IntRange(1), show_default="2", help="Run in this many threads.")
@click.option("--seed", type=click.IntRange(0), show_default="0", help="Seed of the design.")
@click.option("--out", type=click.Path(file_okay=False), required=True, help="Folder for the result.")
@fit_option
def ensemble(
    model: str, outputs: tuple[str, ...], start: float | None, end: float | None, every: float | None,
    members: int | None,
    kind: str | None, vary: tuple[str, ...], variant: str | None, scenarios: tuple[str, ...], exceed: tuple[str, ...],
    keep: str, workers: int | None, threads: int | None, seed: int | None, out: str, fit_name: str,
) -> None:  # fmt: skip
    """Run a model for many sets of parameters, and report quantiles.

    MODEL is a shipped model, or a Vensim or XMILE file, which runs as it says itself. Writes summary.csv; the other
    files are in docs/ensembles.md. The same command goes on from what is stored.

    Example: jevons ensemble world --from 2010 --to 2035 --draws main --scenario deepseek --out ensemble

    Example: jevons ensemble teacup.mdl --vary "Room Temperature=60:80" --output "Teacup Temperature" --out ensemble
    """
    from jevons.ensemble.run import Ensemble

    if workers and threads:
        raise click.UsageError("give --workers or --threads, not both")
    given = {"--vary": vary, "--design": kind, "--seed": seed is not None}
    excluded = [option for option, value in given.items() if value]
    if variant and excluded:
        raise click.UsageError(f"give --draws or {' and '.join(excluded)}, not both: draws are given as they are")
    loaded = load_model(model, variant or fit_name)
    design = _draws(model, variant, members) if variant else _design(loaded, kind or "lhs", vary, members, seed)
    if not (variant or vary):
        _warn_of_priors(model, "--draws main takes what the fit left of them, --vary NAME a few")
    thresholds: dict[str, list[float]] = {}
    for name, value in numbers("--exceed", exceed, "dc_electricity=1000"):
        thresholds.setdefault(name, []).append(value)
    study = Ensemble(
        loaded,
        design,
        outputs=outputs or _default_outputs(loaded),
        times=_reported(loaded, start, end, every),
        scenarios=[None, *scenarios],
    )
    with _warnings_as_messages():
        try:
            result = study.run(out, threads=threads, workers=workers, keep=keep, exceed=thresholds)
        except KeyboardInterrupt:
            click.echo(f"\nthe same command goes on from what is stored in {out}", err=True)
            raise
    _report(result)
    click.echo(f"wrote {result.to_csv(Path(out) / 'summary.csv')}")
    counted = result.summary.count[:, -1].max(axis=-1)
    nothing = [name for name, count in zip(result.labels.scenarios, counted, strict=True) if not count]
    if nothing:
        click.echo(f"jevons: every run failed ({', '.join(nothing)}); narrow what varies", err=True)
        raise click.exceptions.Exit(BAD_ANSWER)


def _warn_of_priors(model: str, advice: str) -> None:
    """Priors alone allow paths that history does not."""
    from jevons.inference.config import shipped_fits

    if any(fit.startswith(f"{model}-") for fit in shipped_fits()):
        click.echo(f"all priors vary, whatever the history says: expect absurd members; {advice}", err=True)


def _draws(model: str, variant: str, members: int | None) -> Design:
    from jevons.ensemble.design import Design
    from jevons.inference.config import shipped_fit

    return Design.rows(shipped_fit(model, variant).draws(members))


def _design(model: Model, kind: str, vary: Sequence[str], members: int | None, seed: int | None) -> Design:
    from jevons.ensemble.design import Design

    make = {"lhs": Design.latin_hypercube, "sobol": Design.sobol, "random": Design.random}[kind]
    names, ranges = _varied(model, vary)
    return make(model, names, 1024 if members is None else members, seed or 0, ranges)


def _varied(model: Model, vary: Sequence[str]) -> Varied:
    """Names and ranges that the option gives; None for all parameters with priors."""
    from jevons.ensemble.design import distribution

    names: list[str] = []
    ranges: dict[str, tuple[float, float]] = {}
    for text in vary:
        name, equals, interval = (text, "", "") if text in model.parameters else text.rpartition("=")
        name, equals, interval = (name, equals, interval) if equals or name else (interval, "", "")
        name = name.strip()
        names.append(name)
        if not equals:
            continue
        low, _, high = interval.partition(":")
        try:
            ranges[name] = (float(low), float(high))
        except ValueError:
            ranges[name] = (math.nan, math.nan)
        if not -math.inf < ranges[name][0] < ranges[name][1] < math.inf:
            expected = "NAME, or NAME=LOW:HIGH with LOW < HIGH such as satiation=0.1:0.5"
            raise click.BadParameter(f"found {text!r}, expected {expected}", param_hint="--vary")
    model.require(names, model.parameters, "parameter")
    for name in names:
        if name not in ranges and isinstance(distribution(model, name), str):
            value = model.parameters[name].value
            raise click.BadParameter(
                f"{name!r} has no prior to vary over (its value is {value:g}); give its range, {name}=LOW:HIGH",
                param_hint="--vary",
            )
    return names or None, ranges


def _default_outputs(model: Model) -> list[str]:
    return [model.roles.energy] if model.roles else list(model.stocks[:5] or model.structure.order[:5])


def _reported(model: Model, start: float | None, end: float | None, every: float | None) -> list[float]:
    """Reported dates: of a model with settings its own, of which a long run has every second or less."""
    settings, begin = model.settings, model.start if start is None else start
    if end is None:
        if settings is None:
            raise click.UsageError(f"Missing option '--to': {model.name} does not say when a run ends")
        end = settings.end
    if every is None and settings is not None:
        every = settings.every * max(1, math.ceil((end - begin) / settings.every / THINNED))
    return _dates(begin, end, 1.0 if every is None else every)


def _dates(start: float, end: float, every: float) -> list[float]:
    """Reported dates, the last one always among them."""
    if not (math.isfinite(start) and math.isfinite(end) and start <= end):
        raise click.UsageError(f"dates {start:g} to {end:g}, expected --from before --to")
    if not 0 < every < math.inf:
        raise click.BadParameter(f"found {every:g}, expected more than 0", param_hint="--every")
    if (end - start) / every > MOST_DATES:
        raise click.UsageError(
            f"{start:g} to {end:g} every {every:g} has more than {MOST_DATES:,} dates: raise --every"
        )
    steps = math.floor((end - start) / every + 1e-6)
    dates = [start + k * every for k in range(steps + 1)]
    return dates if end - dates[-1] < 1e-6 * every else [*dates, end]


def _report(result: EnsembleResult) -> None:
    """Print the result, its quantiles at the last date, exceedances there, and failures."""
    click.echo(str(result))
    click.echo(f"\nQuantiles at {result.labels.dates[-1]:g} ({result.labels.time_unit})")
    quantiles = _named(_last(result.quantiles()))
    table = quantiles.set_index(["scenario", "output", "quantile"])["value"].unstack(sort=False).reset_index()
    table.columns = [f"{c:g}" if isinstance(c, float) else str(c) for c in table.columns]
    click.echo(_text(table))
    if result.labels.thresholds:
        click.echo(f"\nMembers above a threshold at {result.labels.dates[-1]:g}")
        exceedance = _named(_last(result.exceedance()))
        click.echo(_text(exceedance[["scenario", "output", "threshold", "count", "share"]]))
    if result.failed:
        click.echo("\nFailures (parameters of the first: jevons.read_ensemble(folder).failures())")
        failures = result.failures()
        failures["first members"] = [", ".join(map(str, first[:5])) for first in failures["members"]]
        click.echo(_text(failures[["scenario", "status", "variable", "count", "share", "first members"]]))
    click.echo()


def _last(frame: pd.DataFrame) -> pd.DataFrame:
    return frame[frame["date"] == frame["date"].max()]


def _named(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.assign(output=frame["output"] + " [" + frame["unit"] + "]")


def _text(table: pd.DataFrame) -> str:
    text: str = table.to_string(index=False, float_format=lambda x: f"{x:.5g}")
    return text


@contextlib.contextmanager
def _warnings_as_messages() -> Iterator[None]:
    def show(message: Warning | str, *_: Any, **__: Any) -> None:
        click.echo(f"jevons: {message}", err=True)

    with warnings.catch_warnings():
        warnings.simplefilter("always", UserWarning)
        warnings.showwarning = show
        yield


@click.command()
@click.argument("model")
@click.option(
    "--output", metavar="NAME", help="The variable to explain (see 'jevons show'). Default: energy, or the first stock."
)
@click.option("--at", type=float, help="Date at which it is taken, such as 2035; the end of the file by default.")
@vary_option
@click.option(
    "--method",
    type=click.Choice(["morris", "sobol"]),
    default="morris",
    show_default=True,
    help="Morris ranks with few runs; Sobol' gives shares of the variance, with many.",
)
@click.option(
    "--samples",
    type=click.IntRange(2),
    show_default="20 trajectories for morris, 1024 for sobol",
    help="Base sample; it takes this times the number of parameters in runs. A power of two for sobol.",
)
@click.option("--scenario", help="A shipped scenario, or a TOML file, instead of the model as it is.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Seed of the sample.")
@click.option("--threads", type=click.IntRange(1), default=2, show_default=True, help="Run in this many threads.")
@click.option("--csv", "path", type=click.Path(dir_okay=False), help="Write the table there.")
@fit_option
def sensitivity(
    model: str, output: str | None, at: float | None, vary: tuple[str, ...], method: str, samples: int | None,
    scenario: str | None, seed: int, threads: int, path: str | None, fit_name: str,
) -> None:  # fmt: skip
    """Rank the parameters by what they do to an output.

    Needs SALib: pip install 'jevons[sensitivity]'.

    Example: jevons sensitivity world --at 2035 --vary satiation=0.02:0.1 --vary usage_price_elasticity=0.4:1

    Example: jevons sensitivity teacup.mdl --vary "Room Temperature=60:80" --vary "Characteristic Time=5:20"
    """
    from jevons.ensemble.sensitivity import morris, sobol_indices

    loaded = load_model(model, fit_name)
    if at is None:
        if loaded.settings is None:
            raise click.UsageError(f"Missing option '--at': {model} does not say when a run ends")
        at = loaded.settings.end
    names, ranges = _varied(loaded, vary)
    if not vary:
        _warn_of_priors(model, "--vary NAME=LOW:HIGH takes a few, within what you believe")
    chosen = output or _default_outputs(loaded)[0]
    options: dict[str, Any] = {"seed": seed, "ranges": ranges, "scenario": scenario, "threads": threads}
    with _warnings_as_messages():
        if method == "morris":
            table = morris(loaded, names, chosen, at=at, trajectories=samples or 20, **options)
        else:
            table = sobol_indices(loaded, names, chosen, at=at, samples=samples or 1024, **options)
    unit = f" [{loaded.unit(chosen)}]" if chosen in loaded.elements else ""
    first = table.iloc[0]
    click.echo(f"{chosen}{unit} at {at:g}: {first['runs']:,} runs, {first['failed']:,} failed")
    click.echo(
        "mu_star is the mean size of an elementary effect over the whole range of a parameter, mu its mean with sign, "
        "sigma its spread"
        if method == "morris"
        else "first_order is the share of the variance that a parameter explains alone, total with its interactions"
    )
    counts = ["runs", "failed", "failure_rate", "trajectories", "dropped"]
    click.echo(_text(table.drop(columns=counts, errors="ignore")))
    if path:
        table.to_csv(path, index=False, lineterminator="\n")
        click.echo(f"wrote {path}")
