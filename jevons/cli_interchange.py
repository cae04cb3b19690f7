"""The commands that exchange models with other system dynamics programs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from jevons.cli_options import fit_option, load_model, numbers

if TYPE_CHECKING:
    from jevons.model import Model

XMILE_FILES = (".xmile", ".stmx", ".xml")
VENSIM_FILES = (".mdl",)


@click.command()
@click.argument("model")
@click.argument("file", type=click.Path(dir_okay=False))
@click.option("--dt", type=click.FloatRange(0, min_open=True), help="Step; 1/32, or that of the file MODEL comes from.")
@click.option("--end", type=float, help="Last date; 30 units of time after the start, or as the file says.")
@click.option("--method", type=click.Choice(["Euler", "RK2", "RK4"]), help="Euler, or that of the file.")
@click.option("--set", "settings", multiple=True, metavar="NAME=VALUE", help="Change a parameter; may be repeated.")
@fit_option
def export(
    model: str, file: str, dt: float | None, end: float | None, method: str | None, settings: tuple[str, ...],
    fit_name: str,
) -> None:  # fmt: skip
    """Write a model for Vensim (.mdl), or for Stella and others (.xmile, .stmx, .xml), with its diagram.

    MODEL is the name of a shipped model, or a Vensim or XMILE file to convert. Other programs step with a fixed dt;
    see 'jevons check' for how much that differs from adaptive steps.

    Example: jevons export world world.mdl --end 2035 --set satiation=0.1
    """
    ending = Path(file).suffix.lower()
    known = (*VENSIM_FILES, *XMILE_FILES)
    if ending not in known:
        found = f"ending {ending!r}" if ending else "no ending"
        raise click.BadParameter(f"{file} has {found}, expected one of {', '.join(known)}", param_hint="FILE")
    if Path(model).exists() and Path(file).exists() and Path(model).samefile(file):
        raise click.BadParameter(f"{file} is the model itself, expected another file", param_hint="FILE")
    loaded = _load(model, fit_name)
    values = dict(numbers("--set", settings, "satiation=0.1"))
    loaded.require(values, loaded.parameters, "parameter")
    if ending in VENSIM_FILES:
        from jevons.interchange.writers.vensim import write_vensim as write
    else:
        from jevons.interchange.writers.xmile import write_xmile as write
    click.echo(f"wrote {write(loaded, file, dt=dt, end=end, method=method, params=values)}")


def _load(model: str, fit_name: str) -> Model:
    """A shipped model by its name, or a model from a file."""
    if Path(model).suffix.lower() in (*VENSIM_FILES, *XMILE_FILES, ".itmx"):
        from jevons.interchange.importer import read_model

        return read_model(model)
    return load_model(model, fit_name)


COMMANDS = (export,)
