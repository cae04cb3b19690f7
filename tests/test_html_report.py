"""The report: a page that parses, says where its numbers are from, escapes, and survives whatever is missing."""

import itertools
import math
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tomli_w

from jevons.html.document import SECTIONS, write_report
from jevons.html.drawing import canvas, inline
from jevons.html.inputs import Inputs
from jevons.html.markup import chance, fixed, linked, number, percent

VOID = {"meta", "br", "img", "link", "input", "hr", "col"}
LOADING = {"src", "srcset", "data", "poster", "action", "background"}
EVIL = "<script>alert('x')</script>"


class Page(HTMLParser):
    """Balanced tags, ids, links, and the text of elements."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.external: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.numbers: list[tuple[str, str, str]] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.tags.append((tag, given))
        if tag not in VOID:
            self.open.append(tag)
        if given.get("id"):
            self.ids.append(str(given["id"]))
        for name, x in given.items():
            if name in LOADING and not (tag == "data" or str(x).startswith("data:")):
                self.external.append(f"{tag} {name}={x}")
            if name in ("href", "xlink:href"):
                if str(x).startswith("#"):
                    self.links.append(str(x)[1:])
                elif tag != "a":
                    self.external.append(f"{tag} {name}={x}")
            self.links += re.findall(r"url\(#([^)]+)\)", str(x))
            if name in ("aria-labelledby", "aria-describedby"):
                self.links += str(x).split()

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "data":
            given = self.tags[-1][1]
            self.numbers.append((data, str(given.get("value")), str(given.get("title"))))
        if self.open and self.open[-1] not in ("style", "script"):
            self.words.append(data)


def write_outputs(folder: Path) -> Path:
    """Invented numbers in the form that the project writes."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(1)

    def spread(middle: float, width: float) -> dict[str, float]:
        ends = zip(("p05", "p25", "p75", "p95"), (-1.645, -0.674, 0.674, 1.645), strict=True)
        return {"median": middle, **{k: middle * math.exp(z * width) for k, z in ends}}

    projected = [
        {"scenario": s, "year": y, "variable": v, "unit": "TWh/yr",
         **spread(level * (200 + 9 * max(0, y - 2018) ** 1.8), w)}
        for s, level in (("baseline", 1.0), ("deepseek", 0.97))
        for v, w in (("dc_electricity", 0.1), ("ai_electricity", 0.2))
        for y in range(2010, 2036)
    ]  # fmt: skip
    counterfactual = "engineering run: inference compute as in the base run; prices run freely"
    rebounds = [
        {"shock": s, "factor": 10, "at": 2025.07, "horizon_years": h, "rebound": r + 0.02 * h, "p05": r - 0.5,
         "p95": r + 0.4, "p25": r - 0.2, "p75": r + 0.2, "probability_backfire": 0.1 + 0.01 * h, "undefined_share": 0.0,
         "cumulative": r, "counterfactual": counterfactual}
        for s, r in (("deepseek", 0.81), ("inference", 0.23), ("training", 1.31), ("hardware", -0.07))
        for h in (1, 3, 5, 10)
    ]  # fmt: skip
    stances = ("central", "sceptic", "enthusiast")
    cells = [
        {"shock": s, "horizon_years": h, "stance": stance, "satiation": sat, "power_limit": limit,
         "probability_backfire": round(float(rng.uniform(0.05, 0.9)), 3), "rebound": 0.8, "p05": 0.4, "p95": 1.4,
         "undefined_share": 0.0, "ess": 300.0, "k_hat": 0.3, "reliable": True,
         "log_bayes_factor": float(rng.normal(0, 0.7)), "verdict": "none"}
        for s in ("deepseek", "inference") for h in (5.0, 10.0) for limit in ("as fitted", "lifted")
        for stance, sat in [("as fitted",) * 2, *itertools.product(stances, ("weak", "central", "strong"))]
    ]  # fmt: skip
    for cell in cells:
        if (cell["stance"], cell["satiation"]) == ("enthusiast", "strong"):
            cell |= {"ess": 40.0, "k_hat": 0.9, "reliable": False, "verdict": "not reliable"}
            cell |= dict.fromkeys(("probability_backfire", "rebound", "p05", "p95", "log_bayes_factor"), math.nan)
    evidence = [
        {"shape": shape, "stance": stance, "evidence": e, **spread(m * (1 + 0.05 * k), 0.4), "satiation": "satiation",
         "satiation_median": 0.05, "probability_above_one": 0.4, "ess": 900.0, "k_hat": 0.1, "reliable": True,
         "log_evidence": -3.0}
        for shape in ("power", "hump") for stance, m in (("central", 0.95), ("sceptic", 0.6))
        for k, e in enumerate(("none", "price cuts", "free to paid", "both"))
    ]  # fmt: skip
    alternatives = [
        {"reading": f, "figure": q, **spread(m * (1 + 0.1 * k), 0.15), "undefined_share": 0.0, "draws": 400,
         "in_average": True}
        for k, f in enumerate(("main", "no_bias", "older", "iea", "averaged"))
        for q, m in (("break_year", 2020.5), ("dc_electricity_2030", 1100.0), ("rebound_deepseek_5yr", 0.8))
    ]  # fmt: skip
    shapes = [
        {**{k: x for k, x in row.items() if k not in ("reading", "in_average")}, "shape": shape, "log_evidence": -134.0,
         "posterior_odds": odds, "verdict": told}
        for shape, odds, told in (("power", 1.0, "reference"), ("hump", 1.4, "none")) for row in alternatives[:3]
    ]  # fmt: skip
    tables = {
        "projection": projected,
        "rebound": rebounds,
        "backfire": cells,
        "evidence": evidence,
        "evidence_world": [
            {"evidence": e, "quantity": q, **spread(m, 0.3), "ess": 300.0, "k_hat": 0.2, "reliable": True,
             "log_evidence": -1.0}
            for e in ("none", "both") for q, m in (("total_elasticity", 0.9), ("probability_backfire", 0.3))
        ],
        "families": alternatives,
        "shapes": shapes,
        "exceedance": [
            {"variable": x, "statistic": "annual", "year": y, "reference_year": math.nan, "source": b,
             "published": when, "definition": "d", "note": "", "unit": "TWh/yr", "value": v,
             "above_main": p, "above_averaged": p}
            for x, y, b, when, v, p in (
                ("dc_electricity", 2030, "IEA: Energy and AI, Base Case", "2025-04", 945, 0.83),
                ("dc_electricity", 2030, "IEA: Key Questions (April 2026), Base Case", "2026-04", 950, 0.81),
                ("dc_electricity", 2035, "IEA", "2025-04", 1200, 0.9),
                ("ai_electricity", 2030, "other", "2024-12", 500, 0.9),
            )
        ],
        "unmoved": [
            {"parameter": "satiation", "unit": "1", "prior": "log-normal", "prior_median": 0.05, "prior_sd": 1.0,
             "posterior_median": 0.05, "posterior_sd": 1.0, "p05": 0.01, "p95": 0.25, "sd_ratio": 0.99, "shift": 0.01}
        ],
        "counterfactuals": [{"scenario": "base", "2025": 466.0}, {"scenario": "no_ai", "2025": 380.0}],
        "induced_growth": [
            {"shock": "hardware_price", "factor": 2, "at": 2025.07, "horizon_years": 5, "energy_change_percent": 11.0,
             "p05": 5.0, "p95": 20.0}
        ],
    }  # fmt: skip
    for name, rows in tables.items():
        pd.DataFrame(rows).to_csv(folder / f"{name}.csv", index=False, float_format="%.6g")
    return folder


def write_fits(folder: Path, r_hat: float = 1.002) -> Path:
    """Invented numbers in the form that fit, profile, backtest, checks and ablation write."""
    fit, rng = folder / "world-main", np.random.default_rng(2)
    for name in ("world-main", "profiles", "backtest", "ablation"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    names = ["usage_price_elasticity", "satiation", "growth", "older_family_bias"]
    prior = pd.DataFrame(
        {"name": names, "unit": "1", "value": [0.8, 0.05, 0.2, 0.1], "prior_median": [0.8, 0.05, 0.15, 0.0],
         "prior_sd_log": [0.48, 1.0, 0.25, 0.1], "moved_sd": [0.0, 0.0, 1.1, 1.0],
         "posterior_sd": [0.97, 1.0, 0.3, 0.2],
         "prior": ["LogNormal"] * 3 + ["Normal"], "status": "fitted",
         "source": ["TRAI, doi 10.1000/xyz", "arXiv 2301.00001", "github.com/a/b", EVIL]}
    )  # fmt: skip
    prior.to_csv(fit / "parameters.csv", index=False)
    draws = pd.DataFrame(
        {"chain": 0, names[0]: 0.8 * np.exp(0.48 * rng.normal(size=400)), names[1]: 0.05 * np.exp(rng.normal(size=400)),
         names[2]: 0.2 * np.exp(0.05 * rng.normal(size=400)), names[3]: 0.1 + 0.02 * rng.normal(size=400)}
    )  # fmt: skip
    (fit / "posterior.csv").write_text(
        '# format = 1\n# model = "world"\n' + draws.to_csv(index=False), encoding="utf-8"
    )
    covariance = np.diag([0.95, 0.99, 0.09, 0.04])
    covariance[2, 3] = covariance[3, 2] = 0.0575
    pd.DataFrame(covariance, index=names, columns=names).to_csv(fit / "covariance.csv")
    pd.DataFrame(
        {"quantity": names, "mean": 0.0, "sd": 1.0, "r_hat": r_hat, "ess_bulk": 900.0, "ess_tail": 800.0}
    ).to_csv(fit / "convergence.csv", index=False)
    pd.DataFrame({"series": ["dc_electricity"], "variable": ["dc_electricity"]}).to_csv(fit / "rows.csv", index=False)
    rows = pd.DataFrame(
        {"series": [EVIL, "dc_electricity", "dc_electricity"], "statistic": "annual", "date": [2020, 2021, 2022],
         "observed": [1.0, 250.0, 270.0], "median": [1.1, 240.0, 280.0], "z": [0.3, -0.5, 0.4],
         "inside_50": [True, True, False], "inside_90": [True, True, True]}
    )  # fmt: skip
    rows.to_csv(fit / "checks-rows.csv", index=False)
    pd.DataFrame(
        {"series": ["dc_electricity"], "n": [2], "bias": [0.1], "variance": [0.2], "covariance": [0.7]}
    ).to_csv(fit / "checks-theil.csv", index=False)
    lag = {"series": ["dc_electricity"], "n": [5], "lag": [1], "autocorrelation": [0.7], "bound": [0.6]}
    pd.DataFrame(lag).to_csv(fit / "checks-autocorrelation.csv", index=False)
    made = {"method": "randomize-then-optimize", "converged": True, "k_hat": 0.1}
    meta = {"rows": 65, "free_parameters": 4, "effective_parameters": 2.2, "chi2_data": 44.0, "chi2_prior": 3.0}
    meta |= {"reduced_chi2": 0.98, "largest_z": 1.9, "starts": 24, "share_of_starts_at_best": 1.0, "draws": 400}
    meta |= {"model_hash": "abc", "seed": 1, "posterior": made}
    (fit / "fit.toml").write_text(tomli_w.dumps(meta), encoding="utf-8")
    x = np.array([0.3, 0.6, 0.8, 1.2, 1.9])
    profile = pd.DataFrame(
        {"parameter": names[0], "value": x, "chi2_data": 44 + 0.3 * x, "chi2_prior": 3 + (x - 0.8) ** 2}
    )
    profile.assign(chi2=profile["chi2_data"] + profile["chi2_prior"], converged=True).to_csv(
        folder / "profiles" / "profiles.csv", index=False
    )
    ends = {"parameter": names[:1], "best": [0.8], "low": [0.4], "high": [1.6], "status": ["closed"]}
    pd.DataFrame(ends).to_csv(folder / "profiles" / "intervals.csv", index=False)
    origins = ("2021-12", "2022-12", "2023-12")
    pd.DataFrame(
        [
            {"origin": o, "predictor": p, "rows": 3, "rms_log_error": 0.3 if (o, p) == ("2023-12", "model") else e}
            for o in origins
            for p, e in (("model", 0.1), ("flat", 0.4), ("last growth (12.7 %/yr)", 0.15), ("IEA 2021, to 2030", 0.01))
        ]
    ).to_csv(folder / "backtest" / "predictors-main.csv", index=False)  # fmt: skip
    pd.DataFrame(
        [
            {"origin": o, "series": "dc_electricity", "statistic": "annual", "date": 2025, "observed": 485.0,
             "median": m, "p05": 0.8 * m, "p25": 0.9 * m, "p75": 1.1 * m, "p95": 1.2 * m}
            for o, m in zip(origins, (300.0, 390.0, 480.0), strict=True)
        ]
    ).to_csv(folder / "backtest" / "rows-main.csv", index=False)  # fmt: skip
    pd.DataFrame({"origin": origins, "held_out": 50, "coverage_90": [0.8, 0.9, 0.95]}).to_csv(
        folder / "backtest" / "summary-main.csv", index=False
    )
    pd.DataFrame(
        {"cut": ["none", "R2", "R1", "B9"], "what": ["whole", "learning", "Jevons", "absent"], "how": "",
         "status": ["fitted", "refitted", "refitted", "not in the model"],
         "d_data": [0.0, 9.0, 0.4, math.nan], "d_prior": [0.0, 1.0, 0.1, math.nan],
         "d_data_held": [0.0, 9.0, 5.0, math.nan],
         "R_deepseek": [0.8, 0.7, 0.4, math.nan], "R_deepseek_held": [0.8, 0.6, 0.5, math.nan]}
    ).to_csv(folder / "ablation" / "ablation.csv", index=False)  # fmt: skip
    return folder


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("report")
    return write_outputs(folder / "out"), write_fits(folder / "fits")


@pytest.fixture(scope="module")
def text(folders: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> str:
    out = tmp_path_factory.mktemp("page") / "report.html"
    assert write_report(out, source=folders[0], fits=folders[1]) == out
    return out.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def page(text: str) -> Page:
    return Page(text)


def test_is_well_formed(page: Page) -> None:
    assert page.open == []
    assert len(page.ids) == len(set(page.ids))
    assert set(page.links) <= set(page.ids)
    assert {ident for ident, _, _ in SECTIONS} <= set(page.ids)


def test_loads_nothing_from_elsewhere(page: Page, text: str) -> None:
    assert page.external == []
    assert not {"script", "link", "iframe", "object", "embed"} & {tag for tag, _ in page.tags}
    assert "@import" not in text
    assert not re.search(r"url\(\s*['\"]?(?!#)", text)


def test_headings_tables_and_figures_can_be_read_aloud(page: Page) -> None:
    levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch(r"h\d", tag)]
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(b - a <= 1 for a, b in itertools.pairwise(levels))
    tags = [tag for tag, _ in page.tags]
    assert tags.count("caption") == tags.count("table") > 10
    assert all(given.get("scope") in ("row", "col") for tag, given in page.tags if tag == "th")
    drawings = [given for tag, given in page.tags if tag == "svg"]
    assert len(drawings) > 8
    assert all(given.get("role") == "img" and given.get("aria-labelledby") in page.ids for given in drawings)
    assert tags.count("figcaption") == tags.count("figure")
    assert "__ALT__" not in "".join(page.words)


def test_same_inputs_give_the_same_bytes(folders: tuple[Path, Path], tmp_path: Path, text: str) -> None:
    moved = shutil.copytree(folders[0], tmp_path / "elsewhere")
    path = write_report(tmp_path / "again", source=moved, fits=folders[1])
    assert path == tmp_path / "again" / "report.html"
    assert path.read_text(encoding="utf-8") == text


def test_escapes_what_tables_say(text: str, folders: tuple[Path, Path], tmp_path: Path) -> None:
    assert EVIL not in text and "&lt;script&gt;" in text
    source = shutil.copytree(folders[0], tmp_path / "out")
    for name in ("projection", "rebound", "backfire", "evidence", "families", "exceedance", "unmoved", "shapes"):
        frame = pd.read_csv(source / f"{name}.csv")
        for column in frame.select_dtypes(include=["object", "str"]):
            if column not in ("variable", "scenario", "statistic", "figure"):
                frame[column] = frame[column].astype(str) + f'{EVIL}" onload="x" $&amp;$'
        frame.to_csv(source / f"{name}.csv", index=False)
    evil = write_report(tmp_path / "evil.html", source=source, fits=folders[1]).read_text(encoding="utf-8")
    found = Page(evil)
    assert "script" not in {tag for tag, _ in found.tags}
    assert not any(name.startswith("on") for _, given in found.tags for name in given)
    assert found.open == [] and len(found.ids) == len(set(found.ids)) and set(found.links) <= set(found.ids)


def test_says_what_is_missing_and_what_makes_it(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "fits").mkdir()
    text = write_report(tmp_path / "empty.html", source=tmp_path / "out", fits=tmp_path / "fits").read_text("utf-8")
    found = Page(text)
    assert found.open == [] and set(found.links) <= set(found.ids)
    for name in ("backfire.csv", "projection.csv", "families.csv", "world-main/posterior.csv", "ablation/ablation.csv"):
        assert f"<code>{name}</code> is not there" in text
    for command in (
        "jevons project",
        "jevons backtest world",
        "python calibration/ablation_world.py",
        "checks_world.py main",
    ):
        assert command in text


@pytest.mark.parametrize("content", [b"", b"a,b\n", b"a,b\n1,2\n", b"\xff\xfe\x00", b'a,b\n"1,2\n'])
def test_survives_broken_tables(content: bytes, folders: tuple[Path, Path], tmp_path: Path) -> None:
    source, fits = shutil.copytree(folders[0], tmp_path / "out"), shutil.copytree(folders[1], tmp_path / "fits")
    for path in [*source.glob("*.csv"), *fits.glob("*/*.csv"), *fits.glob("*/fit.toml")]:
        path.write_bytes(content)
    found = Page(write_report(tmp_path / "broken.html", source=source, fits=fits).read_text("utf-8"))
    assert found.open == []


@pytest.mark.parametrize(
    "name", ["backfire", "rebound", "projection", "exceedance", "families", "evidence", "counterfactuals"]
)
def test_survives_tables_without_numbers(name: str, folders: tuple[Path, Path], tmp_path: Path) -> None:
    source = shutil.copytree(folders[0], tmp_path / "out")
    frame = pd.read_csv(source / f"{name}.csv")
    keep = {"horizon_years", "year", "satiation"}
    for column in frame.select_dtypes("number"):
        if column not in keep:
            frame[column] = math.nan
    frame.to_csv(source / f"{name}.csv", index=False)
    found = Page(write_report(tmp_path / "blank.html", source=source, fits=folders[1]).read_text("utf-8"))
    assert found.open == []


def test_numbers_of_the_answer_are_those_of_the_tables(page: Page, folders: tuple[Path, Path]) -> None:
    told = {(shown, float(x), table) for shown, x, table in page.numbers}
    cells = pd.read_csv(folders[0] / "backfire.csv")
    cells = cells[(cells["shock"] == "deepseek") & (cells["horizon_years"] == 5) & (cells["stance"] != "as fitted")]
    cells = cells[cells["reliable"]]
    for likely in (cells["probability_backfire"].min(), cells["probability_backfire"].max()):
        assert (percent(likely), likely, "backfire.csv") in told
    assert (str(len(cells)), float(len(cells)), "backfire.csv") in told
    rebound = pd.read_csv(folders[0] / "rebound.csv").set_index(["shock", "horizon_years"])
    for column in ("rebound", "p05", "p95"):
        x = float(rebound.at[("deepseek", 5), column])
        assert (fixed(x), pytest.approx(x), "rebound.csv") in [(s, v, t) for s, v, t in told if s == fixed(x)]
    projection = pd.read_csv(folders[0] / "projection.csv")
    row = projection[(projection["scenario"] == "baseline") & (projection["year"] == 2030)].iloc[0]
    assert row["variable"] == "dc_electricity"
    assert (number(row["median"]), float(f"{row['median']:.6g}"), "projection.csv") in told


def test_every_number_in_prose_names_its_table(page: Page) -> None:
    assert len(page.numbers) > 50
    assert all(re.search(r"\.(csv|toml)$", table) for _, _, table in page.numbers)


def test_backtests_name_their_failures(text: str) -> None:
    assert "2023-12 (last growth (12.7 %/yr))" in text
    assert "2021-12 (" not in text


def test_names_the_loop_that_matters_and_the_loop_that_data_do_not_need(text: str) -> None:
    assert "moves R most is R1 (Jevons)" in text
    assert "<strong>R1 (Jevons)</strong>" in text and "<strong>R2" not in text


def test_warns_when_draws_have_not_converged(folders: tuple[Path, Path], tmp_path: Path, text: str) -> None:
    assert "Read with care" not in text
    fits = write_fits(tmp_path / "fits", r_hat=1.4)
    warned = write_report(tmp_path / "a.html", source=folders[0], fits=fits).read_text("utf-8")
    assert warned.index("Read with care") < warned.index('id="answer"')
    assert "1.400" in warned


def test_says_which_parameters_keep_their_prior(text: str) -> None:
    section = text[text.index('<section id="unmoved"') : text.index('<section id="experiments"')]
    named = re.search(r"Posterior bands of ([a-z_, ]+) beside", section)
    assert named and set(named[1].split(", ")) == {"satiation", "usage_price_elasticity"}
    assert "Energy data hardly move it: the posterior is the prior." in text


def test_reports_pairs_that_cannot_be_told_apart(text: str) -> None:
    assert "growth with older_family_bias, r = +0.96" in text


def test_unreliable_cells_have_no_number(text: str) -> None:
    assert text.count("not quoted<br><small>40 effective draws, k̂ = 0.90") == 8


def test_a_page_is_light(text: str) -> None:
    assert len(text.encode()) < 5_000_000


@pytest.mark.parametrize(
    ("x", "shown"),
    [
        (0, "0"),
        (1234.5, "1,234"),
        (0.051, "0.0510"),
        (-3.14159, "−3.14"),
        (math.nan, "–"),
        (1e-9, "1.00e−9"),
        (485, "485"),
        (2.0, "2"),
    ],
)
def test_numbers_have_three_digits(x: float, shown: str) -> None:
    assert number(x) == shown


def test_percentages_do_not_claim_certainty() -> None:
    assert chance(0.0) == "<1\u00a0%" and chance(1.0) == ">99\u00a0%" and chance(0.5) == percent(0.5)
    assert percent(0.001) == "<1\u00a0%" and percent(0.999) == ">99\u00a0%" and percent(0.0) == "0\u00a0%"


def test_addresses_become_links_and_nothing_else_does() -> None:
    shown = linked("see https://a.org/x?y=1&z=<b>, doi 10.1000/ab.c, arXiv 2301.00001, github.com/a/b; javascript:x")
    assert shown.count("<a ") == 4
    assert 'href="https://doi.org/10.1000/ab.c"' in shown and 'href="https://arxiv.org/abs/2301.00001"' in shown
    assert "&lt;b&gt;" in shown


def test_large_drawings_become_pictures() -> None:
    with canvas(2) as (figure, (ax,)):
        ax.plot([0, 1], [0, 1])
        small, large = inline(figure, "a"), inline(figure, "b", largest=100)
    assert small.startswith("<svg") and large.startswith('<img alt="__ALT__" src="data:image/png;base64,')


def test_fits_that_have_not_converged_are_named(tmp_path):
    for name, said in (
        ("world-main", "true"),
        ("world-iea", "false"),
        ("world_hump-main", "false"),
        ("us-main", "false"),
    ):
        (tmp_path / name).mkdir()
        text = f"[posterior]\nconverged = {said}\nlargest_r_hat = 1.03\n"
        (tmp_path / name / "fit.toml").write_text(text, encoding="utf-8")
    found = Inputs(tmp_path, tmp_path, "world", "main").unconverged()
    assert found == {"world-iea": 1.03, "world_hump-main": 1.03}
