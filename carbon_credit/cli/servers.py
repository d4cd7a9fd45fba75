"""`serve`, `worker`, `sweep`, `openapi write`."""

import os
import sys
from pathlib import Path
from socket import AF_INET, AF_INET6, SO_REUSEADDR, SOL_SOCKET, socket

import click

from carbon_credit.api.spec import as_yaml
from carbon_credit.cli.context import emit, json_option, open_installation, progress, stderr
from carbon_credit.factory import create_app
from carbon_credit.kernel.settings import HOME, read_settings
from carbon_credit.sweeps import SWEEPS
from carbon_credit.tasks import run_sweep

THREADS = 16


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", type=click.IntRange(1, 65535), default=8000, show_default=True)
@click.option("--workers", default=2, show_default=True, help="Processes: about one for each core")
@click.option("--threads", default=THREADS, show_default=True, help="Requests at once in each process")
def serve(host: str, port: int, workers: int, threads: int) -> None:
    """Serve the API with gunicorn; documentation to browse at /docs."""
    _check_free(host, port)
    open_installation().database.dispose()
    stderr.print(f"Serving http://{host}:{port}  documentation: http://{host}:{port}/docs  (Ctrl-C stops)")
    _become(
        gunicorn("carbon_credit.factory:create_app()", host=host, port=port, workers=workers, threads=threads)
    )


def gunicorn(application: str, *, host: str, port: int, workers: int, threads: int) -> list[str]:
    """The command that serves `application`; `threads` is how many requests a process handles at once."""
    return [
        *(sys.executable, "-m", "gunicorn", application),
        *("--bind", f"{host}:{port}", "--workers", str(workers), "--threads", str(threads)),
        *("--worker-class", "gthread", "--access-logfile", "/dev/null", "--graceful-timeout", "10"),
        # Beyond these connections wait in the kernel, and no longer in our memory.
        *("--worker-connections", "512", "--backlog", "512"),
        # Each process listens for itself, and the kernel spreads the connections. At one common socket who is
        # awake takes all: one process was seen with 32 connections and another with none.
        *(["--reuse-port"] if sys.platform == "linux" and workers > 1 else []),
    ]


def _check_free(host: str, port: int) -> None:
    # Where each process listens for itself a second server would quietly share the address with the first.
    with socket(AF_INET6 if ":" in host else AF_INET) as probe:
        probe.setsockopt(SOL_SOCKET, SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            why = f"{host}:{port} cannot be served ({error.strerror}). Stop what uses it, or name another."
            raise click.UsageError(why) from None


@click.command()
@click.option("--beat/--no-beat", default=True, show_default=True, help="Also send what is due")
@click.option("--concurrency", default=2, show_default=True)
def worker(beat: bool, concurrency: int) -> None:
    """Run a Celery worker (needs CELERY_BROKER_URL). Without a broker, `sweep` does the same work."""
    settings = read_settings(os.environ)
    if settings.celery_broker_url is None:
        raise click.UsageError("CELERY_BROKER_URL is not set. Without a broker run: carbon-credit sweep")
    schedule = settings.var_dir / "beat-schedule"
    schedule.parent.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "celery", "-A", "carbon_credit.tasks.worker", "worker"]
    # A name of its own: several workers may run on one host.
    command += ["--hostname", f"worker-{os.getpid()}@%h"]
    command += ["--concurrency", str(concurrency), "--loglevel", "INFO"]
    command += ["--beat", "--schedule", str(schedule)] if beat else []
    _become(command)


def _become(command: list[str]) -> None:
    # In place of this process, so that a signal from the service manager reaches the server itself.
    os.execv(command[0], command)  # noqa: S606  our own command


@click.command(help=f"Do now what is due; all of it, or of these: {', '.join(sorted(SWEEPS))}.")
@click.argument("names", metavar="[NAME]...", nargs=-1, type=click.Choice(sorted(SWEEPS)))
@json_option
def sweep(names: tuple[str, ...], as_json: bool) -> None:
    """Do now what is due, as a worker does it on schedule."""
    here = open_installation()
    chosen = names or tuple(SWEEPS)
    done = {}
    with progress("Sweeping", total=len(chosen)) as step:
        for name in chosen:
            done[name] = run_sweep(here.database, SWEEPS[name])
            step(1)
    if as_json:
        emit(done)
        return
    for name, count in done.items():
        stderr.print(f"  {name:14} {count:>8,}  {SWEEPS[name].about}")


@click.group()
def openapi() -> None:
    """The description of the API."""


@openapi.command()
@click.option("--to", "path", default=str(HOME / "openapi.yaml"), show_default="openapi.yaml")
def write(path: str) -> None:
    """Write openapi.yaml from the schemas of the API."""
    Path(path).write_text(as_yaml(create_app(read_settings(os.environ))), encoding="utf-8")
    stderr.print(f"Wrote {path}")
