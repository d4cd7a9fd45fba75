"""Everybody can read by which rules points are given, and which are announced."""

import shutil
from datetime import timedelta
from pathlib import Path

from carbon_credit.catalogue.operations import seed
from carbon_credit.kernel.clock import business_day, now
from carbon_credit.kernel.unit_of_work import transact

from .conftest import HOME, Town

PLAIN = "grade: assumed, source: null"


def test_the_rules_that_hold_and_those_that_come(town: Town, tmp_path: Path) -> None:
    before = town.get(None, f"/v1/public/programmes/{HOME}/points").json
    (held,) = before["validity"]
    assert (held["years"], held["round_to"], held["state"]) == (3, "year_end", "in_force")
    assert before["earned_today_until"].endswith("-12-31")
    assert (before["transferable"], before["notice_days"], before["reminder_days"]) == (False, 0, None)
    assert {rate["state"] for rate in before["rates"]} == {"in_force"}

    today = business_day(now(), "Asia/Shanghai")
    soon, past = today + timedelta(days=60), today - timedelta(days=1)
    root = Path(shutil.copytree(town.database.settings.methodologies_dir, tmp_path / "methodologies"))
    path = root / "programmes" / f"{HOME}.yaml"
    text = path.read_text(encoding="utf-8")
    (line,) = (one for one in text.splitlines(keepends=True) if one.startswith("points_validity:"))
    terms = (
        "points_validity:\n"
        f"  - {{years: 3, round_to: year_end, effective_from: null, effective_to: {soon}, {PLAIN}}}\n"
        f"  - {{years: 1, round_to: month_end, effective_from: {soon}, effective_to: null, {PLAIN}}}\n"
        f"points_notice: {{days: 30, {PLAIN}}}\npoints_reminder: {{days_before: 14, {PLAIN}}}\n"
        "points_budget:\n"
        f"  - {{points: 5, per: month, effective_from: 2020-01-01, effective_to: {past}, {PLAIN}}}\n"
        f"  - {{points: 9, per: month, effective_from: {past}, effective_to: null, {PLAIN}}}\n"
        f"crediting:\n  - {{activity_types: [walk], after_days: 7, {PLAIN}}}\n"
    )
    path.write_text(text.replace(line, terms), encoding="utf-8")
    transact(town.database, lambda session: seed(session, root=root, now=now()))

    told = town.get(None, f"/v1/public/programmes/{HOME}/points").json
    assert [(one["years"], one["state"], one["effective_from"]) for one in told["validity"]] == [
        (3, "in_force", None),
        (1, "announced", soon.isoformat()),
    ]
    assert (told["notice_days"], told["reminder_days"]) == (30, 14)
    assert [one["points"] for one in told["budgets"]] == [9]
    assert told["waiting"][0]["after_days"] == 7
    assert town.get(None, "/v1/public/programmes/zz-zz/points").status_code == 404
