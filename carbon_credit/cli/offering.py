"""`offer codes`: a merchant's third-party codes from a file into their pool."""

from pathlib import Path
from uuid import UUID

import click

from carbon_credit.cli.context import (
    acting,
    as_option,
    emit,
    json_option,
    open_installation,
    programme_option,
    stderr,
)
from carbon_credit.redemption.offering.code_files import CSV, JSON, NDJSON, read_codes
from carbon_credit.redemption.offering.codes import add_codes
from carbon_credit.redemption.offering.errors import CodesRefused

_FORMS = {".csv": CSV, ".ndjson": NDJSON, ".jsonl": NDJSON, ".json": JSON}


@click.group()
def offer() -> None:
    """Offers: what points can be given for."""


@offer.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@programme_option
@click.option("--offer", "offer_id", type=click.UUID, required=True, help="The offer, of kind code_pool.")
@as_option
@json_option
def codes(file: Path, programme: str, offer_id: UUID, credential: str | None, as_json: bool) -> None:
    """Add the codes in FILE (csv, ndjson, json) to a pool: all of them, or none and which lines are wrong."""
    form = _FORMS.get(file.suffix.lower())
    if form is None:
        raise click.UsageError(f"{file.name}: the name must end with {', '.join(_FORMS)}.")
    here = open_installation()
    who = acting(here, credential, programme=programme, role="merchant", or_role="operator")
    given = read_codes(file.read_bytes(), media_type=form)
    whose = who.id if who.role == "merchant" else None
    try:
        added = here.act(
            lambda session, now: add_codes(
                session, programme=programme, offer_id=offer_id, codes=given, now=now, merchant_id=whose
            )
        )
    except CodesRefused as refused:
        for one in refused.lines:
            stderr.print(f"line {one['line']}: {one['why']}")
        raise
    if as_json:
        emit({"offer": str(offer_id), "added": added})
    else:
        stderr.print(f"{added} codes added.")
