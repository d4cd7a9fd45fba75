"""`methodology pages`: the generated pages of the library."""

import os
import sys
from pathlib import Path

import click

from carbon_credit.catalogue.library import load_library
from carbon_credit.catalogue.lock import read_lock
from carbon_credit.cli.context import stderr
from carbon_credit.kernel.settings import read_settings
from carbon_credit.pages.library import pages_of

_FOLDER = Path("docs/methodologies")


@click.command("pages")
@click.option("--check", is_flag=True, help="Write nothing; fail where a page is not as it would be written.")
@click.option("--folder", type=click.Path(path_type=Path), default=_FOLDER, show_default=True)
def pages(check: bool, folder: Path) -> None:
    """Write a page for each methodology, and the coverage page, to docs/methodologies/."""
    root = read_settings(os.environ).methodologies_dir
    wanted = pages_of(load_library(root), dict.fromkeys(read_lock(root), "published"))
    found = {path.name: path.read_text(encoding="utf-8") for path in folder.glob("*.md")}
    differing = sorted(name for name in wanted.keys() | found.keys() if wanted.get(name) != found.get(name))
    if check:
        for name in differing:
            stderr.print(f"[red]{folder / name}[/] is not up to date: run `make pages`.")
        sys.exit(1 if differing else 0)
    folder.mkdir(parents=True, exist_ok=True)
    for name in differing:
        if name in wanted:
            (folder / name).write_text(wanted[name], encoding="utf-8")
        else:
            (folder / name).unlink()
    stderr.print(f"{len(wanted)} pages, {len(differing)} changed.")
