"""The commands that look at one model: show, import, check, equilibrium, sources, page."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from jevons.cli_options import BAD_ANSWER, fit_option, load_model, numbers

if TYPE_CHECKING:
    from jevons.model import Model
    from jevons.trajectory import Trajectory


@click.command()
@click.argument("model")
@click.option("--diagram", is_flag=True, help="Stock-and-flow diagram as Mermaid instead of the equations.")
@click.option("--loops", is_flag=True, help="Feedback loops with polarity instead of the equations.")
@fit_option
def show(model: str, diagram: bool, loops: bool, fit_name: str) -> None:
    """Print a model as equations with units.

    Example: jevons show world --loops
    """
    loaded = load_model(model, fit_name)
    if diagram:
        click.echo(loaded.diagram())
    elif loops:
        found = loaded.loops()
        for loop in found:
            click.echo(str(loop))
        click.echo(f"{len(found)} loops shown")
    else:
        click.echo(loaded.equations())


@click.command()
@click.argument("model")
@fit_option
def check(model: str, fit_name: str) -> None:
    """Check units and sources of a model, and its integration.

    Units, sources and names of a shipped model are checked when it is built; then three methods and steps must agree.
    Of a Vensim or XMILE file: units of every equation, and how far its steps are from converged.

    Example: jevons check world
    """
    loaded = load_model(model, fit_name)
    if loaded.settings is not None:
        _check_file(loaded)
    else:
        _check_methods(model, loaded)


def _check_file(loaded: Model) -> None:
    from jevons.diagnostics.step_adequacy import step_adequacy
    from jevons.diagnostics.unit_report import unit_report

    units = unit_report(loaded)
    click.echo(units.summary())
    click.echo()
    click.echo(step_adequacy(loaded).summary())
    if units.errors:
        raise click.exceptions.Exit(BAD_ANSWER)


def _check_methods(model: str, loaded: Model) -> None:
    import numpy as np

    click.echo(f"{model}: {len(loaded.elements)} elements; names, units, sources and roles are consistent")
    end = loaded.start + 30
    reference = loaded.run(None, end, every=1.0)
    bad = False
    scale = np.abs(reference.values).max(axis=0)
    for method, dt in (("Radau", 1 / 32), ("RK4", 1 / 32), ("RK4", 1 / 64)):
        other = loaded.run(None, end, every=1.0, method=method, dt=dt)
        error = np.abs(other.values - reference.values) / np.where(scale > 0, scale, 1.0)
        worst = int(error.max(axis=0).argmax())
        label = method if method == "Radau" else f"RK4, step 1/{1 / dt:g}"
        verdict = "agrees with LSODA" if error.max() < 1e-5 else "DIFFERS from LSODA"
        bad |= bool(error.max() >= 1e-5)
        click.echo(
            f"  {label:15} {verdict}: largest difference {error.max():.1e} of its maximum, in {other.names[worst]}"
        )
    if bad:
        click.echo("jevons: methods differ by more than 1e-5; shorten the step or look at the stiff part", err=True)
        raise click.exceptions.Exit(BAD_ANSWER)


@click.command()
@click.argument("model")
@click.option("--csv", "path", type=click.Path(dir_okay=False), help="Write the table there.")
@fit_option
def sources(model: str, path: str | None, fit_name: str) -> None:
    """List every number of a model with its source.

    Example: jevons sources world --csv sources.csv
    """
    table = load_model(model, fit_name).sources()
    if path:
        table.to_csv(path, index=False)
        click.echo(f"wrote {path}")
        return
    for row in table.itertuples():
        prior = row.prior if isinstance(row.prior, str) and row.prior else "no prior"
        value = f"{row.value:.6g}" if isinstance(row.value, float) else str(row.value)
        click.echo(f"{row.name} = {value} {row.unit}  [{row.status}; {prior}]\n    {row.source}")


@click.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False))
@click.option("--data", type=click.Path(exists=True, dir_okay=False), help="CSV or TAB file with data variables.")
@click.option("--file", "files", multiple=True, metavar="?NAME=PATH", help="A file that the model names with '?'.")
@click.option("--missing-data", is_flag=True, help="Run without the values of data variables, as Vensim does (:NA:).")
@click.option("--csv", "path", type=click.Path(dir_okay=False), help="Write all variables of its run there.")
@click.option(
    "--compare",
    type=click.Path(exists=True, dir_okay=False),
    help="Results of Vensim or Stella (CSV or TAB) to compare its run with.",
)
def import_(
    file: str, data: str | None, files: tuple[str, ...], missing_data: bool, path: str | None, compare: str | None
) -> None:
    """Read a Vensim or XMILE model, run it as it says itself, and tell what was found.

    All other commands take such a file too, where they take MODEL.

    Example: jevons import teacup.mdl --compare vensim-export.csv
    """
    from jevons.interchange.importer import read_model

    named = dict(_named_file(text) for text in files)
    model = read_model(file, data=data, files=named, missing="na" if missing_data else "refuse")
    click.echo(_what_it_is(model))
    run = model.run()
    click.echo(str(run))
    if path:
        click.echo(f"wrote {run.to_csv(path)}")
    if compare:
        _compare(model, run, compare)


def _named_file(text: str) -> tuple[str, str]:
    name, equals, path = text.partition("=")
    if not equals:
        raise click.BadParameter(f"found {text!r}, expected ?NAME=PATH such as ?data=history.xlsx", param_hint="--file")
    return name.strip(), path.strip()


def _what_it_is(model: Model) -> str:
    from collections import Counter

    settings = model.settings
    assert settings is not None
    counts = Counter(type(element).__name__.lower() for element in model.elements.values())
    plural = {"auxiliary": "auxiliaries"}
    listed = ", ".join(f"{n} {k if n == 1 else plural.get(k, k + 's')}" for k, n in counts.items())
    lines = [
        f"{model.name}: {len(model.elements)} elements: {listed}",
        f"runs from {model.start:g} to {settings.end:g} {model.time_unit or 'units of time'}".rstrip()
        + f", {settings.method}, step {settings.dt:g}",
    ]
    if model.dimensions:
        lines.append("subscripts: " + ", ".join(f"{n} ({len(e)})" for n, e in model.dimensions.items()))
    if len(model.sectors) > 1:
        lines.append("views: " + ", ".join(model.sectors))
    return "\n".join([*lines, *model.doc.splitlines()[1:]])


def _compare(model: Model, run: Trajectory, path: str) -> None:
    from jevons.interchange.results import compare_runs, read_results
    from jevons.trajectory import Trajectory

    with Path(path).open(encoding="utf-8", errors="replace") as file:
        ours = file.readline().startswith("# {")  # a run that this command wrote
    reference = Trajectory.read_csv(path).to_frame() if ours else read_results(path)
    frame = run.to_frame()
    constants = {name: value for name, value in model.values.items() if name not in frame}
    table = compare_runs(frame.assign(**constants), reference)
    bad = table[~table["agrees"]]
    click.echo(f"{len(table) - len(bad)} of {len(table)} variables agree with {path} (1e-5 absolute and relative)")
    if len(bad):
        click.echo(bad.to_string())
        raise click.exceptions.Exit(BAD_ANSWER)


@click.command()
@click.argument("model")
@click.option("--at", type=float, help="Date at which drivers are held; the end of the run by default.")
@click.option("--set", "settings", multiple=True, metavar="NAME=VALUE", help="Change a parameter; may be repeated.")
@fit_option
def equilibrium(model: str, at: float | None, settings: tuple[str, ...], fit_name: str) -> None:
    """Find where a model rests, and how it returns there: eigenvalues, time constants, periods.

    Example: jevons equilibrium predator_prey.mdl
    """
    from jevons.diagnostics.equilibrium import equilibrium as find

    loaded = load_model(model, fit_name)
    values = dict(numbers("--set", settings, "satiation=0.1"))
    found = find(loaded, values, at=at)
    click.echo(found.summary())
    if not found.found:
        raise click.exceptions.Exit(BAD_ANSWER)


@click.command()
@click.argument("model")
@click.argument("out", type=click.Path(path_type=Path))
@click.option("--to", "end", type=float, help="End of the run that is shown; 25 units of time, or as the file says.")
@fit_option
def page(model: str, out: Path, end: float | None, fit_name: str) -> None:
    """Write a page about a model: diagram, equations, units, loops, sources, behaviour.

    Example: jevons page teacup.mdl teacup.html
    """
    from jevons.model_page import write_model_page

    click.echo(f"wrote {write_model_page(load_model(model, fit_name), out, end=end)}")


COMMANDS = (show, import_, check, equilibrium, sources, page)
