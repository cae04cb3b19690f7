"""Model files made to do harm: refused or read in bounded time and memory, and nothing else is run, read or written."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from vensim_texts import CONTROL, vensim

pytestmark = pytest.mark.slow

MARK = "hostile_mark"
CODE = f"__import__('os').system('touch {MARK}')"

XMILE = """<?xml version="1.0"?>{before}
<xmile version="1.0" xmlns="http://docs.oasis-open.org/xmile/ns/XMILE/v1.0"
 xmlns:xi="http://www.w3.org/2001/XInclude"><header><vendor>x</vendor></header>
<sim_specs><start>0</start><stop>4</stop><dt>1</dt></sim_specs>{outer}
<model><variables>{variables}</variables></model></xmile>"""


def macros(depth: int) -> str:
    """Each calls the next twice."""
    parts = [f":MACRO: M{i}(x)\nM{i} = M{i + 1}(x) + M{i + 1}(x + 1)\n:END OF MACRO:" for i in range(depth)]
    return "\n".join([*parts, f":MACRO: M{depth}(x)\nM{depth} = x\n:END OF MACRO:", "y = M0(1)"])


def entities(depth: int) -> str:
    lines = ['<!ENTITY e0 "1+1+">', *(f'<!ENTITY e{i} "{f"&e{i - 1};" * 10}">' for i in range(1, depth))]
    return f"<!DOCTYPE xmile [{''.join(lines)}]>"


def xmile(variables: str = "", before: str = "", outer: str = "") -> str:
    return XMILE.format(variables=variables, before=before, outer=outer)


def aux(name: str, equation: str) -> str:
    return f'<aux name="{name}"><eqn>{equation}</eqn></aux>'


REFUSED = {
    "parentheses": ("mdl", vensim("x = " + "(" * 20_000 + "1" + ")" * 20_000), "nested more than"),
    "conditions": ("mdl", vensim("x = " + "IF THEN ELSE(Time > 1, 1, " * 3000 + "0" + ")" * 3000), "nested more than"),
    "powers": ("mdl", vensim("x = " + "^".join(["1.01"] * 5000)), "powers are chained"),
    "tower": ("mdl", vensim("x = 9^9^9^9"), "too large for a number"),
    "squares": ("mdl", vensim("x0 = 3\n" + "\n".join(f"x{i} = x{i - 1}^2" for i in range(1, 200))
                              + "\ny = DELAY FIXED(1, x199, 0)"), "'y'"),
    "cyclic macros": ("mdl", vensim(":MACRO: F(x)\nF = G(x)\n:END OF MACRO:\n:MACRO: G(x)\nG = F(x)\n:END OF MACRO:\n"
                                    "y = F(1)"), "calls itself"),
    "doubling macros": ("mdl", vensim(macros(40)), "calls of macros"),
    "large array": ("mdl", vensim("A: (a1-a1000)\nB: (b1-b1000)\nx[A, B] = 1"), "1,000,000 elements"),
    "many arrays": ("mdl", vensim("A: (a1-a100)\nB: (b1-b100)\n" + "\n".join(f"x{i}[A, B] = 1" for i in range(99))),
                    "elements in all"),
    "large range": ("mdl", vensim("A: (a1-a999999999)\nx[A] = 1"), "numbered range"),
    "large sum": ("mdl", vensim("A: (a1-a2000)\nB <-> A\nx[A] = 1\ny = SUM(x[A!] * x[B!])"), "terms in all"),
    "range in itself": ("mdl", vensim("A: A, a1\nx[A] = 1"), "contains itself"),
    "doubling ranges": ("mdl", vensim("L0: a1, a2\n" + "\n".join(f"L{i}: L{i - 1}, L{i - 1}" for i in range(1, 60))
                                      + "\nx[L59] = 1"), "twice"),
    "copies in a circle": ("mdl", vensim("A <-> B\nB <-> A\nx[A] = 1"), "copies itself"),
    "nul bytes": ("mdl", vensim("x = 1\0 + 2"), "NUL"),
    "steps without end": ("mdl", vensim("x = INTEG(1, 0)", CONTROL.replace("= 0.5", "= 1e-9*(1 + Time)")), "steps"),
    "long delay": ("mdl", vensim("x = DELAY FIXED(Time, 1e9, 0)"), "steps"),
    "pulses": ("mdl", vensim("x = PULSE TRAIN(0, 1e-9, 1e-9, 1e9)"), "pulses"),
    "path upwards": ("mdl", vensim("x = GET XLS DATA('../secret.xlsx', 'a', '1', 'B2')"), "'x'"),
    "absolute path": ("mdl", vensim("x = GET DIRECT CONSTANTS('/etc/passwd', ',', 'A1')"), "'x'"),
    "alias outside": ("mdl", vensim("x = GET XLS DATA('?s', 'a', '1', 'B2')",
                                    after="\\\\\\---/// Sketch\n///---\\\\\\\n:L<%^E!@\n30:?s=/etc/passwd\n"), "'x'"),
    "linked file": ("mdl", vensim("x = GET DIRECT CONSTANTS('link.csv', ',', 'A1')"), "'x'"),
    "range from outside": ("mdl", vensim("A: GET DIRECT SUBSCRIPT('/etc/passwd', ',', 'A1', 'A', '')\nx[A] = 1"), ""),
    "fifty megabytes": ("mdl", None, "bytes, at most"),
    "laughs": ("xmile", xmile(aux("x", "&e9;1"), entities(10)), "entities"),
    "entity of a file": ("xmile", xmile(aux("x", "&e;"), '<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]>'),
                         "entities"),
    "document type of a file": ("xmile", xmile(aux("x", "1"), '<!DOCTYPE x SYSTEM "file:///etc/passwd">'), "entities"),
    "deep xml": ("xmile", xmile("<group>" * 50_000 + "</group>" * 50_000), ""),
    "deep equation": ("xmile", xmile(aux("x", "(" * 20_000 + "1" + ")" * 20_000)), "'x'"),
    "macro default": ("xmile", xmile(aux("y", "m1(1)"), outer="".join(
        f'<macro name="m{i}"><parm>x</parm><parm default="m{i + 1}(1) + m{i + 1}(2)">d</parm><eqn>x + d</eqn>'
        "</macro>"
        for i in range(1, 40)) + '<macro name="m40"><parm>x</parm><eqn>x</eqn></macro>'), ""),
    "xmile array": ("xmile", xmile('<aux name="x"><dimensions>'
                    '<dim name="A"/><dim name="B"/></dimensions><eqn>1</eqn></aux>',
                    outer='<dimensions><dim name="A" size="5000"/><dim name="B" size="5000"/></dimensions>'), ""),
}  # fmt: skip
READ = {
    "names are code": ("mdl", vensim(
        f'"{CODE}" = 1\n"x = 1; import {MARK}" = INTEG("{CODE}", 0)\n"]: {MARK} #" = "x = 1; import {MARK}" * Time\n'
        f'A: "{MARK}()", b\nq[A] = 1, 2\nr = SUM(q[A!]) ~ {CODE} ~ {CODE} |')),
    "long sum": ("mdl", vensim("x = " + "+".join(["Time"] * 5000))),
    "minus signs": ("mdl", vensim("x = " + "-" * 5000 + "Time")),
    "xmile names are code": ("xmile", xmile(aux(f"x&quot;; import {MARK}", "TIME") + aux("y", "2 * TIME"))),
    "inclusion": ("xmile", xmile(aux("x", "1") + '<xi:include href="file:///etc/passwd" parse="text"/>')),
}  # fmt: skip


@pytest.fixture(scope="module")
def verdicts(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hostile")
    for name, (kind, text, *_) in {**REFUSED, **READ}.items():
        case = folder / name
        case.mkdir()
        if text is None:
            text = vensim("\n".join(f"x{i} = {i} + {'1 + ' * 200}1" for i in range(62_000)))
            assert len(text) > 50_000_000
        (case / f"hostile.{kind}").write_text(text, encoding="utf-8")
    (folder / "linked file" / "link.csv").symlink_to("/etc/passwd")
    (folder / "secret.xlsx").write_bytes(b"PK")
    reader = Path(__file__).with_name("hostile_reader.py")
    done = subprocess.run(
        [sys.executable, str(reader), str(folder)], capture_output=True, text=True, timeout=900, cwd=folder, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    reports = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    return {report["case"]: report for report in reports}, folder


@pytest.mark.parametrize("name", REFUSED)
def test_refused(verdicts, name):
    found = verdicts[0][name]
    assert (found["outcome"], found["seen"]) == ("refused", []), found
    assert REFUSED[name][-1] in found["message"]
    assert found["length"] < 10_000
    assert "root:" not in found["message"]  # nothing of a file that was not to be read


@pytest.mark.parametrize("name", READ)
def test_read_run_and_written_without_harm(verdicts, name):
    found = verdicts[0][name]
    assert (found["outcome"], found["seen"]) == ("read", []), found
    assert (verdicts[1] / name / "out.xmile").exists()


def test_nothing_was_made(verdicts):
    folder = verdicts[1]
    left = {file.name for file in folder.rglob("*") if file.is_file() and file.stem != "hostile"}
    assert left <= {"out.xmile", "link.csv", "secret.xlsx"}


def test_what_is_watched_is_seen(tmp_path):
    """The watcher sees a file that is read, one that is written and a name that is compiled."""
    reader = Path(__file__).with_name("hostile_reader.py")
    script = f"""
import importlib.util, json, pathlib
spec = importlib.util.spec_from_file_location("hostile_reader", {str(reader)!r})
module = importlib.util.module_from_spec(spec); spec.loader.exec_module(module)
def bad(path):
    open("/etc/hostname").close(); open({str(tmp_path / "new")!r}, "w").close()
    compile("hostile_mark = 1", "x", "exec")
    raise module.jv.JevonsError("")
module.jv.read_model = bad
print(json.dumps(module.watched(pathlib.Path({str(tmp_path / "m" / "hostile.mdl")!r}))["seen"]))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=300)
    seen = [what.split()[0] for what in json.loads(done.stdout)]
    assert seen == ["reads", "writes", "compiles"]
