"""XMILE models as models of ours: against mathematics, against PySD on the same text, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
from vensim_texts import pysd_values, same, values

import jevons as jv
from jevons.elements import Flow, Parameter, Stock
from jevons.errors import ImportRefused

FRAME = """<?xml version="1.0" encoding="utf-8"?>
<xmile version="1.0" xmlns="http://docs.oasis-open.org/xmile/ns/XMILE/v1.0">
<header><vendor>none</vendor><product>none</product></header>
<sim_specs {specs} time_units="Months"><start>0</start><stop>4</stop><dt>0.5</dt></sim_specs>
{before}<model><variables>
{variables}
</variables>{after}</model></xmile>
"""
STEPS = np.arange(9) * 0.5


def write(folder, variables, before="", after="", specs='method="Euler"'):
    file = folder / "m.xmile"
    file.write_text(FRAME.format(variables=variables, before=before, after=after, specs=specs), encoding="utf-8")
    return file


def read(folder, variables, **parts):
    return jv.read_xmile(write(folder, variables, **parts))


def aux(name, equation, inside=""):
    return f'<aux name="{name}"><eqn>{equation}</eqn>{inside}</aux>'


TANK = """
<stock name="Water in Tank"><doc>What is in it.</doc><eqn>100</eqn><inflow>fill</inflow><outflow>drain</outflow>
<units>litres</units></stock>
<flow name="fill"><eqn>2 * TIME</eqn><units>litres/month</units></flow>
<flow name="drain"><eqn>water_in_tank / residence_time</eqn></flow>
<aux name="residence time"><eqn>4</eqn><units>months</units></aux>
"""


def euler(rate, start):
    out = [start]
    for t in STEPS[:-1]:
        out.append(out[-1] + 0.5 * rate(t, out[-1]))
    return np.array(out)


def test_a_stock_with_its_flows(tmp_path):
    model = read(tmp_path, TANK)
    assert values(model)["Water in Tank"] == pytest.approx(euler(lambda t, x: 2 * t - x / 4, 100.0))
    drain, fill = model["drain"], model["fill"]
    assert isinstance(drain, Flow) and (drain.source, drain.target) == ("Water in Tank", None)
    assert (fill.target, fill.unit) == ("Water in Tank", "litres/month")
    tank, time = model["Water in Tank"], model["residence time"]
    assert isinstance(tank, Stock) and (tank.unit, tank.doc) == ("litres", "What is in it.")
    assert isinstance(time, Parameter) and (time.value, time.unit) == (4.0, "months")
    assert model.time_unit == "Months"


def test_the_method_of_the_file(tmp_path):
    model = read(tmp_path, '<stock name="x"><eqn>1</eqn><inflow>f</inflow></stock><flow name="f"><eqn>x</eqn></flow>',
                 specs='method="RK4"')  # fmt: skip
    growth = 1 + 0.5 + 0.5**2 / 2 + 0.5**3 / 6 + 0.5**4 / 24
    assert values(model)["x"] == pytest.approx(growth ** np.arange(9), rel=1e-14)


def test_time_and_step_by_their_names_in_equations(tmp_path):
    found = values(read(tmp_path, aux("x", "TIME + DT*10 + STARTTIME + STOPTIME*100")))
    assert found["x"] == pytest.approx(STEPS + 5 + 400)


@pytest.mark.parametrize(
    ("equation", "value"),
    [
        ("2 + 3*4^2/8", 8), ("-2^2", -4), ("7 MOD 4", 3), ("IF 3 &gt; 2 AND NOT (1 = 2) THEN 5 ELSE 6", 5),
        ("IF 1 &lt;&gt; 1 OR 2 &lt;= 1 THEN 5 ELSE 6", 6), ("MAX(1, MIN(5, 3))", 3), ("SAFEDIV(1, 0, 9)", 9),
        ("{a remark} 4", 4),
    ],
)  # fmt: skip
def test_equations(tmp_path, equation, value):
    assert values(read(tmp_path, aux("x", equation)))["x"][0] == value


DIMENSIONS = """<dimensions><dim name="Region"><elem name="north"/><elem name="south"/></dim>
<dim name="Age" size="2"/></dimensions>"""
ARRAYS = """
<aux name="area"><dimensions><dim name="Region"/></dimensions>
<element subscript="north"><eqn>3</eqn></element><element subscript="south"><eqn>4</eqn></element></aux>
<aux name="rate"><dimensions><dim name="Region"/><dim name="Age"/></dimensions><eqn>area[Region] * Age</eqn></aux>
<aux name="total"><eqn>SUM(area[*]) + SUM(rate[north, *])</eqn></aux>
<stock name="level"><dimensions><dim name="Region"/></dimensions><eqn>area[Region]</eqn><outflow>loss</outflow></stock>
<flow name="loss"><dimensions><dim name="Region"/></dimensions><eqn>level[Region] / 8</eqn></flow>
"""


def test_arrays(tmp_path):
    model = read(tmp_path, ARRAYS, before=DIMENSIONS)
    found = values(model)
    assert found["rate[south,2]"][0] == 8
    assert found["total"][0] == 7 + 3 * (1 + 2)
    assert found["level[south]"] == pytest.approx(4 * (1 - 0.5 / 8) ** np.arange(9))
    assert model.dimensions["Region"] == ("north", "south")
    assert model.subscripts["rate"] == ("Region", "Age")


def test_macros(tmp_path):
    before = """<macro name="twice"><parm>x</parm><eqn>x*2</eqn></macro>
    <macro name="lag"><parm>x</parm><parm>tau</parm><eqn>s</eqn><variables>
    <stock name="s"><eqn>x</eqn><inflow>f</inflow></stock><flow name="f"><eqn>(x-s)/tau</eqn></flow>
    </variables></macro>"""
    found = values(read(tmp_path, aux("y", "twice(TIME) + TWICE(3)") + aux("z", "lag(TIME, 2)"), before=before))
    assert found["y"] == pytest.approx(2 * STEPS + 6)
    assert found["z"] == pytest.approx(euler(lambda t, x: (t - x) / 2, 0.0))


def test_tables(tmp_path):
    table = '<gf type="{}"><xscale min="0" max="2"/><yscale min="0" max="9"/><ypts>0,4,6</ypts></gf>'
    variables = "".join(
        aux(kind, "TIME", table.format(kind)) for kind in ("continuous", "extrapolate", "discrete")
    )  # fmt: skip
    found = values(read(tmp_path, variables))
    assert found["continuous"] == pytest.approx(np.interp(STEPS, [0, 1, 2], [0, 4, 6]))
    beyond = np.where(STEPS > 2, 6 + 2 * (STEPS - 2), found["continuous"])
    assert found["extrapolate"] == pytest.approx(beyond)
    assert found["discrete"] == pytest.approx(np.array([0, 0, 4, 4, 6, 6, 6, 6, 6]), abs=1e-12)


def test_stocks_that_must_not_fall_below_zero(tmp_path):
    variables = """
    <stock name="s"><eqn>10</eqn><outflow>o</outflow><non_negative/></stock>
    <flow name="o"><eqn>6 + TIME</eqn></flow>
    """
    level = values(read(tmp_path, variables))["s"]
    assert level[0] == 10 and level[1] == pytest.approx(7)
    assert level.min() >= 0 and level[-1] == pytest.approx(0)


def test_pysd_says_the_same(tmp_path):
    file = write(tmp_path, TANK + aux("half", "IF TIME &gt; 2 THEN water_in_tank/2 ELSE SQRT(water_in_tank)"))
    ours = {same(name): series for name, series in values(jv.read_xmile(file)).items()}
    theirs = pysd_values(file)
    assert len(theirs) > 5
    for name, series in theirs.items():
        assert ours[same(name)] == pytest.approx(series, rel=1e-9), name


def test_names_are_equal_without_case_and_blanks(tmp_path):
    found = values(read(tmp_path, aux("Foo Bar", 3) + aux("b", "foo_bar + FOO_BAR")))
    assert found["b"][0] == 6


def test_modules_become_names_with_a_point(tmp_path):
    file = tmp_path / "m.xmile"
    text = FRAME.format(
        variables='<module name="shop"/>' + aux("seen", "shop.stock_level * 2"), before="", after="", specs=""
    )
    shop = f'<model name="shop"><variables>{aux("stock level", 21)}</variables></model></xmile>'
    file.write_text(text.replace("</xmile>", shop), encoding="utf-8")
    found = values(jv.read_xmile(file))
    assert found["seen"][0] == 42
    assert {same(name) for name in found} >= {"shop.stock_level"}


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        (aux("room temp", 1) + aux("b", "rom_temp"),
         "'b': no variable 'rom_temp'; did you mean 'room_temp'? in `rom_temp`"),
        (aux("a", 1) + aux("A", 2), "'A': a second definition of this name"),
        (aux("a", "??? "), "'a': no equation yet in `???`"),
        (aux("a", "1 +"), "'a': "),
        (aux("a", "NOSUCH(1)"), "'a': "),
        (aux("a", "1/0"), "'a': division by the number zero"),
        ('<stock name="s"><eqn>1</eqn><inflow>gone</inflow></stock>', "'s': "),
    ],
)  # fmt: skip
def test_refused_with_line_variable_and_reason(tmp_path, variables, message):
    with pytest.raises(ImportRefused) as caught:
        read(tmp_path, variables + aux("user", "a + 1" if '"a"' in variables else "1"))
    (only,) = caught.value.mistakes
    assert only.startswith("line ") and message in only


def test_only_what_is_xmile(tmp_path):
    file = tmp_path / "m.xmile"
    file.write_text("<html/>")
    with pytest.raises(jv.JevonsError):
        jv.read_xmile(file)
    file.write_text("<xmile></xmile>")
    with pytest.raises(jv.JevonsError, match="has no model"):
        jv.read_xmile(file)
