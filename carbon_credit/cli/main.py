"""The door of the command line: one group, every command."""

import sys

import click
from sqlalchemy.exc import DatabaseError, OperationalError

from carbon_credit import __version__
from carbon_credit.cli import funding, outstanding, publication
from carbon_credit.cli.adapters import adapter
from carbon_credit.cli.archives import archive
from carbon_credit.cli.batches import batch, serials
from carbon_credit.cli.comparing import diff
from carbon_credit.cli.database import db
from carbon_credit.cli.demo import demo
from carbon_credit.cli.dossiers import dossier
from carbon_credit.cli.facts import facts
from carbon_credit.cli.folders import watch_folder
from carbon_credit.cli.imports import import_
from carbon_credit.cli.jobs import imports
from carbon_credit.cli.ledgers import ledger
from carbon_credit.cli.merchants import merchant
from carbon_credit.cli.methodologies import methodology
from carbon_credit.cli.minimising import link_hashes, minimise
from carbon_credit.cli.offering import offer
from carbon_credit.cli.pages import pages
from carbon_credit.cli.parties import party
from carbon_credit.cli.periods import period
from carbon_credit.cli.quantifying import quantify
from carbon_credit.cli.reports import report
from carbon_credit.cli.requantifying import dry_run
from carbon_credit.cli.schemas import schema
from carbon_credit.cli.servers import openapi, serve, sweep, worker
from carbon_credit.cli.settling import settle
from carbon_credit.cli.simulating import simulate
from carbon_credit.cli.sources import source
from carbon_credit.kernel import process
from carbon_credit.kernel.errors import CarbonError


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="carbon-credit")
def commands() -> None:
    """Carbon inclusion (碳普惠): events in, accounts credited, points redeemed, offsets out."""


for command in (
    demo,
    serve,
    worker,
    db,
    archive,
    party,
    merchant,
    facts,
    import_,
    imports,
    watch_folder,
    adapter,
    methodology,
    quantify,
    period,
    report,
    batch,
    serials,
    dossier,
    ledger,
    settle,
    offer,
    sweep,
    simulate,
    source,
    minimise,
    link_hashes,
    openapi,
):
    commands.add_command(command)


report.add_command(funding.funding)
report.add_command(outstanding.points)
methodology.add_command(pages)
methodology.add_command(diff)
methodology.add_command(dry_run)
methodology.add_command(schema)
for command in publication.COMMANDS:
    methodology.add_command(command)


def main() -> None:
    """The door. An error that the program knows is one sentence, not a traceback."""
    process.settle()
    try:
        ended = commands.main(standalone_mode=False)
        if isinstance(ended, int) and ended:  # a command that raised Exit: click hands its status back
            sys.exit(ended)
    except CarbonError as error:
        click.secho(f"{error.code}: {error.message('en')}", fg="red", err=True)
        sys.exit(2)
    except (DatabaseError, OSError) as error:
        if isinstance(error, DatabaseError) and type(error) not in (DatabaseError, OperationalError):
            raise  # a statement that was wrong is a mistake of ours
        # Not a database, not writable, disk full: the sentence of whoever refused, without its statement.
        told = str(getattr(error, "orig", error)).strip().partition("\n")[0]
        click.secho(f"{type(error).__name__}: {told}", fg="red", err=True)
        sys.exit(2)
    except click.exceptions.Exit as exit_:
        sys.exit(exit_.exit_code)
    except click.Abort:
        click.echo("Stopped. What was committed stays; run the same command again to go on.", err=True)
        sys.exit(130)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
