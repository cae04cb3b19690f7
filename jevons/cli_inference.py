"""The commands that calibrate: fit, sample, profile, backtest."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from jevons.cli_options import BAD_ANSWER, fit_option, load_model
from jevons.errors import CalibrationError

if TYPE_CHECKING:
    from jevons.inference.profiles import Profile

out_option = click.option("--out", type=click.Path(file_okay=False), required=True, help="Folder for the result.")
variant_option = click.option("--variant", help="Reading of the data; main by default (see the calibration file).")
resume_option = click.option("--resume", is_flag=True, help="Go on from what the folder holds.")
UNFINISHED = "unfinished"
Wanted = dict[str, tuple[float, float] | None]


@click.command()
@click.argument("what", metavar="MODEL|FILE")
@variant_option
@click.option("--history", type=click.Path(exists=True), help="CSV of other data instead of the calibration's.")
@click.option("--priors", type=click.Path(exists=True, dir_okay=False), help="TOML laid over the calibration.")
@click.option("--until", metavar="YYYY-MM", help="Use only what was known by the end of this month.")
@click.option("--starts", type=click.IntRange(1), help="Number of starts; that of the calibration by default.")
@click.option("--seed", type=int, help="Seed; that of the calibration by default.")
@click.option("--draws", type=click.IntRange(2), default=100, show_default=True, help="Draws of the quick posterior.")
@click.option("--sample", "sampled", is_flag=True, help="Sample the posterior too, as 'jevons sample' does.")
@click.option("--steps", type=click.IntRange(50), default=4000, show_default=True, help="With --sample, most steps.")
@resume_option
@out_option
def fit(
    what: str, variant: str | None, history: str | None, priors: str | None, until: str | None, starts: int | None,
    seed: int | None, draws: int, sampled: bool, steps: int, resume: bool, out: str,
) -> None:  # fmt: skip
    """Fit a model to its history, from many starts.

    WHAT is a model with a shipped calibration, or a calibration file. Every finished start is on the disk at once. The
    draws it stores are approximate (randomised maximum likelihood) unless --sample is given.

    Example: jevons fit world --variant iea --out fit

    Example: jevons fit world --history my.csv --priors my.toml --sample --out mine
    """
    from jevons.inference.fit import fit as run_fit
    from jevons.inference.fit import notable_moves, parameter_table
    from jevons.inference.identifiability import identifiability
    from jevons.inference.posterior import sample as run_sampler
    from jevons.inference.projection import reported_quantities
    from jevons.inference.sampling import randomised_draws
    from jevons.inference.stored import save_fit
    from jevons.plot_inference import spectrum, waterfall
    from jevons.problems import open_problem

    problem = open_problem(what, variant=variant, history=history, priors=priors, until=until)
    config, calibration, folder = problem.config, problem.calibration, Path(out)
    used_seed, unfinished = config.seed if seed is None else seed, folder / UNFINISHED
    click.echo(str(calibration))
    click.echo("What the data could tell of the parameters, before the fit, at the centre of their priors:")
    try:
        click.echo(str(identifiability(calibration, hints=config.hints)))
    except CalibrationError as error:
        click.echo(f"  nothing to say: {error}")
    result = run_fit(
        calibration,
        starts=starts or config.starts,
        seed=used_seed,
        spread=config.spread,
        folder=unfinished,
        resume=resume,
    )
    click.echo(str(result))
    for line in notable_moves(parameter_table(result)):
        click.echo(f"  moved {line}")
    click.echo("What the data tell of the parameters at the fit:")
    found = identifiability(result, hints=config.hints)
    click.echo(str(found))
    posterior = (
        run_sampler(
            result, steps=steps, seed=used_seed, folder=unfinished, resume=resume,
            quantities=reported_quantities(problem.model, config, calibration),
        )
        if sampled
        else randomised_draws(result, draws, used_seed)
    )  # fmt: skip
    save_fit(result, posterior, folder, fixed=problem.fixed, draws=config.draws, command=f"jevons fit {what}")
    problem.write(folder)
    found.to_frame().to_csv(folder / "identifiability.csv", index=False)
    waterfall(result, folder / "waterfall.png")
    spectrum(found, folder / "identifiability.png")
    click.echo(f"wrote {folder}")
    if sampled:
        _said(posterior, unfinished)
    else:
        _clear(unfinished)
        click.echo(f"The stored draws are approximate: 'jevons sample {folder} --out {folder}' samples the posterior.")


@click.command()
@click.argument("model", metavar="MODEL")
@click.argument("data", type=click.Path(exists=True, dir_okay=False))
@click.option(
    "--free",
    "free",
    multiple=True,
    required=True,
    metavar="NAME | NAME=LOW:HIGH",
    help="Parameter to fit, within a range if one is given; may be repeated.",
)
@click.option("--column", "columns", multiple=True, metavar="NAME", help="Fit this column; repeatable. Default: all.")
@click.option(
    "--sigma",
    "sigmas",
    multiple=True,
    metavar="[NAME=]NUMBER",
    help="Standard error of a column's values, in their unit; without a name of every column. May be repeated.",
)
@click.option(
    "--relative",
    type=click.FloatRange(0, min_open=True),
    default=0.1,
    show_default=True,
    help="Standard error of the columns left, as a share of their root mean square.",
)
@click.option("--method", type=click.Choice(["Euler", "RK2", "RK4"]), help="Of the runs; that of the file by default.")
@click.option("--dt", type=click.FloatRange(0, min_open=True), help="Step of the runs; that of the file by default.")
@click.option("--starts", type=click.IntRange(1), default=8, show_default=True, help="Number of starts.")
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of the starts.")
@click.option("--profile", "profiled", is_flag=True, help="Profile every parameter, as 'jevons profile' does.")
@resume_option
@out_option
@fit_option
def calibrate(
    model: str, data: str, free: tuple[str, ...], columns: tuple[str, ...], sigmas: tuple[str, ...], relative: float,
    method: str | None, dt: float | None, starts: int, seed: int, profiled: bool, resume: bool, out: str,
    fit_name: str,
) -> None:  # fmt: skip
    """Fit parameters of a model to a table of data over time.

    MODEL is a Vensim or XMILE file, which runs as it says itself, or a shipped model. DATA is a CSV, or a table that
    Vensim or Stella exported: dates by variables, in the model's units. Writes parameters.csv, rows.csv (data beside
    model), run.csv (the fitted run), fit.png, and with --profile intervals.csv and profiles.csv.

    Example: jevons calibrate teacup.mdl measured.csv --free "Room Temperature=50:90" --free "Characteristic Time"
    --out fitted
    """
    from jevons.inference.fit import fit as run_fit
    from jevons.inference.identifiability import identifiability
    from jevons.inference.table_history import table_calibration
    from jevons.table_fits import fitted_parameters, read_table, write_table_fit

    loaded, folder = load_model(model, fit_name), Path(out)
    wanted = _ranges(loaded.parameters, free)
    problem = table_calibration(
        loaded, read_table(data), wanted, columns=columns or None, sigma=_sigmas(sigmas), relative=relative,
        method=method, dt=dt,
    )  # fmt: skip
    click.echo(str(problem))
    result = run_fit(problem, starts=starts, seed=seed, folder=folder / UNFINISHED, resume=resume)
    click.echo(str(result))
    table = fitted_parameters(result)
    click.echo(table.to_string(index=False, float_format=lambda x: f"{x:.5g}"))
    click.echo("What the data tell of the parameters at the fit:")
    found = identifiability(result)
    click.echo(str(found))
    written = write_table_fit(result, folder)
    found.to_frame().to_csv(folder / "identifiability.csv", index=False)
    if profiled:
        from jevons.inference.profiles import profiles

        _write_profiles(profiles(result, folder=folder / UNFINISHED, resume=resume), folder)
    _clear(folder / UNFINISHED)
    for path in written:
        click.echo(f"wrote {path}")


def _ranges(parameters: Collection[str], given: Sequence[str]) -> Wanted:
    """Parameters with the range that each is given, if any; a name may hold an equals sign itself."""
    wanted: Wanted = {}
    for text in given:
        name, equals, interval = (text, "", "") if text in parameters else text.rpartition("=")
        low, colon, high = interval.partition(":")
        if not equals:
            wanted[(name or interval).strip()] = None
            continue
        try:
            wanted[name.strip()] = (float(low), float(high))
        except ValueError:
            colon = ""
        if not colon:
            expected = "NAME, or NAME=LOW:HIGH such as 'Room Temperature=50:90'"
            raise click.BadParameter(f"found {text!r}, expected {expected}", param_hint="--free")
    return wanted


def _sigmas(given: Sequence[str]) -> float | dict[str, float] | None:
    """Standard errors by column, or one for all."""
    if not given:
        return None
    found: dict[str, float] = {}
    for text in given:
        name, _, number = text.rpartition("=")
        try:
            found[name.strip()] = float(number)
        except ValueError:
            raise click.BadParameter(
                f"found {text!r}, expected a number or NAME=NUMBER", param_hint="--sigma"
            ) from None
    if "" not in found:
        return found
    if len(found) > 1:
        raise click.UsageError("--sigma: give one number for all columns, or NAME=NUMBER for each")
    return found[""]


@click.command()
@click.argument("what", metavar="MODEL|FOLDER")
@variant_option
@click.option("--method", type=click.Choice(["rto", "emcee"]), default="rto", show_default=True, help="See the docs.")
@click.option("--steps", type=click.IntRange(50), default=4000, show_default=True, help="Most steps of each chain.")
@click.option("--seed", type=int, help="Seed; that of the calibration by default.")
@resume_option
@out_option
def sample(what: str, variant: str | None, method: str, steps: int, seed: int | None, resume: bool, out: str) -> None:
    """Sample the posterior of a fit until it has converged, or say that it has not.

    WHAT is a model with a shipped fit, or a folder that 'jevons fit' wrote. Every step is on the disk at once.
    Converged means R-hat below 1.01 across independent chains and 400 effective draws or more, for every parameter, for
    the energy of the benchmark years and for the rebound. Exit status 1 if it has not converged; --resume goes on.

    Example: jevons sample world --out posterior

    Example: jevons sample mine --out mine --resume
    """
    from jevons.inference.affine import sample_ensembles
    from jevons.inference.posterior import sample as run_sampler
    from jevons.inference.projection import reported_quantities
    from jevons.inference.stored import save_fit
    from jevons.problems import open_problem, stored_fit

    problem = open_problem(what, variant=variant)
    result, _ = stored_fit(problem, what)
    calibration, folder = result.calibration, Path(out)
    used_seed = problem.config.seed if seed is None else seed
    report = reported_quantities(problem.model, problem.config, calibration)
    run = run_sampler if method == "rto" else sample_ensembles
    posterior = run(result, steps=steps, seed=used_seed, quantities=report, folder=folder / UNFINISHED, resume=resume)
    save_fit(
        result, posterior, folder, fixed=problem.fixed, draws=problem.config.draws, command=f"jevons sample {what}"
    )
    problem.write(folder)
    click.echo(f"wrote {folder}")
    _said(posterior, folder / UNFINISHED)


@click.command()
@click.argument("what", metavar="MODEL|FOLDER")
@click.option("--parameter", "names", multiple=True, help="Which; may be repeated. All that is free by default.")
@variant_option
@click.option("--level", type=click.FloatRange(0.5, 0.999), default=0.9, show_default=True, help="Of the intervals.")
@click.option("--data-only", is_flag=True, help="Profile the data alone, without any prior.")
@resume_option
@out_option
def profile(
    what: str, names: tuple[str, ...], variant: str | None, level: float, data_only: bool, resume: bool, out: str
) -> None:
    """Profile likelihoods: what the data say of a parameter when all others are refitted.

    Example: jevons profile world --parameter usage_price_elasticity --out profiles
    """
    from jevons.inference.profiles import profiles
    from jevons.problems import open_problem, stored_fit

    result, _ = stored_fit(open_problem(what, variant=variant), what)
    folder = Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    found = profiles(
        result, list(names) or None, level=level, priors=not data_only, folder=folder / UNFINISHED, resume=resume
    )
    _write_profiles(found, folder)
    _clear(folder / UNFINISHED)
    click.echo(f"wrote {folder}")


def _write_profiles(found: Mapping[str, Profile], folder: Path) -> None:
    """Print profiles, and write their tables and figures."""
    import pandas as pd

    from jevons.plot_inference import profile as draw

    tables, ends = [], []
    for name, one in found.items():
        click.echo(str(one))
        draw(one, folder / f"{_file_name(name)}.png")
        frame = one.to_frame()
        head = {"parameter": name, "value": frame[name]}
        tables.append(frame.assign(**head)[["parameter", "value", "chi2", "chi2_data", "chi2_prior", "converged"]])
        ends.append((name, one.best, one.low, one.high, *one.fisher, one.status, one.refits, one.failures))
    pd.concat(tables).to_csv(folder / "profiles.csv", index=False, float_format="%.6g")
    head_of_ends = ["parameter", "best", "low", "high", "fisher_low", "fisher_high", "status", "refits", "failures"]
    pd.DataFrame(ends, columns=head_of_ends).to_csv(folder / "intervals.csv", index=False, float_format="%.6g")


def _file_name(name: str) -> str:
    """A name that every file system takes."""
    return re.sub(r"[^\w -]", "_", name)


@click.command()
@click.argument("what", metavar="MODEL|FILE")
@variant_option
@click.option("--origin", "origins", multiple=True, metavar="YYYY-MM", help="Instead of the calibration's; repeatable.")
@click.option("--steps", type=click.IntRange(50), default=150, show_default=True, help="Of each chain at every origin.")
@resume_option
@out_option
def backtest(what: str, variant: str | None, origins: tuple[str, ...], steps: int, resume: bool, out: str) -> None:
    """Judge a model by the future: predict what was published after each origin from what was known by then.

    Example: jevons backtest world --origin 2023-12 --out backtest
    """
    import pandas as pd

    from jevons.backtests import run_backtest
    from jevons.problems import open_problem

    problem = open_problem(what, variant=variant)
    _, summary, predictors = run_backtest(problem, out, origins=origins or None, steps=steps, resume=resume)
    with pd.option_context("display.width", 250, "display.max_columns", 40, "display.max_rows", 200):
        click.echo(summary.to_string(index=False, float_format=lambda x: f"{x:.3g}"))
        click.echo(predictors.to_string(index=False, float_format=lambda x: f"{x:.3g}"))
    click.echo(f"wrote {out}")


def _clear(folder: Path) -> None:
    import shutil

    shutil.rmtree(folder, ignore_errors=True)


def _said(posterior: object, unfinished: Path) -> None:
    """Print a posterior; if it has not converged, keep its steps and end with status 1."""
    click.echo(str(posterior))
    if not getattr(posterior, "converged", False):
        click.echo(
            "jevons: the posterior has not converged; the same command with --resume and more --steps goes on", err=True
        )
        raise click.exceptions.Exit(BAD_ANSWER)
    _clear(unfinished)
