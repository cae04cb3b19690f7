"""Models from Vensim and XMILE files."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jevons.elements import Element, Parameter, Sector
from jevons.errors import ImportRefused, JevonsError, nearest
from jevons.interchange.source import SourceModel
from jevons.interchange.translation import start_values
from jevons.interchange.translation.expressions import Consequence, Untranslatable
from jevons.interchange.translation.model import Translation
from jevons.interchange.translation.scope import CONTROL
from jevons.model import Model
from jevons.run_settings import RunSettings

if TYPE_CHECKING:
    import pandas as pd

    from jevons.interchange.translation.external import External

XMILE_ENDINGS = (".xmile", ".stmx", ".itmx", ".xml")
VENSIM_ENDINGS = (".mdl",)


def read_vensim(
    path: str | Path,
    *,
    files: Mapping[str, str | Path] | None = None,
    data: str | Path | pd.DataFrame | None = None,
    missing: str = "refuse",
    encoding: str | None = None,
) -> Model:
    """Read a Vensim model (``.mdl``).

    Parameters
    ----------
    path : str or Path
    files : mapping, optional
        Paths of the files that the model names with a question mark, for example ``{"?data": "history.xlsx"}``.
    data : path or DataFrame, optional
        Values of data variables that have no equation: a table over time with their names as columns, for example
        a CSV or tab-separated file that Vensim exported.
    missing : {'refuse', 'na'}
        What to do with data variables for which no values are given: refuse the model, or take them as missing, which
        Vensim calls ``:NA:`` (the number -2^109).
    encoding : str, optional
        Of the file, where it says none itself.

    Returns
    -------
    Model
        Names, units, limits, documentation, subscripts, views (as sectors) and the control of the run are the file's.
        ``model.run()`` runs as the file says; ``model.run(method="LSODA")`` integrates with adaptive steps.

    Raises
    ------
    ImportRefused
        With everything that cannot be translated: variable, line, function and reason.

    Notes
    -----
    Nothing of the file is executed and no file is written. Files that the model names are read only from the model's
    own folder and below, or where `files` says.

    Units are kept as they are written and not checked when the model is built; see `jevons.diagnostics.unit_report`.

    Examples
    --------
    >>> model = jv.read_vensim("teacup.mdl")  # doctest: +SKIP
    >>> model.run()["Teacup Temperature"].iloc[-1]  # doctest: +SKIP
    """
    from jevons.interchange.vensim_reader.source import read_vensim_source

    return _model(read_vensim_source(path, encoding=encoding), files, data, missing)


def read_xmile(
    path: str | Path,
    *,
    files: Mapping[str, str | Path] | None = None,
    data: str | Path | pd.DataFrame | None = None,
    missing: str = "refuse",
) -> Model:
    """Read an XMILE model (``.xmile``, ``.stmx``, ``.itmx``, ``.xml``), for example of Stella.

    See `read_vensim` for parameters, result and errors. Stocks that the file keeps from falling below zero limit their
    outflows. Modules are flattened: their variables are named ``module.variable``.

    Examples
    --------
    >>> model = jv.read_xmile("teacup.xmile")  # doctest: +SKIP
    """
    from jevons.interchange.xmile_reader.source import read_xmile_source

    return _model(read_xmile_source(path), files, data, missing)


def read_model(path: str | Path, **options: Any) -> Model:
    """Read a Vensim or XMILE model, by the ending of its name."""
    ending = Path(path).suffix.lower()
    if ending in VENSIM_ENDINGS:
        return read_vensim(path, **options)
    if ending in XMILE_ENDINGS:
        options.pop("encoding", None)
        return read_xmile(path, **options)
    known = (*VENSIM_ENDINGS, *XMILE_ENDINGS)
    raise JevonsError(f"{path}: ending {ending!r}, expected one of {', '.join(known)}{nearest(ending, known)}")


def _model(source: SourceModel, files: Mapping[str, str | Path] | None, data: Any, missing: str) -> Model:
    from jevons.interchange.translation.external import External

    if missing not in ("refuse", "na"):
        raise JevonsError(f"missing {missing!r}, expected 'refuse' or 'na'{nearest(missing, ('refuse', 'na'))}")
    try:
        return _translated(source, External(source, files or {}, data, missing == "na"))
    except MemoryError:
        raise ImportRefused(str(source.path), ["the model is too large for the memory there is"]) from None


def _translated(source: SourceModel, external: External) -> Model:
    translation = Translation(source, external)
    translation.translate()
    settings = None
    try:
        if not translation.too_large and (translation.slots or not translation.refusals):
            settings = _settings(translation)
    except Consequence:
        pass
    except Untranslatable as error:
        translation.refusals.add("", str(error))
    if translation.refusals or settings is None:
        raise ImportRefused(str(source.path), translation.refusals.lines())
    elements = translation.elements
    dimensions = translation.dimensions
    return Model(
        source.path.stem,
        *_sectors(translation),
        start=start_values.required(translation, "initial_time"),
        time_unit=source.time_unit,
        doc=_doc(translation),
        check_units=False,
        settings=settings,
        dimensions={
            dimensions.names[r]: tuple(dimensions.names[x] for x in labels) for r, labels in dimensions.labels.items()
        },
        subscripts={
            v.name: tuple(dimensions.names[r] for r in v.ranges)
            for v in translation.scope.variables.values()
            if v.ranges and all(s.name in elements for s in v.slots.values())
        },
        unit_synonyms=source.unit_synonyms,
    )


def _settings(translation: Translation) -> RunSettings:
    said = [key for key in CONTROL if _says(translation, key)]
    if len(said) < len(CONTROL):
        raise Consequence
    controls = {key: translation.control(key) for key in ("final_time", "time_step", "saveper")}
    names = {
        key: s.name if isinstance(translation.elements.get(s.name), Parameter) else None for key, s in controls.items()
    }
    start, end, step, every = (
        start_values.required(translation, key) for key in ("initial_time", "final_time", "time_step", "saveper")
    )
    every = translation.source.save_step or every
    if not end > start:
        raise Untranslatable(f"FINAL TIME is {end:g}, expected more than INITIAL TIME, {start:g}")
    for key, found in (("TIME STEP", step), ("SAVEPER", every)):
        if not (math.isfinite(found) and found > 0):
            raise Untranslatable(f"{key} is {found:g}, expected more than 0")
    dates: tuple[float, ...] | None = None
    reported: tuple[float, ...] | None = None
    if any(translation.changes(s) for s in controls.values()):
        dates, reported = start_values.step_dates(translation)
    return RunSettings(
        end=dates[-1] if dates else end,
        dt=step,
        every=every,
        method=translation.source.method,
        time_step=names["time_step"],
        end_name=names["final_time"],
        dates=dates,
        reported=reported,
    )


def _says(translation: Translation, key: str) -> bool:
    """Whether the file has a control variable; if not, that is refused."""
    try:
        translation.control(key)
    except Consequence:
        return False
    return True


def _sectors(translation: Translation) -> list[Sector]:
    """Elements by view, or by group, or all in one; each where its variable appears first."""
    source = translation.source
    shown = {name: keys for name, keys in source.views.items() if keys} or dict(source.groups)
    views: dict[str, str] = {}
    if len(shown) > 1:
        for label, keys in shown.items():
            for key in keys:
                views.setdefault(key, label)
    other = source.path.stem if not views else "other"
    sectors: dict[str, list[Element]] = {label: [] for label in [*shown, other]}
    for name, element in translation.elements.items():
        sectors[views.get(translation.home(name), other)].append(element)
    return [Sector(label, elements) for label, elements in sectors.items() if elements]


def _doc(translation: Translation) -> str:
    program = {"vensim": "Vensim", "xmile": "XMILE"}[translation.source.language]
    lines = [f"Read from {translation.source.path.name} ({program})."]
    return "\n".join(lines + [f"Note: {note}" for note in translation.notes])
