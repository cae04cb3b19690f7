"""The table of results as Markdown."""

from __future__ import annotations

import datetime
import importlib.metadata
import itertools
import math
import os
import platform
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path

from measure import Result

PACKAGES = (
    "jevons", "numba", "llvmlite", "numpy", "scipy", "pysd", "pysimlin", "casadi", "jax", "jaxlib", "pypesto", "dask",
    "distributed",
)  # fmt: skip


def markdown(results: Sequence[Result], command: str, load: float, took: float) -> str:
    """The report: machine, versions, and one table for each work."""
    lines = [
        "# Measurements",
        "",
        f"`{command}` on {datetime.date.today().isoformat()}, in {took / 60:.0f} minutes.",
        "What is measured and how to read it: [README.md](README.md).",
        "",
        f"- Machine: {machine()}; load before the start {load:.1f}",
        f"- System: {platform.system()}, Python {platform.python_version()}, {_gcc()}",
        f"- Packages: {versions()}",
    ]
    for work, group in itertools.groupby(results, key=lambda r: r.work):
        lines += ["", f"## {work[0].upper()}{work[1:]}", "", *table(list(group))]
    return "\n".join(lines) + "\n"


def table(results: Sequence[Result]) -> list[str]:
    """One table; the first result of each case is what the others are divided by."""
    lines = [
        "| model | who | median | quartiles | times ours | difference | n | |",
        "| --- | --- | ---: | ---: | ---: | ---: | ---: | --- |",
    ]
    for case, group in itertools.groupby(results, key=lambda r: r.case):
        rows = list(group)
        base = rows[0].median
        for r in rows:
            if r.failure:
                error = f"{r.error:.0e}" if math.isfinite(r.error) else ""
                lines.append(f"| {case} | {r.peer} | {r.failure} | | | {error} | | {r.note} |")
                continue
            low, high = r.quartiles
            error = "" if math.isnan(r.error) else f"{r.error:.0e}"
            lines.append(
                f"| {case} | {r.peer} | {duration(r.median)} | {duration(low)} – {duration(high)} | "
                f"{ratio(r.median / base)} | {error} | {len(r.seconds)} | {r.note} |"
            )
    return lines


def duration(seconds: float) -> str:
    """Three digits and a unit."""
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}" if seconds / size < 1000 else f"{seconds / size:.0f} {unit}"
    return "" if math.isnan(seconds) else f"{seconds / 1e-9:.3g} ns"


def ratio(x: float) -> str:
    if math.isnan(x):
        return ""
    return f"{x:.2f}" if x < 10 else f"{x:.0f}"


def machine() -> str:
    """Processor, cores, memory."""
    name = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    flags = ""
    if info.exists():
        text = info.read_text(encoding="utf-8")
        fields = dict(line.split(":", 1) for line in text.splitlines() if ":" in line)
        fields = {key.strip(): value.strip() for key, value in fields.items()}
        name = fields.get("model name", name)
        wide = [f for f in ("avx2", "avx512f") if f in fields.get("flags", "").split()]
        flags = f", {' '.join(wide)}" if wide else ""
        name = f"{name} (family {fields.get('cpu family', '?')}, model {fields.get('model', '?')})"
    memory = ""
    if hasattr(os, "sysconf"):
        memory = f", {os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GiB"
    return f"{name}, {os.cpu_count()} cores{flags}{memory}"


def versions(packages: Iterable[str] = PACKAGES) -> str:
    found = []
    for name in packages:
        try:
            found.append(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            found.append(f"{name} not installed")
    return ", ".join(found)


def _gcc() -> str:
    try:
        return subprocess.run(["gcc", "--version"], capture_output=True, text=True, check=True).stdout.splitlines()[0]
    except (OSError, subprocess.CalledProcessError):
        return "no gcc"
