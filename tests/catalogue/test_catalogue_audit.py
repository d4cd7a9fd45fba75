"""The audit of the catalogue: it is sound, and names the row that somebody has edited past the triggers."""

import pytest
from sqlalchemy import text

from carbon_credit.sweeps.audit import audit_everything
from tests.catalogue.conftest import ANNA, BORIS, ID, Office, package


def findings(office: Office) -> list[tuple[str, str, str]]:
    report = office.look(audit_everything)
    return [(one.rule, one.table, one.row) for one in report.findings]


def past_the_triggers(office: Office, table: str, statement: str) -> None:
    """As somebody with the rights of the database's owner would."""
    with office.database.engine.begin() as connection:
        if office.database.settings.embedded:
            listed = text("SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name = :t")
            for (name,) in connection.execute(listed, {"t": table}).all():
                connection.execute(text(f"DROP TRIGGER {name}"))
        else:
            connection.execute(text(f"ALTER TABLE {table} DISABLE TRIGGER USER"))
        connection.execute(text(statement))


def test_a_catalogue_as_it_was_made_is_sound(office: Office) -> None:
    office.published(package())
    office.confirm(ANNA)
    office.confirm(BORIS)
    assert findings(office) == []


APPROVALS, TEXTS = "methodology_approval", "methodology_text"


@pytest.mark.parametrize(
    ("table", "statement", "rule"),
    [
        (APPROVALS, "UPDATE {table} SET actor = 'operator:x' WHERE actor = '{anna}'", "row-mac"),
        ("value_confirmation", "UPDATE {table} SET stated = '1' WHERE actor = '{anna}'", "row-mac"),
        (TEXTS, "UPDATE {table} SET bundle = {blob} WHERE digest = '{digest}'", "text-digest"),
        (APPROVALS, "DELETE FROM {table} WHERE actor = '{anna}'", "four-eyes"),
        (
            "methodology_version",
            "UPDATE {table} SET bundle_sha256 = 'x' WHERE digest = '{digest}'",
            "four-eyes",
        ),
    ],
    ids=["approval", "confirmation", "text", "approval gone", "version"],
)
def test_what_was_edited_is_named(office: Office, table: str, statement: str, rule: str) -> None:
    record = office.published(package())
    office.confirm(ANNA)
    blob = "X'7B7D'" if office.database.settings.embedded else r"'\x7B7D'::bytea"
    past_the_triggers(
        office, table, statement.format(table=table, anna=ANNA.key, digest=record.digest, blob=blob)
    )
    (found,) = findings(office)
    assert found[:2] == (rule, table if rule != "four-eyes" else "methodology_version")
    if rule == "four-eyes":
        assert found[2] == f"{ID}/v1"
