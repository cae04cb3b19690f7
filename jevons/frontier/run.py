"""The shipped plan of backfire frontiers: its file, its refits, its tables and figures."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from jevons.elements import LogNormal
from jevons.errors import CalibrationError, JevonsError, nearest
from jevons.frontier.plane import Axis, Plane, crossings
from jevons.frontier.refits import Refits
from jevons.frontier.static import arc_elasticities
from jevons.inference.config import shipped_fit, shipped_folder
from jevons.library import load
from jevons.model import Model
from jevons.rebound.meter import roles_of, shock
from jevons.scenario import Scenario, load_scenario
from jevons.simulation import Simulation, run_samples
from jevons.toml_file import read_toml

if TYPE_CHECKING:
    import pandas as pd

    from jevons.inference.stored import StoredFit

Floats = NDArray[np.float64]

FILE = "frontier.toml"
SHIPPED = "shipped"
SEED = 2025
"""Of draws of a limit that is not fitted, from its prior."""


@dataclass(frozen=True)
class Limit:
    """A limit to growth: parameter, label, range of the plane in 1/yr, and a value that stands for none."""

    parameter: str
    label: str
    low: float
    high: float
    unlimited: float


@dataclass(frozen=True)
class Plan:
    """What is measured; see ``calibration/frontier.toml``.

    Attributes
    ----------
    static_demand : tuple of str
        Variables whose product is the demand wanted.
    efficiency : str
        The efficiency, by its role, whose gain lowers the price in proportion.
    satiations : mapping of str to float
        Values of `satiation` held in the refits, by name; that of the fit is ``shipped``.
    """

    model: Model
    stored: StoredFit
    date: float
    horizons: tuple[float, ...]
    total_elasticity: str
    refits: Path
    static_demand: tuple[str, ...]
    price: str
    efficiency: str
    elasticity: str
    label: str
    low: float
    high: float
    limits: Mapping[str, Limit]
    satiation: str
    satiations: Mapping[str, float]
    shocks: Mapping[str, Mapping[str, float]]

    def limit(self, name: str) -> Limit:
        """A limit by name."""
        if name not in self.limits:
            raise JevonsError(f"limit {name!r}, expected one of {', '.join(self.limits)}{nearest(name, self.limits)}")
        return self.limits[name]

    def scenario(self, name: str) -> Scenario:
        """One of the plan's shocks, a shipped scenario, or a scenario file."""
        if name not in self.shocks:
            return load_scenario(name)
        given = self.shocks[name]
        return shock(self.model, name, given["factor"], self.date, given.get("adjustment_time", 0.0))

    def fall(self, scenario: Scenario) -> float | None:
        """Factor by which a scenario lowers the price in the end, at unchanged rents; None if it does not."""
        change = scenario.changes.get(roles_of(self.model).efficiencies[self.efficiency])
        return change.factor if change is not None and change.factor is not None and change.factor > 1 else None

    def read_refits(self, satiation: str = SHIPPED) -> Refits:
        """Refits with the satiation of one name held."""
        import pandas as pd

        if satiation not in self.satiations:
            listed = ", ".join(self.satiations)
            raise JevonsError(f"satiation {satiation!r}, expected one of {listed}{nearest(satiation, self.satiations)}")
        table = pd.read_csv(self.refits)
        chosen = table[(table["variant"] == satiation) & table["converged"]]
        return Refits(self.elasticity, chosen.drop(columns=["variant", "chi2_data", "chi2_prior", "converged"]))

    def plane(self, scenario: str, limit: str, grid: tuple[int, int] = (25, 20), threads: int = 2) -> Plane:
        """The plane of a scenario and a limit; the last row of the grid is without a limit."""
        chosen = self.limit(limit)
        low, high = self.read_refits().range
        x = Axis(self.elasticity, _between(max(low, self.low), min(high, self.high), grid[0]), label=self.label)
        y = Axis(
            chosen.parameter,
            [*_between(chosen.low, chosen.high, grid[1] - 1), chosen.unlimited],
            since=self.date,
            label=chosen.label,
            unlimited=chosen.unlimited,
        )
        return Plane(
            self.model, self.scenario(scenario), x, y, self.horizons,
            at=self.date, elasticity=self.total_elasticity, threads=threads,
        )  # fmt: skip

    def static_lines(self, refits: Refits, fall: float = 10.0, steps: int = 12) -> tuple[float, float]:
        """Total elasticity at the date of the gain where the static law has R = 1: for a small gain, and a large one.

        Equation   small: η = 1. Large: the arc elasticity over a fall of the price by the gain is 1
        Valid for  the law: long run, price passed on in full, responses to the price alone
        Source     see `jevons.frontier.static.arc_elasticities`
        """

        def arc(x: Floats) -> Floats:
            return arc_elasticities(self.model, self.static_demand, self.price, fall, self.date, refits.at(x))

        xs = np.geomspace(*refits.range, steps)
        arcs = arc(xs)
        if not arcs[0] < 1 < arcs[-1]:
            return 1.0, math.nan
        k = int(np.argmax(arcs >= 1))
        root = crossings(lambda x, _: arc(x) - 1, xs[k - 1 : k], xs[k : k + 1], xs[:1])
        return 1.0, float(self.total(refits.at(root))[0])

    def total(self, samples: list[dict[str, float]]) -> Floats:
        """Total elasticity of demand at the date of the gain."""
        found: Floats = run_samples(Simulation(self.model, [self.date], [self.total_elasticity]), samples).values[
            :, 0, 0
        ]
        return found

    def believed(self, limit: str) -> pd.DataFrame:
        """Total elasticity and limit of every draw of the fit; a limit that is not fitted is drawn from its prior."""
        import pandas as pd

        name, draws = self.limit(limit).parameter, self.stored.draws()
        frame = pd.DataFrame({"total_elasticity": self.total(draws)})
        if name in self.stored.names:
            return frame.assign(**{name: [d[name] for d in draws], "from": "posterior"})
        prior = self.model.parameters[name].prior
        if not isinstance(prior, LogNormal):
            raise CalibrationError("frontier", [f"{name!r} has prior {prior}, expected a log-normal one"])
        noise = np.random.default_rng(SEED).standard_normal(len(draws))
        return frame.assign(**{name: prior.median * np.exp(prior.sd_log * noise), "from": "prior"})


def _between(low: float, high: float, n: int) -> list[float]:
    """`n` values from low to high, evenly in the logarithm, the ends exact."""
    values = [float(v) for v in np.geomspace(low, high, n)]
    return [low, *values[1:-1], high]


def read_plan(path: str | Path | None = None) -> Plan:
    """The shipped plan, or one of the same form.

    Raises
    ------
    CalibrationError
        With every entry that is missing or unknown.
    """
    file = shipped_folder() / FILE if path is None else Path(path)
    given = read_toml(file, f"plan {file}", CalibrationError)
    mistakes = [*_entries("", given, TOP)]
    for table, wanted in (("elasticity", ELASTICITY), ("satiation", SATIATION)):
        mistakes += _entries(f"{table}.", given.get(table, {}), wanted)
    for name, limit in given.get("limits", {}).items():
        mistakes += _entries(f"limits.{name}.", limit, (*ELASTICITY, "unlimited"))
    if mistakes:
        raise CalibrationError(str(file), mistakes)
    stored = shipped_fit(given["model"], given["fit"])
    model = load(given["model"], given["fit"])
    satiation = given["satiation"]["parameter"]
    return Plan(
        model=model,
        stored=stored,
        date=float(given["date"]),
        horizons=tuple(float(h) for h in given["horizons"]),
        total_elasticity=given["total_elasticity"],
        refits=file.parent / given["refits"],
        static_demand=tuple(given["demand"]),
        price=given["price"],
        efficiency=given["efficiency"],
        elasticity=given["elasticity"]["parameter"],
        label=given["elasticity"]["label"],
        low=float(given["elasticity"]["low"]),
        high=float(given["elasticity"]["high"]),
        limits={n: Limit(**v) for n, v in given["limits"].items()},
        satiation=satiation,
        satiations={SHIPPED: stored.values[satiation], **given["satiation"]["values"]},
        shocks=given["shocks"],
    )


TOP = ("model", "fit", "date", "horizons", "total_elasticity", "refits", "demand", "price", "efficiency", "elasticity",
       "limits", "satiation", "shocks")  # fmt: skip
ELASTICITY = ("parameter", "label", "low", "high")
SATIATION = ("parameter", "values")


def _entries(prefix: str, table: Mapping[str, Any], wanted: tuple[str, ...]) -> list[str]:
    missing = [f"found no {prefix}{n}" for n in wanted if n not in table]
    return missing + [f"{prefix}{n} is unknown{nearest(n, wanted)}" for n in table if n not in wanted]


def threshold_table(plane: Plane, plan: Plan, scenario: str, limit: str, satiations: list[str]) -> pd.DataFrame:
    """Where R = 1 at every horizon, by limit and satiation."""
    import pandas as pd

    tables = []
    for satiation in satiations:
        refits = plan.read_refits(satiation)
        for horizon in plane.horizons:
            found = plane.thresholds(horizon, refits)
            found = found.rename(columns={plane.y.name: "largest_growth"})
            head = {"scenario": scenario, "limit": limit, "satiation": satiation, "horizon_years": horizon}
            tables.append(found.assign(**head)[[*head, "largest_growth", plane.x.name, "total_elasticity", "rebound"]])
    return pd.concat(tables, ignore_index=True)


def note(plan: Plan, limit: str, satiation: str, *, outlined: bool = True) -> str:
    """What a figure of the plan shows, in words, for its foot."""
    chosen = plan.limit(limit)
    fitted = chosen.parameter in plan.stored.names
    where = "the fit's posterior" if fitted else "the fit's posterior of the elasticity and the prior of the limit"
    value = plan.stored.values[chosen.parameter] if fitted else plan.model.parameters[chosen.parameter].value
    return (
        f"World model at the fit {plan.stored.meta['variant']!r}: all other parameters refitted to history at each "
        f"elasticity, satiation {satiation} ({plan.satiations[satiation]:.2g}). The limit ({value:.2g}/yr in the fit) "
        f"holds from {plan.date:g} on, in all three runs. "
        + (f"Outlined: 50 and 90 % of {where}. " if outlined else "")
        + "R is left out where the engineering run saves less than 1 % of the base."
    )
