"""Reads XMILE model files (``.xmile``, ``.stmx``, ``.itmx``, ``.xml``) into PySD's abstract model.

Reference: OASIS Standard, XML Interchange Language for System Dynamics (XMILE) Version 1.0, 2015.

PySD's own reader keeps one equation an element, merges modules, and knows no macros. Here every variable is read on its
own: one that cannot be read is refused with its line and reason, and does not stop the others.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from jevons.errors import JevonsError
from jevons.interchange.pysd_classes import structures
from jevons.interchange.source import SourceModel
from jevons.interchange.xmile_reader.elements import Elements
from jevons.interchange.xmile_reader.expressions import Lowering, Side
from jevons.interchange.xmile_reader.file import (
    attribute,
    child,
    children,
    is_written,
    local,
    or_nothing,
    read_root,
    words,
)
from jevons.interchange.xmile_reader.modules import TAGS, Declarations, Dimension, Scope, Variable
from jevons.interchange.xmile_reader.repairs import EquationError, canonical, display, parse_equation

_METHODS = {"euler": "Euler", "rk2": "RK2", "rk4": "RK4", "rk45": "adaptive", "gear": "adaptive"}


def read_xmile_source(path: str | Path) -> SourceModel:
    """Read an XMILE file.

    Parameters
    ----------
    path : str or Path

    Returns
    -------
    SourceModel
        Variables of modules are named ``module.variable``; macros are sections of their own, whose result is the
        element with the macro's name.

    Raises
    ------
    JevonsError
        If there is no such file, or it is no XMILE. What cannot be read inside of it is told by ``refused``.
    """
    path = Path(path)
    root, repairs = read_root(path)
    return _Reader(path, root, repairs).read()


class _Reader:
    """Reads one file."""

    def __init__(self, path: Path, root: Any, repairs: list[str]) -> None:
        self.am = structures()
        self.path, self.root = path, root
        self.declared = Declarations(path.name, root, repairs)
        self.world = self.declared.world
        self.elements = Elements(self.declared)
        self.views: dict[str, tuple[str, ...]] = {}
        self.groups: dict[str, tuple[str, ...]] = {}

    def read(self) -> SourceModel:
        declared, built = self.declared, self.elements
        models = list(children(self.root, "model"))
        main = next((m for m in models if not m.get("name")), models[0] if models else None)
        macros = list(children(self.root, "macro"))
        if main is None:
            raise JevonsError(f"{self.path.name!r} has no model: <xmile> holds no <model>")
        for model in models:
            if model is not main and declared.models.setdefault(canonical(model.get("name", "")), model) is not model:
                declared.refuse(model.get("name", ""), model, "", "a second model of this name")
        declared.dimensions()
        for node in macros:
            declared.declare_macro(node)
        scope = declared.scope(main, None, "", ())
        declared.lend()
        declared.connect()
        specs = child(self.root, "sim_specs")
        specs = specs if specs is not None else child(main, "sim_specs")
        elements = [element for s in self.world.scopes for element in built.elements(s)]
        sections = [self.section("__main__", "main", [], [*elements, *self.control(specs, scope)])]
        for node in macros:
            macro = built.macro(node)
            if macro is not None:
                sections.append(self.section(canonical(node.get("name", "")), "macro", *macro))
        for s in self.world.scopes:
            self.drawings(s)
        used = {s.path[-1] for s in self.world.scopes if s.path}
        for key in sorted(declared.models.keys() - used):
            line = declared.models[key].sourceline
            declared.repairs.append(f"line {line}: model {key!r} is the model of no module, and is left out")
        made = [Dimension(name, labels) for name, labels in self.world.ranges.items()]
        for section in sections:
            section.subscripts = tuple(
                self.am.AbstractSubscriptRange(d.name, list(d.elements), list(d.mapped))
                for d in [*self.world.dimensions.values(), *made]
            )
        return SourceModel(
            path=self.path,
            language="xmile",
            abstract=self.am.AbstractModel(self.path, tuple(sections)),
            names=built.names,
            method=self.method(specs),
            save_step=self.save_step(specs),
            time_unit=specs.get("time_units", "") if specs is not None else "",
            lines=built.lines,
            views=self.views,
            groups=self.groups,
            kinds=built.kinds,
            stock_flows=built.stock_flows,
            non_negative=frozenset(built.non_negative),
            unit_synonyms=self.units(),
            refused=tuple(sorted(declared.refused, key=lambda r: r.line or 0)),
            repairs=tuple(declared.repairs),
        )

    def section(self, name: str, kind: str, parameters: list[str], elements: list[Any]) -> Any:
        return self.am.AbstractSection(
            name=name,
            path=self.path.with_suffix(".py"),
            type=kind,
            params=parameters,
            returns=[],
            subscripts=(),
            elements=tuple(elements),
            constraints=(),
            test_inputs=(),
            split=False,
            views_dict=None,
        )

    def control(self, specs: Any, scope: Scope) -> Iterator[Any]:
        texts = {name: words(specs, tag).strip() for name, tag in (("INITIAL TIME", "start"), ("FINAL TIME", "stop"))}
        step = words(specs, "dt").strip() or "1"
        reciprocal = specs is not None and attribute(or_nothing(child(specs, "dt")), "reciprocal").lower() == "true"
        texts["TIME STEP"] = f"1/({step})" if reciprocal else step
        saved = self.save_step(specs)
        texts["SAVEPER"] = "time_step" if saved is None else repr(saved)
        if saved is None and self.declared.saveper is not None and is_written(child(self.declared.saveper.node, "eqn")):
            texts["SAVEPER"] = words(self.declared.saveper.node, "eqn")
        for name, text in texts.items():
            owner = Variable("aux", specs, scope, canonical(name), name)
            self.elements.names[owner.key] = name
            try:
                if not text:
                    raise EquationError("the file does not say it (<sim_specs>)")
                ast = Lowering(owner, Side()).lower(parse_equation(text, scope.knows))
            except EquationError as error:
                self.declared.refuse(name, specs, text, str(error))
                continue
            yield self.am.AbstractControlElement(
                name=name,
                components=[self.am.AbstractComponent(subscripts=([], []), ast=ast)],
                units=specs.get("time_units", "") if specs is not None else "",
                documentation="",
            )

    def method(self, specs: Any) -> str:
        """The first method of the file's list that there is."""
        text = specs.get("method", "") if specs is not None else ""
        wanted = [word.strip().lower() for word in text.split(",") if word.strip()]
        for word in wanted:
            if word in _METHODS:
                return _METHODS[word]
        if wanted:
            self.declared.refuse(
                "", specs, text, f"integration method not known; expected one of {', '.join(_METHODS)}"
            )
        return "Euler"

    def save_step(self, specs: Any) -> float | None:
        names = ("save_interval", "savestep", "save_step", "saveper")
        text = (attribute(specs, *names) or "".join(words(specs, name) for name in names)) if specs is not None else ""
        try:
            return float(text) if text.strip() and 0 < float(text) < math.inf else None
        except ValueError:
            return None

    def units(self) -> tuple[tuple[str, ...], ...]:
        synonyms = []
        for node in (unit for block in children(self.root, "model_units") for unit in children(block, "unit")):
            words = [node.get("name", ""), *("".join(alias.itertext()) for alias in children(node, "alias"))]
            words = [word.strip() for word in words if word.strip()]
            if len(words) > 1:
                synonyms.append(tuple(words))
        return tuple(synonyms)

    def drawings(self, scope: Scope) -> None:
        """Views and groups, and what is on them."""
        for views in children(scope.model, "views"):
            for number, view in enumerate(children(views, "view"), 1):
                title = display(view.get("name", "")) or f"View {number}"
                drawn = [node.get("name", "") for node in view.iter() if local(node) in TAGS]
                drawn += [words(alias, "of") for alias in view.iter() if local(alias) == "alias"]
                self.collect(self.views, scope, title, drawn)
        for block in (scope.model, or_nothing(child(scope.model, "variables"))):
            for group in children(block, "group"):
                held = [node.get("name", "") for node in children(group, "entity", *TAGS)]
                held += ["".join(node.itertext()) for node in children(group, "var")]
                self.collect(self.groups, scope, display(group.get("name", "")), held)

    def collect(self, into: dict[str, tuple[str, ...]], scope: Scope, title: str, names: list[str]) -> None:
        title = f"{scope.title}: {title}" if scope.title else title
        keys = [canonical(name) for name in names]
        found = [scope.key(key) for key in dict.fromkeys(keys) if key in scope.variables]
        if found:
            into[title] = tuple(dict.fromkeys((*into.get(title, ()), *found)))
