"""The command that judges claims."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.option(
    "--out", type=click.Path(file_okay=False), default="out", show_default=True, help="Folder for claims.csv."
)
@click.option("--draws", type=click.IntRange(20), default=200, show_default=True, help="How many of the fit's draws.")
@click.option("--claims", "path", type=click.Path(exists=True, dir_okay=False), help="TOML instead of the shipped one.")
@click.option("--docs", type=click.Path(file_okay=False), help="Folder in which claims.md and its picture are written.")
def claims(out: str, draws: int, path: str | None, docs: str | None) -> None:
    """Judge what was said of AI and electricity by the posterior: inside, outside, not testable.

    Writes claims.csv and claims.png. About a minute, and one more for compiling the first time.

    Example: jevons claims --out out

    Example: jevons claims --claims my.toml --out mine
    """
    from jevons.claims.file import read_claims
    from jevons.claims.judgement import evaluate, to_frame
    from jevons.claims.text import summary, write_page
    from jevons.plot_claims import drawable, plot_claims

    file = read_claims(path)
    verdicts = evaluate(file, draws=draws, progress=True)
    click.echo(summary(file, verdicts))
    click.echo()
    folder = Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    table = folder / "claims.csv"
    to_frame(file, verdicts).to_csv(table, index=False, float_format="%.6g")
    written = [table]
    drawn = any(drawable(v) for v in verdicts)
    if drawn:
        written.append(plot_claims(verdicts, folder / "claims.png"))
    if docs is not None:
        pictures = Path(docs) / "images"
        pictures.mkdir(parents=True, exist_ok=True)
        written.append(write_page(file, verdicts, draws, docs))
        if drawn:
            written.append(plot_claims(verdicts, pictures / "claims.png"))
    for place in written:
        click.echo(f"wrote {place}")
