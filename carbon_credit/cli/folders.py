"""`watch-folder`: files that an operator drops are imported once their marker is there.

`NAME` is taken when `NAME.ok` stands beside it; `NAME.ctl` may hold its control totals. It ends in a folder
of its own under `done/` or `failed/`, with a report and the rejects. Each step is one rename, and the
marker goes last, so whoever is stopped in between is gone on with from what lies there.
"""

import os
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from uuid import UUID

import click
import orjson

from carbon_credit.cli.context import Installation, emit, json_option, open_installation, stderr
from carbon_credit.cli.files import Terms, file_options, open_file, run_file, terms_of
from carbon_credit.cli.importing import summary
from carbon_credit.imports.formats import file_digest
from carbon_credit.imports.jobs.control import Control, read_control
from carbon_credit.imports.jobs.records import all_rejects, ended_of
from carbon_credit.imports.jobs.rejects import write_rejects
from carbon_credit.kernel.errors import Busy, CarbonError
from carbon_credit.kernel.ids import new_id

MARKER, CONTROL = ".ok", ".ctl"
DONE, FAILED, WORK = "done", "failed", ".work"
REPORT, REJECTS = "report.json", "rejects.csv"


@click.command("watch-folder")
@file_options
@click.option("--every", type=click.IntRange(1, 3600), default=10, show_default=True, help="Seconds")
@click.option("--once", is_flag=True, help="Take what is there now, and end")
@json_option
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
def watch_folder(every: int, once: bool, as_json: bool, folder: Path, **options: Any) -> None:
    """Import files that are dropped into FOLDER, each once NAME.ok stands beside it.

    A file NAME.ctl may hold control totals (rows, sums, sha256). May be stopped at any moment.
    """
    here = open_installation()
    terms = terms_of(here, **options)
    drop = Drop(here, replace(terms, created_by="drop-folder"), folder)
    reports = []
    while True:
        for name in drop.waiting():
            try:
                report = drop.take(name)
            except Busy as error:
                stderr.print(f"[yellow]{name}: {error.message('en')}[/]", highlight=False)
                continue
            if report is not None:
                reports.append(report)
                stderr.print(f"{name}: {report['state']}, see {report['folder']}", highlight=False)
        if once:
            break
        time.sleep(every)
    here.database.dispose()
    if as_json:
        emit({"files": reports})


@dataclass(frozen=True, slots=True)
class Drop:
    """A folder and how its files are read."""

    here: Installation
    terms: Terms
    folder: Path

    def waiting(self) -> list[str]:
        """Names whose marker is there, in order."""
        found = (one.name.removesuffix(MARKER) for one in self.folder.iterdir() if one.name.endswith(MARKER))
        return sorted(name for name in found if name and not name.startswith("."))

    def take(self, name: str) -> dict[str, Any] | None:
        """Import one file and put it where it belongs; the report, None where there is nothing to import."""
        self._tidy_up(name)
        path = self.folder / name
        if path.is_symlink() or not path.is_file():
            return None
        try:
            report = self._import(name, path)
        except Busy:
            raise
        except CarbonError as error:
            report = {"file": name, "state": FAILED, "import": None, **_problem(error)}
        return self._put_away(name, report)

    def _import(self, name: str, path: Path) -> dict[str, Any]:
        beside = self.folder / (name + CONTROL)
        control = read_control(beside.read_bytes()) if beside.is_file() else Control()
        job_id = self._done_before(name, path)
        if job_id is None:
            known = open_file(self.here, self.terms, path, control=control)
            try:
                run_file(self.here, self.terms, known, path)
            except Busy:
                raise
            except CarbonError as error:
                told = summary(self.here, known.id)
                return {"file": name, **told, **_problem(error)}
            job_id = known.id
        return {"file": name, **summary(self.here, job_id)}

    def _done_before(self, name: str, path: Path) -> UUID | None:
        """The job of this very file where it ended, and only the putting away was broken off."""
        digest, partner_id = file_digest(path), self.terms.partner_id
        found = self.here.look(
            lambda session, _now: ended_of(
                session,
                partner_id=partner_id,
                file_name=name,
                sha256=digest,
                created_by=self.terms.created_by,
            )
        )
        return None if found is None or self._place(DONE, name, str(found)).exists() else found

    def _put_away(self, name: str, report: dict[str, Any]) -> dict[str, Any]:
        job_id = report["import"]
        end = DONE if report["state"] == "done" else FAILED
        mark = job_id or str(new_id())
        place = self._place(end, name, mark)
        if place.exists():  # the same job failed before
            place = self._place(end, name, str(new_id()))
        work = self.folder / WORK / f"{end}.{place.name}"
        if work.exists():
            shutil.rmtree(work)
        work.mkdir(parents=True)
        if job_id is not None:
            self.here.look(
                lambda session, _now: write_rejects(work / REJECTS, all_rejects(session, job_id=UUID(job_id)))
            )
        report = {**report, "folder": str(place.relative_to(self.folder))}
        (work / REPORT).write_bytes(orjson.dumps(report, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS))
        # With the file itself the rest is decided: its control totals must not be gone while it may be read.
        os.replace(self.folder / name, work / name)
        self._tidy_up(name)
        return report

    def _tidy_up(self, name: str) -> None:
        """Finish what was put away to the last step but one."""
        for work in self._moved(name):
            if (self.folder / (name + CONTROL)).is_file():
                os.replace(self.folder / (name + CONTROL), work / (name + CONTROL))
            end, _, rest = work.name.partition(".")
            place = self.folder / end / rest
            place.parent.mkdir(exist_ok=True)
            os.replace(work, place)
            (self.folder / (name + MARKER)).unlink(missing_ok=True)
        if self._is_away(name) and not (self.folder / name).exists():
            (self.folder / (name + MARKER)).unlink(missing_ok=True)

    def _moved(self, name: str) -> Iterator[Path]:
        root = self.folder / WORK
        for work in sorted(root.iterdir()) if root.is_dir() else ():
            if (work / name).is_file() and (work / REPORT).is_file():
                yield work

    def _is_away(self, name: str) -> bool:
        pattern = f"{_escaped(name)}.*/{_escaped(name)}"
        return any(any((self.folder / end).glob(pattern)) for end in (DONE, FAILED))

    def _place(self, end: str, name: str, mark: str) -> Path:
        return self.folder / end / f"{name}.{mark}"


def _escaped(name: str) -> str:
    return "".join(f"[{sign}]" if sign in "*?[" else sign for sign in name)


def _problem(error: CarbonError) -> dict[str, Any]:
    return {"problem": {"code": error.code, "en": error.message("en"), "zh": error.message("zh")}}
