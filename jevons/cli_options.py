"""What several `jevons` commands share: exit status, options, reading of NAME=NUMBER."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from jevons.model import Model

BAD_ANSWER, MALFORMED = 1, 2
MODEL_FILES = (".mdl", ".xmile", ".stmx", ".itmx", ".xml")

fit_option = click.option(
    "--fit",
    "fit_name",
    default="main",
    show_default=True,
    help="Shipped fit, or a folder with a fit; 'none' for prior medians.",
)


def fit_variant(name: str) -> str | None:
    """The variant that the option names."""
    return None if name == "none" else name


def is_file(name: str) -> bool:
    """Whether a command's MODEL names a Vensim or XMILE file."""
    return Path(name).suffix.lower() in MODEL_FILES


def load_model(name: str, fit_name: str) -> Model:
    """A shipped model with the values of a fit, or the model of a Vensim or XMILE file."""
    if is_file(name):
        from jevons.interchange.importer import read_model

        return read_model(name)
    from jevons.library import load

    return load(name, fit_variant(fit_name))


def numbers(option: str, given: Iterable[str], example: str) -> list[tuple[str, float]]:
    """Names and numbers of an option that is given as NAME=NUMBER and may be repeated."""
    found = []
    for text in given:
        name, equals, number = text.partition("=")
        try:
            found.append((name.strip(), float(number)))
        except ValueError:
            equals = ""
        if not equals:
            raise click.BadParameter(f"found {text!r}, expected NAME=NUMBER such as {example}", param_hint=option)
    return found
