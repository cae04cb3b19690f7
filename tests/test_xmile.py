"""The exported file, run by PySD, gives what our own Euler steps give."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest
import sympy as sp
from jevons.models import world

from jevons.elements import Auxiliary, Driver, Element, Flow, InitialUnknown, Parameter, Stock, Table
from jevons.errors import JevonsError
from jevons.functions import (
    TIME,
    Names,
    delay1,
    delay3,
    lookup,
    pulse,
    ramp,
    smooth1,
    smooth3,
    smooth_max,
    smooth_min,
    smooth_positive,
    soft_limit,
    step,
    trend,
)
from jevons.interchange.writers.xmile import NAMESPACE, write_xmile
from jevons.model import Model

pytestmark = [
    # PySD 3.14.3 imports and calls what chardet and pandas have deprecated,
    pytest.mark.filterwarnings("ignore::DeprecationWarning:pysd"),
    # and warns at each date at which a table is left, where we clamp on purpose.
    pytest.mark.filterwarnings("ignore:[\\s\\S]*extrapolating data:UserWarning"),
]

v = Names()
DT = 1 / 32


def parameter(name: str, value: float, unit: str = "1", doc: str = "Test.") -> Parameter:
    return Parameter(name, unit, value=value, source="test", status="measured", doc=doc)


def aux(name: str, equation: object, unit: str = "1") -> Auxiliary:
    return Auxiliary(name, unit, equation=equation, doc="Test.")


def grown(name: str, rate: object, initial: object = 1, log: bool = False) -> list[Element]:
    """A dimensionless stock with one inflow per year."""
    return [
        Stock(name, "1", initial=initial, log=log, doc="Test."),
        Flow(f"flow_of_{name}", "1/yr", equation=rate, target=name, doc="Test."),
    ]


def model(*elements: Element, start: float = 2000.0) -> Model:
    return Model("test", [parameter("year", 1.0, "yr"), *elements], start=start)


def compare(m: Model, folder: Path, years: float = 8.0, **options: object) -> float:
    """Largest difference between PySD and us over all variables, relative to each one's size."""
    import pysd

    end = m.start + years
    path = write_xmile(m, folder / "model.xmile", dt=DT, end=end, **options)
    with np.printoptions(precision=17):  # PySD prints the points of tables with numpy
        theirs = pysd.read_xmile(str(path)).run()
    ours = m.run(m.start, end, method="Euler", dt=DT, every=DT, **options)
    names = original_names(path)
    assert set(ours.names) <= set(names)
    np.testing.assert_allclose(theirs.index.to_numpy(float), ours.times, rtol=1e-12)
    errors = []
    for name in ours.names:
        a, b = ours[name].to_numpy(), theirs[names[name]].to_numpy(float)
        errors.append(np.abs(a - b).max() / max(np.abs(a).max(), 1e-9))
    return float(max(errors))


def original_names(path: Path) -> dict[str, str]:
    """From names in the model to names in the file."""
    result = {}
    for node in ET.parse(path).iterfind(f".//{{{NAMESPACE}}}variables/*"):
        if not node.tag.endswith("group"):
            doc = node.findtext(f"{{{NAMESPACE}}}doc", "")
            found = re.search(r"Name in the model: (.*)\Z", doc)
            result[found[1] if found else node.attrib["name"]] = node.attrib["name"]
    return result


def test_stocks_flows_and_logarithms(tmp_path):
    m = model(
        Stock("prey", "1", initial=10.0, log=True, doc="Test."),
        Stock("predators", "1", initial=5.0, doc="Test."),
        Flow("births", "1/yr", equation=v.prey * 0.9 / v.year, target="prey", doc="Test."),
        Flow("eaten", "1/yr", equation=0.1 * v.prey * v.predators / v.year, source="prey", doc="Test."),
        Flow("fed", "1/yr", equation=v.eaten / 2, target="predators", doc="Test."),
        Flow("deaths", "1/yr", equation=v.predators / v.life, source="predators", doc="Test."),
        Flow("emigration", "1/yr", equation=v.predators / (10 * v.life), source="predators", target="away", doc="T."),
        Stock("away", "1", initial=0, doc="Test."),
        Stock("constant", "1", initial=v.prey / 3, doc="Test."),
        parameter("life", 1.7, "yr"),
    )
    assert compare(m, tmp_path) < 1e-12


def test_parameter_values_of_one_export(tmp_path):
    m = model(*grown("x", v.rate * v.x, initial=v.at_start), parameter("rate", 0.1, "1/yr"), parameter("at_start", 1.0))
    assert compare(m, tmp_path, params={"rate": -0.3, "at_start": -2.5}) < 1e-12
    text = (tmp_path / "model.xmile").read_text()
    assert "(-0.3)" in text and "(-2.5)" in text


def test_delays_smooths_and_trend(tmp_path):
    m = model(
        *grown("x", v.x * 0.3 / v.year),
        aux("late", delay1(v.x, 2 * v.year)),
        aux("later", delay3(v.x, 3 * v.year, 0.5)),
        aux("average", smooth1(v.x, v.year)),
        aux("smoother", smooth3(v.late + v.x, 2 * v.year)),
        aux("growth", trend(v.x, 2 * v.year, 0.1 / v.year), "1/yr"),
    )
    assert compare(m, tmp_path) < 1e-9


def test_steps_pulses_ramps_and_dates(tmp_path):
    m = model(
        *grown("x", pulse(2 / v.year, v.begin, 0.5 * v.year) + step(1 / v.year, 2003 * v.year)),
        *grown("y", ramp(0.2 / v.year**2, v.begin, 2006 * v.year)),
        *grown("z", sp.Piecewise((1, v.begin > TIME), (3, 2005 * v.year <= TIME), (-1, True)) / v.year),
        parameter("begin", 2001.25, "yr"),
    )
    assert compare(m, tmp_path) < 1e-12


def test_steps_at_dates_that_time_reaches_only_by_rounding(tmp_path):
    import pysd

    m = model(*grown("x", step(1 / v.year, 2000.7 * v.year)))
    path = write_xmile(m, tmp_path / "model.xmile", dt=0.1, end=2003.0)
    assert pysd.read_xmile(str(path)).run()["x"].iloc[-1] == pytest.approx(1 + 2.3, rel=1e-9)


def test_tables_and_drivers(tmp_path):
    points = ((-1.0, 0.123456789012), (0.5, 2.0), (2.0, 1.0))
    evidence = {"points": points, "source": "test", "status": "measured", "doc": "Test."}
    years = tuple((2001 + 2 * x, y) for x, y in points)
    dated = {**evidence, "points": years, "x_unit": "yr"}
    m = model(
        Table("held", "1", x_unit="1", outside="clamp", **evidence),
        Table("continued", "1", x_unit="1", outside="extrapolate", **evidence),
        Driver("history", "1", outside="clamp", **dated),
        Driver("projection", "1", outside="extrapolate", **dated),
        *grown("x", lookup("held", v.x - 2) / v.year),
        *grown("y", lookup("continued", 3 - v.y) / v.year),
        aux("driven", v.history * v.projection + lookup("history", TIME - v.year)),
    )
    assert compare(m, tmp_path) < 1e-9


def test_every_function(tmp_path):
    x, t = v.x, v.t
    m = model(
        *grown("x", sp.sin(v.t) / v.year, initial=0.3),
        aux("t", (TIME - 2000 * v.year) / v.year),
        aux("elementary", sp.exp(-x) + sp.log(2 + x) + sp.sqrt(3 + x) + sp.tanh(x) + sp.sinh(x) + sp.cosh(x)),
        aux("circular", sp.cos(t) * sp.tan(t / 10)),
        aux("kinks", sp.Max(x, t, 1) - sp.Min(x, t - 2, sp.Abs(t - 4))),
        aux("jumps", sp.floor(3 * x - 2) + sp.sign(t - 4)),
        aux("powers", (1 + t) ** x * 2**t / (3 + x) ** 3 * t ** -x.subs(x, 1).subs(1, -2) / sp.Rational(7, 3)),
        aux("smooths", smooth_positive(t - 3, 0.2) * smooth_max(x, t, 0.1) - smooth_min(x, t, 0.1)),
        aux("limited", soft_limit(t, 3 + x, 4)),
        aux("cases", sp.Piecewise((x, sp.And(x > 0.5, t < 2)), (t, sp.Or(x < 0, sp.Ne(t, 5))), (1e-7, True))),
        aux("guarded", sp.Piecewise((1 / t, t > 0), (0, True))),
        aux("small", x * sp.Float(1e-12) + sp.pi),
    )
    assert compare(m, tmp_path) < 1e-9


def test_unknowns_of_the_start(tmp_path):
    m = model(
        InitialUnknown("root", "1", equation=sp.sqrt(2 + v.root) * v.scale, guess=1.0, doc="Test."),
        *grown("x", -0.1 * v.x / v.year, initial=v.root * v.twice),
        aux("twice", 2 * v.scale),
        parameter("scale", 1.0),
    )
    assert compare(m, tmp_path) < 1e-9
    assert compare(m, tmp_path, params={"scale": 1.5}) < 1e-9


ODD = [
    "notebooks",
    "Not",
    "X",
    "x__1",
    "x_1",
    "max",
    "Time",
    "if",
    "lambda",
    "final_time",
    "pi",
    "ln_X",
    "order",
    "model",
]
ODDER = [
    "a b",
    "50 % more",
    "η",
    "_hidden",
    '"quoted"',
    "back\\slash",
    "<tag> & co",
    "IF a THEN b",
    "[x]",
    "(y)",
    "a+b",
]


def test_any_name_is_safe(tmp_path):
    elements = [e for name in ODD + ODDER for e in grown(name, v[name] * 0.1 / v.year, log=name == "X")]
    total = aux("x", sum((v[name] for name in ODD + ODDER), sp.Integer(0)))
    m = model(*elements, total)
    assert compare(m, tmp_path, years=1.0) < 1e-12
    kept = original_names(tmp_path / "model.xmile")
    assert kept["notebooks"] == "notebooks" and kept["order"] == "order"
    safe = list(kept.values())
    assert {"a b", "50 % more", "η", "<tag> & co", "(y)", "a+b", "_hidden"} <= set(
        safe
    )  # readers take them as they are
    changed = {name for name, written in kept.items() if written not in (name, f"{name}_2")}
    assert {'"quoted"', "back\\slash", "[x]"} <= changed and len(changed & {"IF a THEN b", "notebooks"}) == 0
    assert len({re.sub("[_ ]+", "_", name).lower() for name in safe}) == len(safe)


def test_documentation_is_data_not_code(tmp_path):
    doc = 'Ends """ here\n"""\nraise SystemExit\n%(x)s %d \\N{BULLET} ]]> <a> & \x00 "'
    m = model(*grown("x", v.rate), parameter("rate", 0.1, "1/yr", doc=doc))
    assert compare(m, tmp_path, years=1.0) < 1e-12


@pytest.mark.parametrize("options", [{"dt": 0.0}, {"dt": float("nan")}, {"end": 1999.0}])
def test_mistaken_dates(tmp_path, options):
    with pytest.raises(JevonsError, match="expected a positive step"):
        write_xmile(model(*grown("x", 1 / v.year)), tmp_path / "model.xmile", **options)


def test_starts_that_cannot_be_written(tmp_path):
    negative = model(*grown("x", v.x / v.year, initial=-v.one, log=True), parameter("one", 1.0))
    with pytest.raises(JevonsError, match="'x': initial value -1, expected positive"):
        write_xmile(negative, tmp_path / "model.xmile")
    endless = model(
        InitialUnknown("root", "1", equation=2 * v.root, guess=1.0, doc="Test."),
        *grown("x", 1 / v.year, initial=v.root),
    )
    with pytest.raises(JevonsError, match="could not be solved"):
        write_xmile(endless, tmp_path / "model.xmile")
    divided = model(*grown("x", 1 / v.year, initial=1 / v.zero), parameter("zero", 0.0))
    with pytest.raises(JevonsError, match="no initial values"):
        write_xmile(divided, tmp_path / "model.xmile")


def test_the_world_runs_in_pysd(tmp_path):
    m = world.build()
    assert compare(m, tmp_path, years=2035 - m.start) < 1e-6
    assert m.to_xmile(tmp_path / "again.xmile").read_text().startswith("<?xml")
