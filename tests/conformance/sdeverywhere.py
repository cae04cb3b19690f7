"""SDEverywhere's models of single functions, each with the run that Vensim made of it."""

from __future__ import annotations

import json
from pathlib import Path

from .cases import RTOL, Case

REPOSITORY = "climateinteractive/SDEverywhere"

COMMIT = "a5da3452c0c8296b46d56f32b31a938842dcea6f"


def find_function_cases(folder: Path) -> list[Case]:
    """Models of a checkout of the repository in `folder`; data files are those that each model's settings name."""
    cases = []
    for path in sorted((folder / REPOSITORY / "models").glob("*/*.mdl")):
        reference = path.with_suffix(".dat")
        if path.stem != path.parent.name or not reference.is_file():
            continue
        settings: dict[str, object] = {}
        described = path.with_name(f"{path.stem}_spec.json")
        if described.is_file():
            settings = json.loads(described.read_text(encoding="utf-8"))
        names = [*_list(settings.get("datFiles")), *_list(settings.get("externalDatfiles"))]
        files = settings.get("directData") or {}
        data = tuple(path.parent / name for name in names)
        named = tuple((key, path.parent / value) for key, value in files.items()) if isinstance(files, dict) else ()
        cases.append(
            Case(f"models/{path.parent.name}/{path.name}", path, reference, RTOL, data, files=named, gaps=True)
        )
    return cases


def _list(found: object) -> list[str]:
    return [str(name) for name in found] if isinstance(found, list) else []
