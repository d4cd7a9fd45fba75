"""`methodology schema`: the JSON Schema of the data files."""

from pathlib import Path

import click

from carbon_credit.cli.context import stderr
from carbon_credit.methodology.schema import FILES, schema_text

_FOLDER = Path("docs/schema")
_NAMES = {file.partition(".")[0]: file for file in FILES}


@click.command("schema")
@click.argument("name", type=click.Choice(list(_NAMES)), default="methodology", metavar="[NAME]")
@click.option("--write", is_flag=True, help="Write all of them to the folder instead of printing one.")
@click.option("--folder", type=click.Path(path_type=Path), default=_FOLDER, show_default=True)
def schema(name: str, write: bool, folder: Path) -> None:
    """Print the JSON Schema of a data file.

    NAME is methodology (as without it), overlay, cases or factor-set.
    """
    if not write:
        click.echo(schema_text(_NAMES[name]), nl=False)
        return
    folder.mkdir(parents=True, exist_ok=True)
    for file in FILES:
        (folder / file).write_text(schema_text(file), encoding="utf-8")
    stderr.print(f"Wrote {len(FILES)} schemas to {folder}/")
