"""Names with subscripts: runs as arrays over named dimensions."""

from __future__ import annotations

import pickle
import re

import numpy as np
import pytest
from small import auxiliary, decay, stock

from jevons import Model
from jevons.errors import JevonsError, ModelError
from jevons.functions import TIME
from jevons.run_settings import RunSettings
from jevons.trajectory import Trajectory

DIMENSIONS = {"Region": ("North", "South", "East"), "Age": ("Young", "Old"), "Ports": ("North", "South")}
SUBSCRIPTS = {"People": ("Region", "Age"), "Ships": ("Ports",), "Distance": ("Region", "Region"), "Unused": ("Age",)}


def worth(*labels):
    """A number of its own for each combination of labels."""
    return float(sum(ord(c) * 31**i for i, c in enumerate("".join(labels))) % 997)


def model(leave_out=(), dimensions=None, subscripts=None):
    elements = [auxiliary("plain", TIME, "yr")]
    for base, over in SUBSCRIPTS.items():
        if base == "Unused":
            continue
        combinations = [()]
        for dimension in over:
            combinations = [(*c, label) for c in combinations for label in DIMENSIONS[dimension]]
        for labels in reversed(combinations):
            name = f"{base}[{','.join(labels)}]"
            if name not in leave_out:
                elements.append(auxiliary(name, worth(base, *labels) + TIME, "ships" if base == "Ships" else ""))
    return Model(
        "arrays",
        elements,
        check_units=False,
        settings=RunSettings(2.0, 0.5, 1.0),
        dimensions=DIMENSIONS if dimensions is None else dimensions,
        subscripts=SUBSCRIPTS if subscripts is None else subscripts,
    )


def test_an_array_has_every_element_at_its_labels():
    run = model().run()
    people = run.array("People")
    assert people.dims == ("time", "Region", "Age")
    assert people.coords["Region"].values.tolist() == ["North", "South", "East"]
    for region in DIMENSIONS["Region"]:
        for age in DIMENSIONS["Age"]:
            found = people.sel(Region=region, Age=age).values
            assert found.tolist() == [worth("People", region, age) + t for t in (0.0, 1.0, 2.0)]
            assert found.tolist() == run[f"People[{region},{age}]"].tolist()
    assert people.coords["time"].values.tolist() == [0.0, 1.0, 2.0]
    assert people.name == "People"
    assert run.array("Ships").attrs["units"] == "ships"


def test_a_plain_variable_is_an_array_over_dates():
    plain = model().run().array("plain")
    assert plain.dims == ("time",)
    assert plain.values.tolist() == [0.0, 1.0, 2.0]
    assert plain.attrs["units"] == "yr"


def test_a_dimension_that_an_array_has_twice_is_numbered():
    distance = model().run().array("Distance")
    assert distance.dims == ("time", "Region", "Region 2")
    there, back = (
        distance.sel({"Region": a, "Region 2": b}).values[0] for a, b in (("North", "East"), ("East", "North"))
    )
    assert (there, back) == (worth("Distance", "North", "East"), worth("Distance", "East", "North"))
    assert there != back


def test_combinations_that_are_missing_are_nan():
    people = model(leave_out=["People[South,Old]"]).run().array("People")
    missing = np.isnan(people.values)
    assert missing.sum() == 3
    assert missing[:, 1, 1].all()


def test_a_dataset_holds_each_array_once():
    run = model().run()
    data = run.to_xarray()
    assert set(data.data_vars) == {"plain", "People", "Ships", "Distance"}
    for name in data.data_vars:
        assert np.array_equal(data[name].values, run.array(name).values)
    assert data["Ships"].dims == ("time", "Ports")
    assert data.sizes == {"time": 3, "Region": 3, "Age": 2, "Ports": 2, "Region 2": 3}
    assert data["time"].attrs["units"] == "yr"
    assert "finished" in data.attrs["status"]


def test_a_dimension_called_as_a_variable_gets_another_name():
    elements = [auxiliary("Size", TIME, "yr"), auxiliary("Weight[Small]", TIME), auxiliary("Weight[Large]", 2 * TIME)]
    run = Model(
        "m", elements, check_units=False, dimensions={"Size": ["Small", "Large"]}, subscripts={"Weight": ["Size"]}
    ).run(0, 1, every=1.0)
    data = run.to_xarray()
    assert data["Weight"].dims == ("time", "Size (dimension)")
    assert data["Size"].values.tolist() == [0.0, 1.0]
    assert data["Weight"].values.tolist() == [[0.0, 0.0], [1.0, 2.0]]


def test_names_with_brackets_that_are_no_arrays_stay_columns():
    run = model(subscripts={"People": ("Region", "Age")}).run()
    assert {"Ships[North]", "People"} < set(run.to_xarray().data_vars)


def test_an_array_asked_for_as_a_series():
    run = model().run()
    message = "'People' is an array of 6: use run.array('People'), or a full name such as 'People[East,Old]'"
    with pytest.raises(JevonsError, match=re.escape(message)):
        run["People"]
    with pytest.raises(JevonsError, match=re.escape("use run.array('Ships')")):
        run.at("Ships", 1.0)
    with pytest.raises(JevonsError, match="'Peeple' is not in this trajectory; did you mean 'People'"):
        run.array("Peeple")


def test_csv_keeps_the_dimensions(tmp_path):
    run = model(leave_out=["People[South,Old]"]).run()
    again = Trajectory.read_csv(run.to_csv(tmp_path / "run.csv"))
    assert again == run
    assert again.to_xarray().identical(run.to_xarray())
    assert run != Trajectory(run.times, run.values, run.names, run.units, run.status, run.model, run.time_unit)


def test_a_file_without_dimensions_is_written_as_before(tmp_path):
    head = decay().run(0, 1).to_csv(tmp_path / "run.csv").read_text().splitlines()[0]
    assert "dimensions" not in head and "subscripts" not in head


def test_a_model_keeps_its_dimensions():
    made = model()
    for kept in (pickle.loads(pickle.dumps(made)), made.with_elements([stock("more", 0.0)])):
        assert dict(kept.dimensions) == DIMENSIONS
        assert dict(kept.subscripts) == SUBSCRIPTS
    assert pickle.loads(pickle.dumps(made)).hash == made.hash
    assert made.hash != model(subscripts={}).hash
    assert made.run(method="RK45").array("People").dims == ("time", "Region", "Age")


@pytest.mark.parametrize(
    ("dimensions", "subscripts", "message"),
    [
        ({"Age": ("Old", "Old")}, {}, "dimension 'Age': element 'Old' more than once"),
        (DIMENSIONS, {"People": ("Regio", "Age")}, "'People': dimension 'Regio' is not defined; did you mean 'Region'"),
        (DIMENSIONS, {"Ships": ("Ports", "Age")}, r"'Ships\[South\]': 1 subscripts, expected 2, of Ports, Age"),
        (DIMENSIONS, {"Ships": ("Age",)}, r"'Ships\[North\]': 'North' is not an element of dimension 'Age'"),
    ],
)
def test_dimensions_that_contradict_the_elements(dimensions, subscripts, message):
    with pytest.raises(ModelError, match=message):
        model(dimensions=dimensions, subscripts=subscripts)
