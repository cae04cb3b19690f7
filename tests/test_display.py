"""A model as text, LaTeX, diagram and table of sources."""

from __future__ import annotations

import re

import pytest
import sympy as sp
from jevons.models import world

from jevons import display
from jevons.elements import (
    Auxiliary,
    Driver,
    Flow,
    InitialUnknown,
    LogNormal,
    Parameter,
    Range,
    Roles,
    Sector,
    Stock,
    Table,
)
from jevons.functions import Names, lookup, smooth_positive
from jevons.model import Model

v = Names()
ODD = [
    'a "q"',
    "x]y",
    "end",
    "50% & <b>",
    "η_0",
    "a\\b^c~{d}",
    "- dash",
    "#1;",
    "$x$",
    "`tick`'",
    "subgraph",
    "a\nb",
]


def parameter(name: str, value: float, unit: str, **options: object) -> Parameter:
    return Parameter(
        name, unit, value=value, doc=f"About {name}.", **{"source": "test", "status": "measured", **options}
    )


def predator_prey() -> Model:
    animals = Sector(
        "animals",
        [
            Stock("prey", "1", initial=v.first_prey, doc="Prey."),
            Stock("predators", "1", initial=v.prey / 10, log=True, doc="Predators."),
            Flow("births", "1/yr", equation=v.prey * v.birth_rate, target="prey", doc="Births."),
            Flow("eaten", "1/yr", equation=v.appetite * v.predators, source="prey", target="predators", doc="Food."),
            Flow("deaths", "1/yr", equation=v.predators / v.life, source="predators", doc="Deaths."),
            Auxiliary("appetite", "1/yr", equation=v.encounters * v.prey * v.season, doc="Prey per predator."),
            Stock("energy_used", "1", initial=0, doc="Role."),
        ],
    )
    evidence = Sector(
        "evidence",
        [
            parameter("first_prey", 10.0, "1"),
            parameter("birth_rate", 0.5, "1/yr", status="fitted", prior=LogNormal(0.5, 0.2)),
            parameter("encounters", 1e-3, "1/yr", status="assumed", prior=Range(0, 1)),
            parameter("life", 2.0, "yr"),
            Driver(
                "season",
                "1",
                x_unit="yr",
                points=((0, 1), (9, 2)),
                outside="clamp",
                source="s",
                status="measured",
                doc="D.",
            ),
            Table(
                "shape",
                "1",
                x_unit="1",
                points=((0, 1), (1, 0.5)),
                outside="extrapolate",
                source="s",
                status="assumed",
                doc="T.",
            ),
        ],
    )
    roles = Roles("appetite", "energy_used", {"use": "life"}, {"appetite": "life"}, {"price": "birth_rate"})
    return Model("predator prey", animals, evidence, roles=roles, doc="After Lotka.")


def odd_model() -> Model:
    stocks = [Stock(name, "m**3", initial=v.w, doc="d") for name in ODD]
    flows = [
        Flow(
            f"f {name}",
            "m**3/yr",
            equation=(sp.Piecewise((v[name], v[name] < v.w), (v.w, True)) - smooth_positive(v[name], v.w)) / v.tau,
            target=name,
            doc="d",
        )
        for name in ODD
    ]
    return Model(
        "odd", Sector("odd <sector>", [*stocks, *flows]), [parameter("w", 1.0, "m**3"), parameter("tau", 1.0, "yr")]
    )


def test_equations_of_a_small_model_in_full():
    assert (
        display.equations(predator_prey())
        == """\
predator prey: 3 stocks, 3 flows, 1 auxiliaries, 1 drivers, 1 tables, 4 parameters; starts at 0 yr
After Lotka.

── animals ──
Stocks
  prey         [1]  d/dt prey = births − eaten
                    prey(0) = first_prey
  predators    [1]  d/dt predators = eaten − deaths (as logarithm)
                    predators(0) = prey/10
  energy_used  [1]  d/dt energy_used = 0
                    energy_used(0) = 0
Flows
  births  [1/yr]  outside → prey       = birth_rate*prey
  eaten   [1/yr]  prey → predators     = appetite*predators
  deaths  [1/yr]  predators → outside  = predators/life
Auxiliaries
  appetite  [1/yr]  = encounters*prey*season

── evidence ──
Drivers
  season  [1]  of time [yr]  measured  0: 1, 9: 2 (clamp)
Tables
  shape  [1]  of [1]  assumed  0: 1, 1: 0.5 (extrapolate)
Parameters
  first_prey  [1]     = 10     measured
  birth_rate  [1/yr]  = 0.5    fitted
  encounters  [1/yr]  = 0.001  assumed
  life        [yr]    = 2      measured

── roles ──
  energy                    appetite
  cumulative energy         energy_used
  efficiency: use           life
  service                   appetite / life
  price performance: price  birth_rate
"""
    )


def test_a_model_prints_its_equations():
    model = predator_prey()
    assert repr(model) == model.equations() == display.equations(model)
    assert model.diagram() == display.mermaid(model)
    assert model._repr_latex_() == display.latex(model)


def test_conditions_unknowns_and_functions_read_as_text():
    model = Model(
        "m",
        [
            Stock("x", "1", initial=v.root, doc="d"),
            Flow("f", "1/yr", equation=-v.g / v.tau, source="x", doc="d"),
            Auxiliary("g", "1", equation=sp.Piecewise((v.x, v.x < 1), (lookup("table", v.x), True)), doc="d"),
            Table(
                "table",
                "1",
                x_unit="1",
                points=((0, 1), (1, 0.5)),
                outside="clamp",
                source="s",
                status="measured",
                doc="d",
            ),
            InitialUnknown("root", "1", equation=0.3 * sp.sqrt(v.root), guess=2.0, doc="d"),
            parameter("tau", 1.0, "yr"),
        ],
    )
    text = display.equations(model)
    assert "d/dt x = − f" in text
    assert "= (x if x < 1 else lookup(table, x))" in text
    assert "= 0.3*sqrt(root), from 2" in text
    assert r"\mathrm{root} &= 0.3 \cdot \sqrt{\mathrm{root}} && [\mathrm{1}]" in display.latex(model)


def test_latex_of_a_small_model():
    lines = display.latex(predator_prey()).splitlines()
    assert lines[0] == r"$$\begin{aligned}" and lines[-1] == r"\end{aligned}$$"
    expected = r"\frac{d}{dt}\,\mathrm{prey} &= \mathrm{births} - \mathrm{eaten} && [\mathrm{1/yr}] \\"
    assert lines[1] == expected
    assert r"\mathrm{prey}(0) &= \mathrm{first\_prey} && [\mathrm{1}] \\" in lines


@pytest.mark.parametrize("build", [predator_prey, odd_model, world.build])
def test_latex_is_well_formed(build):
    text = display.latex(build())
    bare = re.sub(r"\\[\\{}$#%&_ ]", "", text)
    depth = 0
    for character in bare:
        depth += {"{": 1, "}": -1}.get(character, 0)
        assert depth >= 0
    assert depth == 0
    assert text.count(r"\left") == text.count(r"\right")
    assert not re.search(r"[#%]", bare)
    for block in text.split("\n\n"):
        assert block.startswith("$$\\begin{aligned}\n") and block.endswith("\n\\end{aligned}$$")
        rows = re.sub(r"\\begin{cases}.*?\\end{cases}", "", block).splitlines()[1:-1]
        assert len(rows) <= display.LATEX_LINES
        assert all(len(re.findall(r"(?<!\\)&", row)) == 3 for row in rows)


@pytest.mark.parametrize(
    ("unit", "expected"),
    [
        ("m**3/yr", "m^{3}/yr"),
        ("kUSD/H100e", "kUSD/H100e"),
        ("m^-1", "m^{-1}"),
        ("W*hour", r"W\cdot hour"),
        ("1/%", r"1/\%"),
    ],
)
def test_units_in_latex(unit, expected):
    assert display._latex_unit(unit) == f"[\\mathrm{{{expected}}}]"


def test_diagram_shows_each_stock_and_flow_once():
    text = display.mermaid(predator_prey())
    for name in ("prey", "predators"):
        assert text.count(f'["{name}"]') == 1
    for name in ("births", "eaten", "deaths"):
        assert text.count(f'{{{{"{name}"}}}}') == 1
    assert text.count("☁") == 2
    assert text.count("==>") == 6
    assert "appetite" not in text and "-.->" not in text
    assert 'subgraph s0["animals"]' in text and "evidence" not in text


def test_diagram_with_information():
    model = predator_prey()
    text = display.mermaid(model, information=True)
    ids = {label: node for node, label in re.findall(r'(n\d+)\W+"([^"]*)"', text)}
    informed = {(a, b) for a, b in re.findall(r"(n\d+) -\.-> (n\d+)", text)}
    pairs = [("prey", "births"), ("appetite", "eaten"), ("predators", "eaten"), ("predators", "deaths")]
    pairs += [("prey", "appetite"), ("season", "appetite")]
    assert informed == {(ids[a], ids[b]) for a, b in pairs}


def test_any_name_is_safe_in_a_diagram():
    text = display.mermaid(odd_model(), information=True)
    labels = re.findall(r'"([^"\n]*)"', text)
    assert all(re.fullmatch(r"(?:[\w .,:/()+☁-]|#\d+;)*", label) for label in labels)
    decoded = [re.sub(r"#(\d+);", lambda m: chr(int(m[1])), label) for label in labels]
    for name in ODD:
        assert decoded.count(" ".join(name.split())) == 1
    outside = re.sub(r'"[^"\n]*"', "", text)
    allowed = r"flowchart LR|\s*subgraph s\d+\[\]|\s*end|\s*n\d+(_from|_to)?[\[({☁})\]]+|\s*n\S+ (==>|-\.->) n\S+"
    assert all(re.fullmatch(allowed, line) for line in outside.splitlines())


def test_sources_list_each_parameter_and_table():
    model = predator_prey()
    table = model.sources()
    assert list(table.columns) == ["name", "kind", "value", "unit", "prior", "status", "source", "documentation"]
    assert list(table["name"]) == [*model.parameters, "season", "shape"]
    row = table.set_index("name").loc["birth_rate"]
    assert (row["kind"], row["value"], row["unit"], row["status"]) == ("parameter", 0.5, "1/yr", "fitted")
    assert row["prior"] == str(LogNormal(0.5, 0.2)) and row["documentation"] == "About birth_rate."
    assert table.set_index("name").loc["season", "kind"] == "driver"
    assert table.set_index("name")["value"].isna().sum() == 2


def test_the_world_can_be_shown():
    model = world.build()
    text = display.equations(model)
    assert all(f"  {name} " in text for name in model.elements)
    assert "cumulative energy" in text
    assert len(display.sources(model)) == len(model.parameters)
