"""`methodology diff`: two versions side by side, and what they give a dozen people in a month."""

import os
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import click
from rich.markup import escape
from rich.table import Table

from carbon_credit.catalogue import queries as catalogue
from carbon_credit.catalogue.comparison import Comparison, PersonaChange, compare
from carbon_credit.catalogue.library import load_library
from carbon_credit.catalogue.personas import MonthResult, load_personas
from carbon_credit.cli.context import emit, json_option, open_installation, stdout
from carbon_credit.cli.publication import named
from carbon_credit.cli.reporting import language_option
from carbon_credit.kernel.quantity import grams_text
from carbon_credit.kernel.settings import read_settings
from carbon_credit.methodology.loader import Package, package_from_files

_COLOURS = {"+": "green", "-": "red", "@": "cyan"}
_WORDS = {
    "value": ("value", "参数"),
    "values": ("Values, grades and steps that differ", "有变化的参数、等级与计算步骤"),
    "none": ("none", "无"),
    "persona": ("persona", "示例人物"),
    "difference": ("difference", "差额"),
    "grams": (
        "Grams of CO2e in {month} of invented people, by the methodology alone (no caps of a programme)",
        "虚构人物 {month} 的减排量（克 CO2e），仅按方法学计算，不含项目上限",
    ),
    "nobody": (
        "None of the invented people does what the methodology reads.",
        "示例人物均无该方法学所涉行为。",
    ),
    "same": ("The texts are the same.", "两版文本相同。"),
}


@click.command("diff")
@click.argument("old")
@click.argument("new")
@click.option(
    "--month", type=click.DateTime(["%Y-%m"]), default="2026-10", show_default=True,
    help="The personas' month.",
)  # fmt: skip
@click.option("--stored", is_flag=True, help="From the catalogue in the database: drafts that were uploaded")
@language_option
@json_option
def diff(old: str, new: str, month: datetime, stored: bool, language: str, as_json: bool) -> None:
    """Compare two versions, OLD and NEW (id/vN, id/vN+sandbox): text, values, and what they give.

    Results are those of a dozen invented people (methodologies/personas.yaml) in a month, in grams.
    """
    root = read_settings(os.environ).methodologies_dir
    library = load_library(root)
    found = _stored(old, new) if stored else _in_folder(library.packages, old, new)
    compared = compare(
        *found,
        personas=load_personas(root, library.activities),
        activities=library.activities,
        month=month.date(),
    )
    if as_json:
        emit(_as_dict(compared, f"{month:%Y-%m}"))
        return
    for line in compared.text or (_word("same", language),):
        stdout.print(f"[{_COLOURS.get(line[:1], 'default')}]{escape(line)}[/]", highlight=False)
    stdout.print(_values(compared, language))
    stdout.print(_personas(compared, f"{month:%Y-%m}", language))


def _in_folder(packages: Mapping[tuple[str, str], Package], *names: str) -> list[Package]:
    for name in names:
        if named(name) not in packages:
            raise click.UsageError(_unknown(packages, name))
    return [packages[named(name)] for name in names]


def _unknown(packages: Mapping[tuple[str, str], Package], name: str) -> str:
    methodology_id, _ = named(name)
    versions = [version for one, version in sorted(packages) if one == methodology_id]
    if versions:
        return f"There is no {name} in the folder; there is {', '.join(versions)}. Uploaded drafts: --stored."
    return f"There is no methodology {methodology_id}. `carbon-credit methodology list` shows what there is."


def _stored(*names: str) -> list[Package]:
    def found(session: Any, _now: datetime) -> list[Package]:
        return [
            package_from_files(
                catalogue.package_files(session, methodology_id=methodology_id, version=version)
            )
            for methodology_id, version in map(named, names)
        ]

    return open_installation().look(found)


def _values(compared: Comparison, language: str) -> Table:
    table = Table(_word("value", language), compared.old, compared.new, title=_word("values", language))
    for change in compared.values:
        table.add_row(change.name, escape(change.old or "-"), escape(change.new or "-"))
    if not compared.values:
        table.add_row(_word("none", language), "", "")
    return table


def _personas(compared: Comparison, month: str, language: str) -> Table:
    persona, difference = _word("persona", language), _word("difference", language)
    title = _word("grams", language, month=month)
    table = Table(persona, compared.old, compared.new, difference, title=title)
    for one in compared.personas:
        name = one.persona.label.text(language)
        table.add_row(name, _told(one.old), _told(one.new), grams_text(one.delta_mg))
    if not compared.personas:
        table.add_row(_word("nobody", language), "", "", "")
    return table


def _told(result: MonthResult | None) -> str:
    if result is None:
        return "-"
    refused = ", ".join(f"{count} x {code}" for code, count in sorted(result.refused.items()))
    return grams_text(result.reduction_mg) + (f" ({refused})" if refused else "")


def _word(name: str, language: str, **named: object) -> str:
    english, chinese = _WORDS[name]
    return (chinese if language == "zh" else english).format(**named)


def _as_dict(compared: Comparison, month: str) -> dict[str, Any]:
    return {
        "old": compared.old,
        "new": compared.new,
        "month": month,
        "text": list(compared.text),
        "values": [{"name": change.name, "old": change.old, "new": change.new} for change in compared.values],
        "personas": [_persona(one) for one in compared.personas],
    }


def _persona(one: PersonaChange) -> dict[str, Any]:
    return {
        "code": one.persona.code,
        "label_zh": one.persona.label.zh,
        "label_en": one.persona.label.en,
        "old_mg": one.old.reduction_mg if one.old else None,
        "new_mg": one.new.reduction_mg if one.new else None,
        "delta_mg": one.delta_mg,
        "refused_old": dict(one.old.refused) if one.old else {},
        "refused_new": dict(one.new.refused) if one.new else {},
    }
