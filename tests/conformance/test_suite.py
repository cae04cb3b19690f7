"""Models of the public suite fare as recorded; needs `SD_TEST_MODELS`."""

from __future__ import annotations

import pytest

from .cases import Case, find_cases, suite_folder
from .expected import read_expected
from .judge import judge, run_ours

_FOLDER = suite_folder()
_CASES = find_cases(_FOLDER) if _FOLDER is not None else []


@pytest.mark.public_suite
@pytest.mark.parametrize("case", _CASES, ids=lambda case: case.name)
@pytest.mark.filterwarnings("ignore")
def test_the_model_fares_as_recorded(case: Case):
    expected = read_expected()
    assert case.name in expected, "not recorded: python -m tests.conformance --expect"
    row = judge(case, run_ours(case), None)
    assert row.ours == expected[case.name], row.ours_reason


@pytest.mark.public_suite
def test_every_recorded_model_is_there():
    assert set(read_expected()) == {case.name for case in _CASES}
