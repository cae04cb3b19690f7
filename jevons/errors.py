"""Exceptions of the package.

::

    JevonsError
    ├── ModelError          a model that contradicts itself; lists every mistake found
    │   └── UnitError       all of the mistakes are units that do not match
    ├── IntegrationError    a run that did not finish; carries the status
    ├── HistoryError        observations that cannot be read as they stand
    ├── CalibrationError    a calibration that contradicts itself
    │   └── FitError        a fit none of whose starts converged
    ├── ScenarioError       a scenario that names or asks for what the model lacks
    ├── EnsembleError       an ensemble that cannot run, or go on, as it is asked to
    ├── ImportRefused       a model file of which something cannot be translated
    └── DomainError         a formula asked for what it does not hold for
        ├── DerivationError     a derivation of which a step does not hold
        └── DecompositionError  factors that cannot be decomposed
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from typing import Any


class JevonsError(Exception):
    """Root of all errors raised on purpose by this package."""


class ListedError(JevonsError):
    """An error that reports every mistake found, one bullet a mistake."""

    def __init__(self, subject: str, mistakes: Sequence[str]) -> None:
        self.subject = subject
        self.mistakes = tuple(mistakes)
        count = len(self.mistakes)
        head = f"{subject}: {count} mistake{'' if count == 1 else 's'}"
        super().__init__("\n".join([head, *(f"  - {m}" for m in self.mistakes)]))

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.subject, self.mistakes)


class ModelError(ListedError):
    """A model that contradicts itself."""


class UnitError(ModelError):
    """A model whose only mistakes are units that do not match."""


class HistoryError(ListedError):
    """Observations that cannot be read as they stand."""


class CalibrationError(ListedError):
    """A calibration that contradicts itself, or a shipped fit that cannot be read."""


class FitError(CalibrationError):
    """A fit none of whose starts converged; says how each ended."""


class ScenarioError(ListedError):
    """A scenario that names or asks for what the model does not have."""


class EnsembleError(ListedError):
    """An ensemble that cannot run, or go on from what is stored, as it is asked to."""


class ImportRefused(ListedError):
    """A model file of which something cannot be translated: every variable with line and reason."""


class DomainError(ListedError):
    """A formula asked for what it does not hold for."""


class DerivationError(DomainError):
    """A derivation of which a step, or the result, does not hold."""


class DecompositionError(DomainError):
    """Factors that cannot be decomposed."""


class IntegrationError(JevonsError):
    """A run that did not finish.

    Attributes
    ----------
    status : jevons.trajectory.RunStatus
        What stopped the run, where, and what to do about it.
    """

    def __init__(self, status: Any) -> None:
        self.status = status
        super().__init__(str(status))

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.status,)


def nearest(name: str, valid: Iterable[str]) -> str:
    """A hint for a misspelt name: ``"; did you mean 'x'?"`` or an empty string."""
    options = sorted({str(v) for v in valid})
    matches = difflib.get_close_matches(name, options, n=1, cutoff=0.5)
    if matches:
        return f"; did you mean {matches[0]!r}?"
    lowered = {option.lower(): option for option in options}
    if name.lower() in lowered:
        return f"; did you mean {lowered[name.lower()]!r}?"
    return ""
