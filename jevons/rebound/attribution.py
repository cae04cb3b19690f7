"""Which loop carries the rebound: exact Shapley values over loops that can be switched off.

The rebound of a coalition of loops, v(S), is that of a run in which only those loops are on; v of none is 0 and v of
all is the rebound that is measured. All 2^k coalitions are run, as members of one compiled model.
"""

from __future__ import annotations

import functools
import importlib.resources
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from jevons.errors import IntegrationError, JevonsError, ScenarioError, nearest
from jevons.model import Model
from jevons.rebound.loop_switches import ENGINEERING, SHOCKED, Loop, read_loops, switch, with_loop_switches
from jevons.rebound.meter import HORIZONS, change_parameters, counterfactual, ratio, roles_of
from jevons.rebound.shapley_values import alone, coalitions, interactions, last, shapley
from jevons.scenario import Scenario, load_scenario
from jevons.simulation import Simulation

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]

TOLERANCE = 1e-9
"""Largest difference, relative, between the run with all loops off and the engineering run."""


def shipped_attribution() -> Path:
    """The file with the loops and factors of the world models."""
    return Path(str(importlib.resources.files("jevons.calibration").joinpath("attribution.toml")))


@dataclass(frozen=True, repr=False)
class Attribution:
    """Rebound of a scenario, attributed to loops without a residual, at one parameter set.

    Attributes
    ----------
    scenario : Scenario
    loops : tuple of Loop
    at : float
        Date from which horizons count.
    horizons : tuple of float
    base, engineering : array of shape (horizons,)
        Energy use of the two runs.
    energy : array of shape (2**k, horizons)
        Energy use of the shocked run for every coalition, in the order of `jevons.rebound.shapley_values.coalitions`.
    unit : str
        Of energy use.
    counterfactual : str
        What the engineering run holds, in words.
    """

    scenario: Scenario
    loops: tuple[Loop, ...]
    at: float
    horizons: tuple[float, ...]
    base: Floats
    engineering: Floats
    energy: Floats
    unit: str
    counterfactual: str

    @functools.cached_property
    def worth(self) -> Floats:
        """Rebound of every coalition, shape (2**k, horizons); NaN where the saving is below 1 % of the base.

        Equation   v(S) = (E_S − E_engineering)/(E_base − E_engineering); v(∅) = 0, v(N) = R
        Valid for  an engineering saving of at least 1 % of the base
        Source     definition; the rebound of the run in which only the loops in S are on
        """
        # As a ratio of differences and not as 1 less a ratio: v of none is then 0 to the last digit.
        saving = self.base - self.engineering
        undefined = np.isnan(ratio(self.base, self.base, self.engineering))
        result: Floats = (self.energy - self.engineering) / np.where(undefined, math.nan, saving)
        return result

    @property
    def rebound(self) -> Floats:
        """R at each horizon, the sum of what the loops carry."""
        result: Floats = self.worth[-1]
        return result

    @functools.cached_property
    def table(self) -> pd.DataFrame:
        """One line a loop and horizon.

        Columns loop, what, horizon_years; `shapley`, `alone` (v of the loop alone), `without` (R less v of all
        others: what its removal takes away), all in units of R; `energy` (the Shapley value of energy use) and its
        `unit`.
        """
        import pandas as pd

        parts = (shapley(self.worth), alone(self.worth), last(self.worth), shapley(self.energy))
        return pd.DataFrame(
            [
                {
                    "loop": loop.name, "what": loop.what, "horizon_years": horizon,
                    **{name: float(x[i, h]) for name, x in zip(_PARTS, parts, strict=True)}, "unit": self.unit,
                }
                for h, horizon in enumerate(self.horizons)
                for i, loop in enumerate(self.loops)
            ]
        )  # fmt: skip

    def interactions(self, horizon: float) -> pd.DataFrame:
        """Shapley interaction index of every pair of loops, in units of R; NaN on the diagonal.

        Raises
        ------
        JevonsError
            For a horizon that was not computed.
        """
        import pandas as pd

        if horizon not in self.horizons:
            raise JevonsError(f"horizon {horizon:g}, expected one of {', '.join(f'{h:g}' for h in self.horizons)}")
        names = [loop.name for loop in self.loops]
        found = interactions(self.worth[:, self.horizons.index(horizon)])
        return pd.DataFrame(found, index=names, columns=names)

    def to_csv(self, path: str | Path) -> Path:
        """Write the table."""
        self.table.to_csv(path, index=False, float_format="%.6g", lineterminator="\n")
        return Path(path)

    def __repr__(self) -> str:
        wide = self.table.pivot(index="loop", columns="horizon_years", values="shapley")
        wide = wide.loc[[loop.name for loop in self.loops]]
        wide.loc["R"] = self.rebound
        wide.columns = [f"{h:g} yr" for h in self.horizons]
        return (
            f"Rebound of {self.scenario.name!r} from {self.at:g} by loop (exact Shapley values)\n"
            f"{wide.rename_axis(None).to_string(float_format='{:.3f}'.format)}\n{self.counterfactual}"
        )


_PARTS = ("shapley", "alone", "without", "energy")


def attribute(
    model: Model,
    scenario: Scenario | str,
    loops: Sequence[Loop] | str | Path | None = None,
    *,
    at: float | None = None,
    horizons: Sequence[float] = HORIZONS,
    params: Mapping[str, float] | None = None,
    threads: int = 2,
) -> Attribution:
    """Attribute the rebound of a scenario of efficiency gains to loops.

    Equation   R = Σ φ_i, with φ_i the Shapley value of loop i in the game v of `Attribution.worth`
    Valid for  one parameter set; at most 16 loops, of which all coalitions are run
    Source     Shapley 1953 (see `jevons.rebound.shapley_values`)

    Parameters
    ----------
    scenario : Scenario or str
        Changes of efficiencies only; by name (a shipped one) or as the path of a TOML file.
    loops : sequence of Loop, or path of a TOML file, optional
        Those of the world models by default.
    at : float, optional
        Date from which horizons count; the first change of the scenario by default.
    params : mapping, optional
        Values that differ from the model's.

    Raises
    ------
    ScenarioError
        For loops or changes that do not fit the model.
    IntegrationError
        If one of the runs fails.
    """
    scenario = load_scenario(scenario) if isinstance(scenario, str) else scenario
    chosen = tuple(
        read_loops(shipped_attribution() if loops is None else loops)
        if loops is None or isinstance(loops, str | Path)
        else loops
    )
    roles = roles_of(model)
    _check(model, scenario, horizons)
    switched = with_loop_switches(model, chosen)
    dates: Iterable[float] = [c.at for c in scenario.changes.values() if c.at is not None]
    begin = at if at is not None else min(dates, default=model.start)
    steps = sorted({float(h) for h in horizons})
    simulation = Simulation(
        switched,
        begin + np.array([0.0, *steps]),
        [roles.energy, ENGINEERING + roles.energy, SHOCKED + roles.energy],
        params={**change_parameters(model, scenario), **(params or {})},
    )
    rows = coalitions(len(chosen)).astype(float)
    members = simulation.run_members(rows, [switch(i) for i in range(len(chosen))], threads)
    if members.failed.size:
        raise IntegrationError(members.status(int(members.failed[0])))
    base, engineering = members.values[0, 1:, 0], members.values[0, 1:, 1]
    energy: Floats = members.values[:, 1:, 2]
    off = float(np.abs(energy[0] / engineering - 1).max())
    if not off <= TOLERANCE:
        mistake = f"energy differs from the engineering run's by {off:.2g} of it, expected {TOLERANCE:g} or less"
        raise ScenarioError(f"loops of model {model.name!r}, all off", [mistake])
    return Attribution(
        scenario,
        chosen,
        begin,
        tuple(steps),
        base,
        engineering,
        energy,
        model.unit(roles.energy),
        counterfactual(roles),
    )


def _check(model: Model, scenario: Scenario, horizons: Sequence[float]) -> None:
    scenario.check(model)
    roles = roles_of(model)
    kinds = [*roles.efficiencies.values(), *roles.price_performance.values()]
    mistakes = [f"{n!r} is not an efficiency{nearest(n, kinds)}" for n in scenario.changes if n not in kinds]
    if not scenario.changes:
        mistakes.append("changes nothing")
    if not horizons or min(horizons) <= 0:
        mistakes.append(f"horizons {list(horizons)}, expected one or more, above 0")
    if mistakes:
        raise ScenarioError(f"attribution of scenario {scenario.name!r}", mistakes)
