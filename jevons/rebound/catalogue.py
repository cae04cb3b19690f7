"""All closed forms of the package, by name."""

from __future__ import annotations

from jevons.errors import JevonsError, nearest
from jevons.rebound import cost, definitions, demand, effects, emissions, growth, production, supply, training
from jevons.rebound.closed_form import ClosedForm

_MODULES = (definitions, cost, supply, demand, training, production, growth, emissions, effects)


def closed_forms(*names: str) -> dict[str, ClosedForm]:
    """Closed forms by name: those named, or all of them.

    Raises
    ------
    JevonsError
        Lists every name that is none.

    Examples
    --------
    >>> list(closed_forms("one_input_rebound"))
    ['one_input_rebound']
    """
    known = {f.name: f for module in _MODULES for f in vars(module).values() if isinstance(f, ClosedForm)}
    unknown = [f"{name!r} is no closed form{nearest(name, known)}" for name in names if name not in known]
    if unknown:
        raise JevonsError("; ".join(unknown))
    return {name: known[name] for name in names} if names else known
