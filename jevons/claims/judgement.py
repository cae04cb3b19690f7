"""Claims of the press and of analysts, each beside what a model's posterior says of it."""

from __future__ import annotations

import csv
import dataclasses
import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from jevons.claims.file import Claim, ClaimFile, ModelOfClaims
from jevons.claims.statistic import Statistic, calculate
from jevons.elements import LogNormal, Normal, Range
from jevons.errors import CalibrationError, nearest
from jevons.inference.config import ProjectedVariable, shipped_fit, shipped_fits, shipped_folder
from jevons.inference.projection import Projection, project, project_rebound
from jevons.inference.stored import StoredFit
from jevons.library import list_models, load
from jevons.model import Model
from jevons.rebound.meter import roles_of
from jevons.scenario import Change, Scenario, load_scenario, shipped_scenarios

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]

INSIDE, OUTSIDE, NOT_TESTABLE = "inside", "outside", "not testable"
VERDICTS = (OUTSIDE, INSIDE, NOT_TESTABLE)
INTERVAL = (0.05, 0.5, 0.95)
ROUNDING = 1e-9
SEED = 2025
"""Of what is drawn from priors."""
NEVER = 400.0
"""Years after a model's start at which no run arrives."""


@dataclass(frozen=True)
class Verdict:
    """A claim and what the model says of it.

    Attributes
    ----------
    claim : Claim
    low, median, high : float
        5, 50 and 95 % of the statistic, in its unit; of arithmetic, what the ranges of its inputs give.
    share : float
        Share of the draws that meet the claim; of a claim of a single value, share of the draws below it. NaN where
        there are no draws.
    verdict : {'inside', 'outside', 'not testable'}
        Inside: what is claimed and the 90 % interval have a value in common.
    why : str
    """

    claim: Claim
    low: float
    median: float
    high: float
    share: float
    verdict: str
    why: str

    @property
    def single(self) -> bool:
        """Whether a single value is claimed."""
        return self.claim.low == self.claim.high


def judge(claim: Claim, values: Floats) -> Verdict:
    """The verdict on a claim from the draws of its statistic.

    Values that are NaN have no say; if they are more than half, the claim is not testable.
    """
    defined = values[~np.isnan(values)]
    if defined.size < max(1, values.size / 2):
        why = f"undefined in {values.size - defined.size} of {values.size} draws. {claim.why}".strip()
        return Verdict(claim, math.nan, math.nan, math.nan, math.nan, NOT_TESTABLE, why)
    low, median, high = np.quantile(defined, INTERVAL).tolist()
    met = defined < claim.low if claim.low == claim.high else (defined >= claim.low) & (defined <= claim.high)
    return _of_interval(claim, low, median, high, float(met.mean()))


def _of_interval(claim: Claim, low: float, median: float, high: float, share: float) -> Verdict:
    width = ROUNDING * max(abs(x) for x in (low, high, 1e-300))
    meets = max(claim.low, low) <= min(claim.high, high) + width
    return Verdict(claim, low, median, high, share, INSIDE if meets else OUTSIDE, claim.why)


def evaluate(
    file: ClaimFile,
    *,
    draws: int = 200,
    numbers: Iterable[str] | None = None,
    threads: int = 2,
    progress: bool = False,
) -> list[Verdict]:
    """Judge claims; each scenario of each model is run once for all of them.

    Parameters
    ----------
    draws : int
        How many of the fit's stored draws.
    numbers : iterable of str, optional
        Which claims; all by default.

    Raises
    ------
    CalibrationError
        With every number that is no claim, every variable that its model does not have, every unit that is not its own.
    """
    known = [c.number for c in file.claims]
    wanted = known if numbers is None else list(numbers)
    unknown = [
        f"claim {n!r}, expected a number such as {known[0]}{nearest(n, known)}" for n in wanted if n not in known
    ]
    if unknown:
        raise CalibrationError(f"claims {file.path}", unknown)
    claims = [c for c in file.claims if c.number in wanted]
    shipped = list_models()
    models = {
        name: load(name, fit=None) for name in dict.fromkeys(c.model for c in claims if _runs(c)) if name in shipped
    }
    mistakes = [m for name, model in models.items() for m in _model_mistakes(name, model, file.models[name])]
    mistakes += _scenario_mistakes(claims)
    if mistakes:
        raise CalibrationError(f"claims {file.path}", mistakes)
    answers = {
        name: _Answers(
            model, file.models[name], [c for c in claims if c.model == name and _runs(c)], draws, threads, progress
        )
        for name, model in models.items()
    }
    return [_verdict(file, claim, answers) for claim in claims]


def _runs(claim: Claim) -> bool:
    return claim.statistic.projected or claim.statistic.kind == "rebound"


def _model_mistakes(name: str, model: Model, given: ModelOfClaims) -> list[str]:
    """Variables that the model does not have, and units that are not its own."""
    found = [f"models.{name}: sampled {n!r} is no parameter of the model with a prior{nearest(n, model.parameters)}"
             for n in given.sampled if n not in model.parameters or model.parameters[n].prior is None]  # fmt: skip
    for variable in given.variables.values():
        if variable.source not in model.elements:
            hint = nearest(variable.source, model.elements)
            found.append(f"models.{name}: {variable.name!r} reads {variable.source!r}, which is not in the model{hint}")
            continue
        own = model.unit(variable.source)
        unit = own if variable.kind == "start" else f"{own}/{model.time_unit}"
        if variable.unit != unit:
            found.append(f"models.{name}: {variable.name!r} has unit {variable.unit!r}, expected {unit!r}")
    return found


def _scenario_mistakes(claims: Sequence[Claim]) -> list[str]:
    shipped = shipped_scenarios()
    return [
        f"claim {c.number}: scenario {s!r} is not shipped{nearest(s, shipped)}"
        for c in claims
        if _runs(c)
        for s in c.statistic.scenarios
        if s not in shipped
    ]


class _Answers:
    """Draws of what a model is asked: one projection of all scenarios, one meter for each date of a shock."""

    def __init__(
        self, model: Model, given: ModelOfClaims, claims: Sequence[Claim], draws: int, threads: int, progress: bool
    ) -> None:
        stored = _posterior(model, given)
        n = min(draws, len(stored.sample))
        projected = [c.statistic for c in claims if c.statistic.projected]
        self.projection: Projection | None = None
        if projected:
            names = [v for s in projected for v in s.variables if v in given.variables]
            columns: list[ProjectedVariable] = [given.variables[v] for v in dict.fromkeys(names)]
            scenarios = dict.fromkeys(name for s in projected for name in s.scenarios)
            years = [y for s in projected for y in s.years]
            self.projection = project(
                model, stored, alike(model, [load_scenario(s) for s in scenarios]), columns, start=min(years),
                end=max(years), draws=n, threads=threads, progress=progress,
            )  # fmt: skip
        self.rebounds: dict[str, Floats] = {}
        measured = [c.statistic for c in claims if c.statistic.kind == "rebound"]
        for at, group in itertools.groupby(sorted(measured, key=_date), key=_date):
            asked = list(group)
            shocks = {_shock_name(s): _shock(model, s) for s in asked}
            horizons = sorted({float(s.entries["horizon"]) for s in asked})
            found = project_rebound(
                model, stored, [(s, math.nan) for s in shocks.values()], at, horizons=horizons, resolution=1.0, draws=n,
                threads=threads, progress=progress,
            )  # fmt: skip
            for s in asked:
                self.rebounds[str(s)] = found.over_all(_shock_name(s), [float(s.entries["horizon"])])[:, 0]

    def of(self, statistic: Statistic, references: Mapping[str, tuple[float, str, str]]) -> Floats:
        """Draws of a statistic."""
        if statistic.kind == "rebound":
            return self.rebounds[str(statistic)]
        assert self.projection is not None
        projection, e, scenarios = self.projection, statistic.entries, statistic.scenarios

        def at(name: str, year: int, scenario: str = scenarios[0]) -> Floats:
            if name in references:
                return np.full(projection.draws, references[name][0])
            return projection.in_year(scenario, name, year)

        if statistic.kind == "value":
            values = at(e["variable"], e["year"])
            return values / references[e["per"]][0] if "per" in e else values
        if statistic.kind == "share":
            return at(e["numerator"], e["year"]) / at(e["denominator"], e["year"])
        if "scenarios" in e:
            first, last = (at(e["variable"], e["year"], s) for s in reversed(scenarios))
            return last / first if statistic.kind == "ratio" else last - first
        start, end = statistic.years
        if statistic.kind == "contribution":
            change, whole = (at(e[k], end) - at(e[k], start) for k in ("numerator", "denominator"))
            return change / np.where(whole == 0, math.nan, whole)
        first, last = at(e["variable"], start), at(e["variable"], end)
        if statistic.kind == "difference":
            return last - first
        ratio: Floats = last / first
        return ratio if statistic.kind == "ratio" else ratio ** (1 / (end - start)) - 1


def alike(model: Model, scenarios: Sequence[Scenario]) -> list[Scenario]:
    """The scenarios with the same dated changes, so that they share one compiled system.

    Those that are another scenario's come too late to matter.
    """
    flat = [scenario.flat(model) for scenario in scenarios]
    roles = roles_of(model)
    gains = {*roles.efficiencies.values(), *roles.price_performance.values()}
    dated = {n: c for s in flat for n, c in s.changes.items() if c.at is not None and n not in gains}
    never = model.start + NEVER
    late = {n: dataclasses.replace(c, at=never, until=c.until and never + 1) for n, c in dated.items()}
    return [dataclasses.replace(s, changes=dict(sorted({**late, **s.changes}.items()))) for s in flat]


def _date(statistic: Statistic) -> float:
    return float(statistic.entries["at"])


def _posterior(model: Model, given: ModelOfClaims) -> StoredFit:
    """Draws for a model: of its own fit, or of another model's for the parameters that both have.

    Parameters that are sampled besides have their own columns, independent of the fit's.
    """
    import pandas as pd

    if any(name.startswith(f"{model.name}-") for name in shipped_fits()):
        stored = shipped_fit(model.name)
    else:
        stored = shipped_fit(given.fit)
        outside = [
            f"{n!r} of the fit of {given.fit!r} is not in it" for n in stored.values if n not in model.parameters
        ]
        if outside:
            raise CalibrationError(f"model {model.name!r}", outside)
        here = model.with_values(stored.fixed) if stored.fixed else model
        stored = dataclasses.replace(stored, meta={**stored.meta, "model": model.name, "model_hash": here.hash})
    if not given.sampled:
        return stored
    twice = [f"sampled {n!r} has draws already" for n in given.sampled if n in stored.names]
    if twice:
        raise CalibrationError(f"model {model.name!r}", twice)
    centres = [{"name": n, "value": model.parameters[n].value, "status": "assumed"} for n in given.sampled]
    others = stored.parameters[~stored.parameters["name"].isin(given.sampled)]
    return dataclasses.replace(
        stored,
        names=(*stored.names, *given.sampled),
        sample=np.column_stack([stored.sample, from_priors(model, given.sampled, len(stored.sample))]),
        parameters=pd.concat([others, pd.DataFrame(centres)]),
    )


def from_priors(model: Model, names: Sequence[str], n: int) -> Floats:
    """`n` independent values of each parameter's prior, shape (n, names); the same ones whenever it is asked."""
    columns = np.empty((n, len(names)))
    for k, name in enumerate(names):
        rng = np.random.default_rng([SEED, *name.encode()])
        prior = model.parameters[name].prior
        if isinstance(prior, LogNormal):
            columns[:, k] = prior.median * np.exp(prior.sd_log * rng.standard_normal(n))
        elif isinstance(prior, Normal):
            columns[:, k] = prior.mean + prior.sd * rng.standard_normal(n)
        elif isinstance(prior, Range):
            columns[:, k] = rng.uniform(prior.low, prior.high, n)
    return columns


def _shock_name(statistic: Statistic) -> str:
    e = statistic.entries
    if "scenario" in e:
        return str(e["scenario"])
    gains = ", ".join(f"{kind} x{factor:g}" for kind, factor in e["shocks"].items())
    return f"{gains} over {e.get('spread', 0.0):g} yr"


def _shock(model: Model, statistic: Statistic) -> Scenario:
    e = statistic.entries
    if "scenario" in e:
        return load_scenario(e["scenario"])
    roles = roles_of(model)
    kinds = {**roles.efficiencies, **roles.price_performance}
    unknown = [
        f"shock {k!r}, expected one of {', '.join(kinds)}{nearest(k, kinds)}" for k in e["shocks"] if k not in kinds
    ]
    if unknown:
        raise CalibrationError(f"model {model.name!r}", unknown)
    spread = float(e.get("spread", 0.0))
    changes = {
        kinds[k]: Change(factor=float(x), at=_date(statistic), adjustment_time=spread) for k, x in e["shocks"].items()
    }
    return Scenario(_shock_name(statistic), changes)


def _verdict(file: ClaimFile, claim: Claim, answers: Mapping[str, _Answers]) -> Verdict:
    statistic = claim.statistic
    nothing = (math.nan, math.nan, math.nan, math.nan, NOT_TESTABLE)
    if claim.model and claim.model not in list_models():
        return Verdict(claim, *nothing, f"Model {claim.model!r} is not shipped. {claim.why}".strip())
    if statistic.kind == "none":
        return Verdict(claim, *nothing, claim.why)
    if statistic.kind == "arithmetic":
        ends = corners(statistic)
        return _of_interval(claim, min(ends), ends[0], max(ends), math.nan)
    if statistic.kind == "table":
        per = file.references[statistic.entries["per"]][0] if "per" in statistic.entries else 1.0
        low, median, high = (x / per for x in _shipped_numbers(claim))
        return _of_interval(claim, low, median, high, math.nan)
    return judge(claim, answers[claim.model].of(statistic, file.references))


def corners(statistic: Statistic) -> list[float]:
    """Values of an arithmetic statistic: at the middle of its inputs, then at all combinations of their ends.

    Equation   the extremes of a product of powers, or of a sum, lie where each input is at one of its ends
    Valid for  expressions that rise or fall in each input throughout its range
    Source     interval arithmetic
    """
    inputs = statistic.entries["inputs"]
    ranges = {k: tuple(x) if isinstance(x, list) else (x, x) for k, x in inputs.items()}
    middle = {k: (low + high) / 2 for k, (low, high) in ranges.items()}
    ends = [dict(zip(ranges, chosen, strict=True)) for chosen in itertools.product(*ranges.values())]
    return [calculate(statistic.entries["expression"], names) for names in (middle, *ends)]


def _shipped_numbers(claim: Claim) -> list[float]:
    """Low, median and high of a shipped table of quantities and values."""
    e = claim.statistic.entries
    try:
        with (shipped_folder() / e["file"]).open(encoding="utf-8", newline="") as file:
            table = {row["quantity"]: float(row["value"]) for row in csv.DictReader(file)}
    except (OSError, KeyError, ValueError) as error:
        raise CalibrationError(f"claim {claim.number}", [f"table {e['file']!r} cannot be read ({error})"]) from error
    missing = [f"table {e['file']!r} has no {e[k]!r}{nearest(e[k], table)}" for k in ("low", "median", "high")
               if e[k] not in table]  # fmt: skip
    if missing:
        raise CalibrationError(f"claim {claim.number}", missing)
    return [table[e[k]] for k in ("low", "median", "high")]


def to_frame(file: ClaimFile, verdicts: Sequence[Verdict]) -> pd.DataFrame:
    """One row a claim: what is claimed, by whom, what is computed, both intervals, verdict and why."""
    import pandas as pd

    rows: list[dict[str, Any]] = []
    for v in verdicts:
        c = v.claim
        sources = [file.sources[s] for s in c.sources]
        rows.append(
            {
                "number": c.number, "claim": c.claim, "source": "; ".join(s.text for s in sources),
                "url": " ".join(s.url for s in sources if s.url), "seen": "; ".join(s.seen for s in sources),
                "model": c.model, "statistic": c.words, "expression": str(c.statistic), "unit": c.statistic.unit,
                "p05": v.low, "median": v.median, "p95": v.high, "claimed_low": c.low, "claimed_high": c.high,
                "share_of_draws": v.share, "verdict": v.verdict, "why": v.why,
            }
        )  # fmt: skip
    return pd.DataFrame(rows)
