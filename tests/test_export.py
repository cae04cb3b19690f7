"""Exported files, run by PySD or read back, give what our own Euler steps give; their diagrams are whole."""

from __future__ import annotations

import itertools
import os
import re
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest
import sympy as sp
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from small import auxiliary, driver, flow, parameter, stock, table, v

import jevons as jv
from jevons.cli_interchange import export
from jevons.elements import InitialUnknown, LogNormal, Range, Sector
from jevons.errors import JevonsError
from jevons.functions import TIME, delay1, delay3, lookup, noise, normal_quantile, pulse, smooth3, step
from jevons.interchange.importer import read_vensim, read_xmile
from jevons.interchange.vensim_reader.source import read_vensim_source
from jevons.interchange.writers import vensim, xmile
from jevons.interchange.writers.arrays import collapsed
from jevons.interchange.writers.expanded import Expanded, Variable, expand
from jevons.interchange.writers.layout import lay_out
from jevons.interchange.writers.shapes import Box, Page, angle, arc
from jevons.interchange.writers.vensim_text import free_text, unit_text, wrapped
from jevons.model import Model
from jevons.run_settings import RunSettings

pytestmark = [
    # PySD 3.14.3 imports and calls what chardet and pandas have deprecated,
    pytest.mark.filterwarnings("ignore::DeprecationWarning:pysd"),
    pytest.mark.filterwarnings("ignore::pandas.errors.Pandas4Warning"),
    # and warns at each date at which a table is left, where we clamp on purpose.
    pytest.mark.filterwarnings("ignore:[\\s\\S]*extrapolating data:UserWarning"),
]

WRITERS = {"mdl": vensim, "xmile": xmile}
TAG = f"{{{xmile.NAMESPACE}}}"
SLOW = ("world", "world_full_price", "world_hump", "laboratory", "laboratory_us")


def write(m: Model, path: Path, **options: object) -> Path:
    return (vensim.write_vensim if path.suffix == ".mdl" else xmile.write_xmile)(m, path, **options)


def names_in_file(m: Model, kind: str, **options: object) -> dict[str, str]:
    return WRITERS[kind]._Export(expand(m, **options)).names


def read_by_pysd(path: Path):
    import pysd

    with np.printoptions(precision=17):  # PySD prints the points of tables with numpy
        return pysd.read_vensim(str(path)) if path.suffix == ".mdl" else pysd.read_xmile(str(path))


def column(frame, name: str) -> np.ndarray:
    """A variable of a run of PySD, which keeps Vensim's quotes."""
    return frame[name if name in frame else f'"{name}"'].to_numpy(float)


def largest_difference(ours: jv.Trajectory, theirs: dict[str, np.ndarray]) -> float:
    """Over all variables, relative to the size of each."""
    errors = {}
    for name in ours.names:
        a = ours[name].to_numpy()
        errors[name] = np.abs(a - np.asarray(theirs[name], dtype=float)).max() / max(np.abs(a).max(), 1e-9)
    return max(errors.values())


def compare(m: Model, folder: Path, kind: str, years: float = 4.0, dt: float = 1 / 8, **options: object) -> float:
    """Largest difference between PySD and us."""
    end = m.start + years
    path = write(m, folder / f"model.{kind}", dt=dt, end=end, **options)
    frame = read_by_pysd(path).run()
    ours = m.run(m.start, end, method="Euler", dt=dt, every=dt, **options)
    np.testing.assert_allclose(frame.index.to_numpy(float), ours.times, rtol=1e-12)
    names = names_in_file(m, kind, dt=dt, end=end)
    return largest_difference(ours, {name: column(frame, names[name]) for name in ours.names})


def prey_and_predators() -> Model:
    """A model with most of what there is: a log stock, tables, a driver, delays, steps, two sectors."""
    animals = Sector(
        "animals",
        [
            stock("prey", v.capacity / 10, log=True),
            stock("predators", v.prey / 5),
            flow("births", v.prey * v.fertility * lookup("crowding", v.prey / v.capacity), target="prey"),
            flow("eaten", v.prey * v.predators * 0.02 / v.year, source="prey"),
            flow("grown", v.eaten / 4, target="predators"),
            flow("deaths", v.predators / v.life, source="predators"),
            flow("emigration", v.predators / (5 * v.life), source="predators", target="away"),
            stock("away", 0),
        ],
    )
    land = Sector(
        "land",
        [
            parameter("capacity", 100.0, prior=LogNormal(100.0, 0.5), status="assumed"),
            parameter("fertility", 0.9, "1/yr", prior=Range(0.5, 2.0), status="assumed"),
            parameter("life", 1.7, "yr"),
            parameter("year", 1.0, "yr"),
            table("crowding", [(0.0, 1.25), (0.4, 1.0), (1.1, -0.1234567890123)], outside="extrapolate"),
            table("taste", [(0.0, 1.0), (0.5, 2.0), (1.0, -3.0)]),
            driver("rain", [(2000.5, 1.0), (2003.0, 1.5)]),
            auxiliary("memory", smooth3(v.prey, 2 * v.year) + delay3(v.predators, v.year) - delay1(v.rain, v.year)),
            auxiliary("event", step(1, 2001.25 * v.year) - pulse(2, 2002 * v.year, 0.5 * v.year)),
            auxiliary("kinks", sp.Max(v.prey, 20, v.predators) * sp.floor(v.rain - 3) + sp.sign(v.event)),
            auxiliary("liking", lookup("taste", (TIME - 2001 * v.year) / v.year)),
            auxiliary(
                "cases",
                sp.Piecewise(
                    (v.rain, sp.And(v.prey > 30, sp.Not(v.event > 0.5, evaluate=False))),
                    (-(v.liking**2), sp.Or(v.prey < 12, sp.Ne(v.rain, 1.5))),
                    (sp.Abs(v.event) ** v.rain, True),
                ),
            ),
            auxiliary("circles", sp.atan(v.rain) + sp.asin(v.event / 9) - sp.acos(v.event / 9) + sp.ceiling(v.rain)),
        ],
    )
    return Model("hunt", animals, land, start=2000.0)


# What other programs compute


@pytest.mark.parametrize("kind", WRITERS)
@pytest.mark.parametrize("name", [pytest.param(n, marks=[pytest.mark.slow] * (n in SLOW)) for n in jv.list_models()])
def test_pysd_runs_every_shipped_model_as_we_do(name, kind, tmp_path):
    m = jv.load(name, None)
    assert compare(m, tmp_path, kind, years=1.0) < 1e-9


@pytest.mark.parametrize("kind", WRITERS)
def test_pysd_runs_what_a_model_may_contain(kind, tmp_path):
    assert compare(prey_and_predators(), tmp_path, kind, dt=1 / 32) < 1e-12


@pytest.mark.parametrize("kind", WRITERS)
def test_our_own_reader_gives_the_model_back(kind, tmp_path):
    m = prey_and_predators()
    path = write(m, tmp_path / f"model.{kind}", dt=1 / 32, end=2004.0)
    back = (read_vensim if kind == "mdl" else read_xmile)(path)
    ours = m.run(2000, 2004, method="Euler", dt=1 / 32, every=1 / 32)
    run, names = back.run(), names_in_file(m, kind)
    np.testing.assert_allclose(run.times, ours.times, rtol=1e-12)
    assert largest_difference(ours, {name: run[names[name]].to_numpy() for name in ours.names}) < 1e-12
    assert (back["births"].unit, back["crowding"].outside) == (
        m["births"].unit,
        "clamp" if kind == "mdl" else "extrapolate",
    )
    assert isinstance(back["emigration"], jv.Flow) and back["emigration"].source == "predators"
    again = write(back, tmp_path / f"again.{kind}")
    frame = read_by_pysd(again).run()
    written = names_in_file(back, kind)
    theirs = {name: column(frame, written[names[name]]) for name in ours.names}
    assert largest_difference(ours, theirs) < 1e-12


@pytest.mark.parametrize("kind", WRITERS)
def test_initial_values_follow_a_parameter_that_is_changed_in_the_file(kind, tmp_path):
    m = prey_and_predators()
    path = write(m, tmp_path / f"model.{kind}", dt=1 / 8, end=2002.0)
    frame = read_by_pysd(path).run(params={"capacity": 250.0, "life": 3.0})
    ours = m.run(2000, 2002, method="Euler", dt=1 / 8, every=1 / 8, params={"capacity": 250.0, "life": 3.0})
    names = names_in_file(m, kind)
    assert largest_difference(ours, {name: column(frame, names[name]) for name in ours.names}) < 1e-12
    assert ours["prey"].iloc[0] == pytest.approx(25.0)


def test_only_what_needs_a_fixed_point_starts_from_a_number():
    root = InitialUnknown("root", "1", equation=sp.sqrt(2 + v.root) * v.scale, guess=1.0, doc="Test.")
    m = Model("m", [root, stock("x", v.twice), stock("y", 2 * v.x), stock("z", v.scale), parameter("scale", 1.0),
                    auxiliary("twice", v.scale + v.scale**2), stock("w", 3 * v.root)])  # fmt: skip
    start = {e.key: e.equation for e in expand(m).variables if e.kind == "stock"}
    assert start["x"] == v.twice and start["y"] == 2 * v.x and start["z"] == v.scale
    assert float(start["w"]) == pytest.approx(6.0, rel=1e-9) and start["w"].is_number


@pytest.mark.parametrize("kind", WRITERS)
def test_settings_of_a_model_are_those_of_the_file(kind, tmp_path):
    run = RunSettings(end=3.0, dt=0.25, every=0.5, method="RK4", time_step="TIME STEP")
    m = Model(
        "timed",
        [stock("x", 1), flow("change", -v.x / 10 + v["TIME STEP"], target="x"), parameter("TIME STEP", 0.25)],
        settings=run,
        check_units=False,
    )
    back = (read_vensim if kind == "mdl" else read_xmile)(write(m, tmp_path / f"model.{kind}"))
    assert (back.settings.end, back.settings.dt, back.settings.every, back.settings.method) == (3.0, 0.25, 0.5, "RK4")
    np.testing.assert_allclose(back.run()["x"], m.run()["x"], rtol=1e-14)
    other = (read_vensim if kind == "mdl" else read_xmile)(
        write(m, tmp_path / f"other.{kind}", dt=0.5, end=2.0, method="RK2")
    )
    assert (other.settings.end, other.settings.dt, other.settings.method) == (2.0, 0.5, "RK2")


def test_steps_that_vary_are_refused(tmp_path):
    run = RunSettings(end=3.0, dt=1.0, every=1.0, dates=(0.0, 1.0, 1.5, 3.0))
    m = Model("timed", [stock("x", 1)], settings=run, check_units=False)
    with pytest.raises(JevonsError, match="'timed': its step varies, which is not written; give dt"):
        write(m, tmp_path / "m.mdl")
    assert write(m, tmp_path / "m.mdl", dt=0.5).exists()


def test_random_numbers_keep_their_distribution(tmp_path):
    u = noise(7, 1, sp.floor(TIME / v.year))
    m = Model("noisy", [auxiliary("even", u), auxiliary("normal", normal_quantile(u)), parameter("year", 1.0, "yr")])
    text = {kind: write(m, tmp_path / f"m.{kind}").read_text() for kind in WRITERS}
    assert "RANDOM UNIFORM(0, 1, 7.0)" in text["mdl"] and "RANDOM NORMAL(-10, 10, 0, 1, 7.0)" in text["mdl"]
    assert "<eqn>UNIFORM(0, 1, 7.0)</eqn>" in text["xmile"] and "<eqn>NORMAL(0, 1, 7.0)</eqn>" in text["xmile"]


def test_other_ways_between_points(tmp_path):
    def model(between):
        held = table("held", [(0.0, 1.0), (1.0, 2.0)], between=between)
        return Model("m", [held, auxiliary("y", lookup("held", v.x)), parameter("x", 0.5)])

    assert "LOOKUP BACKWARD(held, x)" in write(model("hold"), tmp_path / "m.mdl").read_text()
    assert "LOOKUP FORWARD(held, x)" in write(model("forward"), tmp_path / "m.mdl").read_text()
    assert compare(model("hold"), tmp_path, "xmile") == 0
    with pytest.raises(JevonsError, match="'held': a table that holds the next point has no counterpart in XMILE"):
        write(model("forward"), tmp_path / "m.xmile")


@pytest.mark.parametrize("kind", WRITERS)
def test_what_cannot_be_written(kind, tmp_path):
    path = tmp_path / f"m.{kind}"
    language = {"mdl": "Vensim", "xmile": "XMILE"}[kind]
    open_end = Model("m", [auxiliary("y", sp.Piecewise((1, v.x > 0))), parameter("x", 1.0)])
    with pytest.raises(JevonsError, match=f"'y': a Piecewise without a last branch .* in {language}"):
        write(open_end, path)
    odd = Model("m", [auxiliary("y", sp.zeta(v.x)), parameter("x", 3.0)], check_units=False)
    with pytest.raises((JevonsError, TypeError), match="zeta"):
        write(odd, path)
    quantile = Model("m", [auxiliary("y", normal_quantile(v.x)), parameter("x", 0.5)])
    with pytest.raises(JevonsError, match=f"'y': function NormalQuantile has no counterpart in {language}"):
        write(quantile, path)
    with pytest.raises(JevonsError, match="method 'euler', expected one of Euler, RK2, RK4; did you mean 'Euler'"):
        write(prey_and_predators(), path, method="euler")
    assert not path.exists()


# Names, units, documentation


TAKEN = ["IF THEN ELSE", "max", "Time", "time step"]
ODD = ["a b", "50 % more", "Größe", "x (y)", "a+b", "it's", "$ cost", "3rd", "_x", *TAKEN]


def test_names_in_vensim(tmp_path):
    unwritable = ['"quoted"', "back\\slash", "[x]", "a|b", "a~b", "long " * 40]
    odd = [*ODD, *unwritable]
    parts = [[stock(n, 1.0), flow(f"flow of {n}", v[n] * 0.1 / v.year, target=n)] for n in odd]
    elements = [*itertools.chain(*parts), parameter("year", 1.0, "yr")]
    m = Model("m", [*elements, auxiliary("all", sp.Add(*[v[n] for n in odd]))])
    assert compare(m, tmp_path, "mdl", years=1.0) < 1e-12
    names = names_in_file(m, "mdl")
    kept = [n for n in odd if names[n] == n]
    assert set(ODD) - set(kept) == set(TAKEN) and not set(unwritable) & set(kept)
    assert max(map(len, names.values())) <= 127
    text = (tmp_path / "model.mdl").read_text()
    assert '"50 % more"= INTEG' in text.replace("=\n\t", "= ") and "Name in the model: max" in text


def test_units_in_vensim():
    assert unit_text("1") == "Dmnl" and unit_text("") == "" and unit_text("USD/yr") == "USD/yr"
    assert unit_text("m**3/hour") == "m*m*m/hour" and unit_text("bnUSD/yr**2") == "bnUSD/yr/yr"


def test_documentation_is_data(tmp_path):
    doc = 'Ends """ | here ~ and \\\\\\---/// there\n\x00*** ]]> <a> -- & :MACRO: "'
    m = Model("m", [stock("x"), flow("rate", v.x * v.k, target="x"), parameter("k", 0.1, "1/yr", doc=doc)], doc=doc)
    for kind in WRITERS:
        assert compare(m, tmp_path, kind, years=1.0) < 1e-12
    assert free_text("a|b~c") == "a/b-c"


def test_long_equations_are_broken_outside_of_names():
    text = " + ".join(f'"name, of + {i}"' for i in range(40))
    lines = wrapped(text).split("\\\n\t\t")
    assert max(map(len, lines)) < 130 and "".join(lines) == text
    assert all(line.count('"') % 2 == 0 for line in lines)


def test_ranges_hold_their_values(tmp_path):
    m = prey_and_predators()
    text = write(m, tmp_path / "m.mdl").read_text()
    assert re.search(r"fertility=\n\t0.9\n\t~\t1/yr \[0.5,2.0\]", text)
    low, high = 100 * np.exp(-1), 100 * np.exp(1)
    assert f"[{low:.6g},{high:.6g}]" in text
    root = ET.parse(write(m, tmp_path / "m.xmile", params={"fertility": 3.0}))
    assert root.find(f".//{TAG}aux[@name='fertility']/{TAG}range").attrib == {"min": "0.5", "max": "3.0"}


# Structure of the files


CHILDREN = {
    "xmile": {"header", "sim_specs", "model_units", "model"},
    "header": {"vendor", "product", "name", "caption", "options"},
    "options": {"has_model_view"},
    "sim_specs": {"start", "stop", "dt"},
    "model": {"variables", "views"},
    "variables": {"stock", "flow", "aux", "gf", "group"},
    "variables/stock": {"eqn", "inflow", "outflow", "doc", "units"},
    "variables/flow": {"eqn", "doc", "units"},
    "variables/aux": {"eqn", "doc", "units", "range"},
    "variables/gf": {"xpts", "ypts"},
    "variables/group": {"entity"},
    "views": {"view"},
    "view": {"stock", "flow", "aux", "group", "connector", "alias"},
    "view/flow": {"pts"},
    "connector": {"from", "to"},
}
"""What the OASIS schema allows of what we write."""
ATTRIBUTES = {
    "variables/stock": {"name"}, "variables/flow": {"name"}, "variables/aux": {"name"},
    "variables/gf": {"name", "type"},
    "view/stock": {"name", "x", "y", "width", "height", "label_side"}, "view/aux": {"name", "x", "y", "label_side"},
    "view/flow": {"name", "x", "y", "label_side"}, "view/alias": {"uid", "x", "y", "label_side"},
    "view/connector": {"uid", "angle", "line_style"}, "view/group": {"name", "x", "y", "width", "height"},
    "header/product": {"version"}, "sim_specs": {"method", "time_units"}, "xmile": {"version"},
}  # fmt: skip


def structure_mistakes(node: ET.Element, parent: str = "") -> list[str]:
    tag = node.tag.removeprefix(TAG)
    place = f"{parent}/{tag}"
    found = [c.tag.removeprefix(TAG) for c in node if isinstance(c.tag, str)]
    allowed = CHILDREN.get(place, CHILDREN.get(tag))
    mistakes = [f"{place}: {c}" for c in found if allowed is not None and c not in allowed]
    known = ATTRIBUTES.get(place, ATTRIBUTES.get(tag) if not parent or tag in ("sim_specs",) else None)
    mistakes += [f"{place}: @{a}" for a in node.attrib if known is not None and a not in known]
    for child in node:
        mistakes += structure_mistakes(child, tag)
    return mistakes


@pytest.mark.parametrize("m", [prey_and_predators(), jv.load("world", None)], ids=["hunt", "world"])
def test_xmile_has_the_structure_that_the_standard_demands(m, tmp_path):
    path = write(m, tmp_path / "m.xmile")
    root = ET.parse(path).getroot()
    assert structure_mistakes(root) == []
    assert root[0].tag == f"{TAG}header" and root.attrib["version"] == "1.0"
    assert [c.tag.removeprefix(TAG) for c in root.find(f"{TAG}model")] == ["variables", "views"]
    declared = {n.attrib["name"] for n in root.iterfind(f".//{TAG}variables/*")}
    drawn = {
        n.attrib["name"].replace(r"\n", " ").replace("_", " ") for n in root.find(f".//{TAG}view") if "name" in n.attrib
    }
    assert drawn == {name.replace("_", " ") for name in declared}
    uids = [n.attrib["uid"] for n in root.find(f".//{TAG}view") if "uid" in n.attrib]
    assert [int(u) for u in uids] == sorted({int(u) for u in uids})
    schema = os.environ.get("XMILE_SCHEMA")
    if schema:
        from lxml import etree

        etree.XMLSchema(etree.parse(schema)).assertValid(etree.parse(str(path)))


def test_a_wrong_structure_is_seen(tmp_path):
    root = ET.parse(write(prey_and_predators(), tmp_path / "m.xmile")).getroot()
    ET.SubElement(root.find(f".//{TAG}gf"), f"{TAG}doc")
    root.find(f".//{TAG}connector").set("colour", "red")
    assert structure_mistakes(root) == ["variables/gf: doc", "view/connector: @colour"]


def test_sectors_are_groups_and_views_in_vensim(tmp_path):
    m = prey_and_predators()
    source = read_vensim_source(write(m, tmp_path / "m.mdl"))
    assert source.refused == () and source.method == "Euler"
    assert set(source.views) == set(m.sectors) and set(source.groups) >= set(m.sectors)
    assert {"births", "deaths", "growth_of_prey"} - source.valves == {"births"}  # of a log stock, so not on a pipe
    assert {"predators", "deaths"} <= set(source.views["animals"]) and "life" in source.views["land"]


# The diagram


def overlaps(page: Page) -> list[tuple[str, str]]:
    def apart(a: Box, b: Box) -> bool:
        p, q = a.rectangle, b.rectangle
        return p[2] <= q[0] or q[2] <= p[0] or p[3] <= q[1] or q[3] <= p[1]

    return [(a.key, b.key) for a, b in itertools.combinations(page.boxes, 2) if not apart(a, b)]


def check_page(page: Page, expanded: Expanded) -> None:
    assert overlaps(page) == []
    assert [b.identity for b in page.boxes] == list(range(len(page.boxes)))
    assert min(b.rectangle[0] for b in page.boxes) >= 0 and min(b.rectangle[1] for b in page.boxes) >= 0
    stocks = {v.key: v for v in expanded.variables if v.kind == "stock"}
    for pipe in page.pipes:
        start, end, valve = (page.boxes[i] for i in (pipe.start, pipe.end, pipe.valve))
        assert valve.kind == "valve" and valve.key == pipe.key
        assert (pipe.key in stocks[start.key].outflows) if start.kind == "stock" else start.kind == "cloud"
        assert (pipe.key in stocks[end.key].inflows) if end.kind == "stock" else end.kind == "cloud"
        for box, (x, y) in ((start, pipe.points[0]), (end, pipe.points[-1])):
            left, top, right, bottom = box.rectangle
            assert left - 1e-6 <= x <= right + 1e-6 and top - 1e-6 <= y <= bottom + 1e-6
        pairs = list(itertools.pairwise(pipe.points))
        assert all(a[0] == b[0] or a[1] == b[1] for a, b in pairs)
        on = [min(a[0], b[0]) <= valve.x <= max(a[0], b[0]) and a[1] == b[1] == valve.y for a, b in pairs]
        assert any(on)
    for arrow in page.arrows:
        assert page.boxes[arrow.end].kind in ("stock", "valve", "aux") and page.boxes[arrow.start].kind != "cloud"


def check_diagram(m: Model) -> None:
    expanded = expand(m)
    names = {variable.key: variable.wanted for variable in expanded.variables}
    pages = lay_out(expanded, names)
    assert pages == lay_out(expanded, names)
    drawn = [b.key for page in pages for b in page.boxes if b.kind not in ("ghost", "cloud")]
    assert sorted(drawn) == sorted(names)
    for page in pages:
        check_page(page, expanded)


@pytest.mark.parametrize("name", ["bass", "coflow", "supply_line", "growing_market", "world"])
def test_diagrams_of_shipped_models(name):
    check_diagram(jv.load(name, None))


def test_diagram_of_two_sectors():
    check_diagram(prey_and_predators())


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_any_net_of_stocks_can_be_drawn(data):
    stocks = [f"stock {i}" for i in range(data.draw(st.integers(1, 5)))]
    ends = st.one_of(st.none(), st.sampled_from(stocks))
    flows = []
    for i in range(data.draw(st.integers(0, 9))):
        source, target = data.draw(st.tuples(ends, ends).filter(any))
        others = data.draw(st.lists(st.sampled_from([*stocks, "k"]), max_size=3, unique=True))
        flows.append(flow(f"flow number {i}", sp.Add(*[v[o] for o in others]) / v.year, source=source, target=target))
    drawn = [auxiliary("n" * data.draw(st.integers(1, 90)), v.k)]
    k = [parameter("k", 1.0), parameter("year", 1.0, "yr")]
    check_diagram(Model("net", Sector("one", [stock(s) for s in stocks]), Sector("two", [*flows, *drawn, *k])))


def test_many_variables_stand_in_rows():
    chain = [auxiliary(f"v{i}", v[f"v{i - 1}"] + 1) for i in range(1, 600)]
    check_diagram(Model("many", [parameter("v0", 1.0), *chain]))


@given(st.floats(-60, 60), st.floats(-300, 300), st.floats(-300, 300))
def test_arcs_begin_at_their_angle_and_end_at_their_end(bend, x, y):
    if np.hypot(x, y) < 1:
        return
    path = arc((10.0, 20.0), (10 + x, 20 + y), bend, 20_001)
    np.testing.assert_allclose(path[[0, -1]], [[10, 20], [10 + x, 20 + y]], atol=1e-6)
    first = path[1] - path[0]
    left = np.degrees(np.arctan2(-first[1], first[0]))
    at = [Box(i, "aux", "k", *place, ("k",), 1, 1) for i, place in enumerate([(10.0, 20.0), (10 + x, 20 + y)])]
    assert (left - angle(*at, bend) + 180) % 360 == pytest.approx(180, abs=0.05)


def test_layout_does_not_need_a_model():
    """Only keys, kinds and equations count."""
    variables = (
        Variable("s", "s", "stock", "1", "", "a", equation=sp.Float(1), inflows=("f",)),
        Variable("f", "f", "flow", "1", "", "b", equation=v.p * v.s),
        Variable("p", "p", "parameter", "1", "", "b", equation=sp.Float(2)),
    )
    expanded = Expanded("m", "", "yr", 0, 1, 1, 1, "Euler", False, {}, variables, {}, {})
    first, second = lay_out(expanded, {"s": "s", "f": "f", "p": "p"})
    assert [(b.kind, b.key) for b in first.boxes] == [("stock", "s"), ("cloud", ""), ("valve", "f"), ("ghost", "p")]
    assert [(b.kind, b.key) for b in second.boxes] == [("aux", "p")]


# The command and the twin


def test_export_command(tmp_path):
    runner = CliRunner()
    for file in ("bass.mdl", "bass.xmile", "bass.STMX"):
        path = tmp_path / file
        found = runner.invoke(export, ["bass", str(path), "--end", "2030", "--dt", "0.25", "--set", "market=2"])
        assert found.exit_code == 0, found.output
        assert f"wrote {path}" in found.output
    assert read_vensim(tmp_path / "bass.mdl").values["market"] == 2.0
    back = runner.invoke(export, [str(tmp_path / "bass.mdl"), str(tmp_path / "again.xmile")])
    assert back.exit_code == 0, back.output
    assert read_xmile(tmp_path / "again.xmile").settings.dt == 0.25


@pytest.mark.parametrize(("file", "found"), [("m.csv", "ending '.csv'"), ("model", "no ending")])
def test_export_to_what_nobody_reads(file, found):
    answer = CliRunner().invoke(export, ["bass", file])
    assert answer.exit_code == 2 and f"{file} has {found}, expected one of .mdl, .xmile, .stmx, .xml" in answer.output


def test_the_shipped_twin_is_current(tmp_path):
    import importlib.resources

    from jevons.calibration.twin_world import write as write_twin

    number = re.compile(r"-?\d+\.\d+(?:e-?\d+)?")
    kept = importlib.resources.files("jevons.models").joinpath("world.xmile").read_text(encoding="utf-8")
    made = write_twin(tmp_path / "world.xmile").read_text(encoding="utf-8")
    assert number.split(kept) == number.split(made), "run `make twin`"
    np.testing.assert_allclose(*(np.array(number.findall(t), dtype=float) for t in (kept, made)), rtol=1e-8)


# Arrays


def regions(kind_of_flow: str = "even") -> Model:
    """Stocks over two dimensions with flows of their own, a parameter for each element, a sum."""
    names = [f"{region},{age}" for region in ("North Sea", "South") for age in ("young", "old")]
    parts = []
    for i, at in enumerate(names):
        target = f"people[{names[i - 1] if kind_of_flow == 'crossed' else at}]"
        parts += [
            stock(f"people[{at}]", v[f"at start[{at}]"]),
            flow(f"net growth[{at}]", v[f"people[{at}]"] * v[f"rate[{at}]"], target=target),
            parameter(f"at start[{at}]", 1.0 + i),
            parameter(f"rate[{at}]", 0.1 * i - 0.1, "1/yr"),
        ]
    full = ("people", "net growth", "at start", "rate")
    total = auxiliary("everyone", sp.Add(*[v[f"people[{at}]"] for at in names]))
    return Model(
        "regions",
        [*parts, total, auxiliary("half[South]", v.everyone / 2)],
        dimensions={"region": ("North Sea", "South"), "age": ("young", "old")},
        subscripts={**dict.fromkeys(full, ("region", "age")), "half": ("region",)},
    )


@pytest.mark.parametrize("flows", ["even", "crossed"])
@pytest.mark.parametrize("kind", WRITERS)
def test_arrays_are_read_back_as_arrays(kind, flows, tmp_path):
    m = regions(flows)
    path = write(m, tmp_path / f"m.{kind}", dt=1 / 8, end=2.0)
    back = (read_vensim if kind == "mdl" else read_xmile)(path)
    ours = m.run(0, 2, method="Euler", dt=1 / 8, every=1 / 8)
    run, names = back.run(), names_in_file(m, kind)
    assert largest_difference(ours, {name: run[names[name]].to_numpy() for name in ours.names}) < 1e-14
    as_array = "people" in back.subscripts
    assert as_array == (kind == "mdl" or flows == "even") and names["half[South]"] == "half_South"
    if as_array:
        assert back.dimensions == m.dimensions and back.subscripts["people"] == ("region", "age")
        assert names["people[North Sea,old]"] == "people[North Sea,old]"
    for page in lay_out_as_written(m, kind):
        assert overlaps(page) == []


def lay_out_as_written(m: Model, kind: str) -> tuple[Page, ...]:
    made = WRITERS[kind]._Export(expand(m))
    drawn = collapsed(made.expanded, made.arrays)
    pages = lay_out(drawn, made.names)
    keys = {b.key for page in pages for b in page.boxes if b.key}
    assert keys == {variable.key for variable in drawn.variables}
    return pages


def test_pysd_reads_arrays_of_vensim(tmp_path):
    import pysd

    m = regions("crossed")
    path = write(m, tmp_path / "m.mdl", dt=1 / 8, end=2.0)
    frame = pysd.read_vensim(str(path)).run(flatten_output=True)
    ours = m.run(0, 2, method="Euler", dt=1 / 8, every=1 / 8)
    names = names_in_file(m, "mdl")
    assert largest_difference(ours, {name: column(frame, names[name]) for name in ours.names}) < 1e-14


def test_arrays_have_the_structure_that_the_standard_demands(tmp_path):
    root = ET.parse(write(regions(), tmp_path / "m.xmile")).getroot()
    assert [n.attrib["name"] for n in root.iterfind(f"{TAG}dimensions/{TAG}dim")] == ["region", "age"]
    node = root.find(f".//{TAG}variables/{TAG}stock[@name='people']")
    assert [d.attrib["name"] for d in node.iterfind(f"{TAG}dimensions/{TAG}dim")] == ["region", "age"]
    assert [e.attrib["subscript"] for e in node.iterfind(f"{TAG}element")][:2] == ["North Sea,young", "North Sea,old"]
    assert node.findtext(f"{TAG}inflow") == "net_growth" and node.find(f"{TAG}eqn") is None
    assert root.find(f".//{TAG}uses_arrays").attrib == {"max_dimensions": "2"}
    schema = os.environ.get("XMILE_SCHEMA")
    if schema:
        from lxml import etree

        etree.XMLSchema(etree.parse(schema)).assertValid(etree.parse(str(tmp_path / "m.xmile")))
