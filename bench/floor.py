"""The floor of the bulk path: the rows that crediting writes, and the least work that gets them there.

The rows are those that our own path has written for the same rides in a copy of the same template, joined
to one staging row an event and kept as bytes of a binary COPY: the same ids, the same words, MACs of 16
bytes. A batch is one transaction: COPY into a temporary staging table; INSERT .. SELECT .. ON CONFLICT DO
NOTHING of the claims, and what was known before leaves the staging table; INSERT .. SELECT into `event`,
`reduction` and, twice, `transfer`; the day's tallies and the balances by aggregation, INSERT .. ON CONFLICT
DO UPDATE in the order of their ids, so that two connections cannot deadlock. The tables have all their
indexes, constraints and triggers. What is the same for each activity type (methodology, digests of 64
characters) comes from a table of a few rows. Python hands over bytes; it looks at no event. Nothing is
asked either: no card, no consent, no cap, no closed day; nobody could run a programme on it.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path
from threading import Barrier
from time import perf_counter, process_time

import psycopg

from bench.town import Spent, Town, backend_seconds, plain
from carbon_credit.kernel.settings import Settings

# One row an event of what crediting wrote after the history; the k-th grant of a person's day goes with
# the k-th event of it.
_JOINED = """
CREATE UNLOGGED TABLE prepared AS
WITH fresh AS (
  SELECT e.*, row_number() OVER (PARTITION BY e.citizen_id, e.business_day ORDER BY e.id) AS place
  FROM event e
), granted AS (
  SELECT t.*, row_number() OVER (PARTITION BY t.reference ORDER BY t.id) AS place
  FROM transfer t WHERE t.code = 'points.grant'
)
SELECT row_number() OVER (ORDER BY e.id) AS n,
  e.claim_key, e.content_digest, e.id AS event_id, e.activity_type, e.citizen_id, e.occurred_at, e.ended_at,
  e.received_at, e.business_day, e.quantities, e.mac AS event_mac,
  r.id AS reduction_id, r.inputs, r.gross_mg, r.credited_mg, r.consent_id, r.mandate_id,
  r.mac AS reduction_mac,
  g.id AS grams_id, g.credit_account AS grams_account, g.mac AS grams_mac,
  p.id AS points_id, p.credit_account AS points_account, p.amount AS points, p.mac AS points_mac,
  c.id AS cap_tally, d.id AS points_tally
FROM fresh e
JOIN reduction r ON r.event_id = e.id
JOIN transfer g ON g.reference = r.id AND g.code = 'reduction.credit'
JOIN day_tally c ON c.citizen_id = e.citizen_id AND c.business_day = e.business_day
  AND c.scope = 'cap:' || e.activity_type
JOIN day_tally d ON d.citizen_id = e.citizen_id AND d.business_day = e.business_day
  AND d.scope = 'points:grams'
LEFT JOIN granted p ON p.reference = d.id AND p.place = e.place
"""
_KINDS = """
CREATE TABLE kind_of_ride AS SELECT DISTINCT activity_type, business_day, programme, partner_id, scene,
  vintage, methodology_id, methodology_version, version_digest, profile_digest, use, tier, grade
FROM reduction
"""
_SIDES = """
CREATE TABLE side AS SELECT
  (SELECT id FROM account WHERE kind = 'programme.source') AS grams_from,
  (SELECT id FROM account WHERE kind = 'programme.points') AS points_from,
  (SELECT max(lot) FROM account WHERE kind = 'citizen.points') AS lot
"""
_GIVEN = {"kind_of_ride": _KINDS, "side": _SIDES}

_STAGED = {
    "uuid": "claim_key content_digest event_id citizen_id reduction_id consent_id mandate_id grams_id"
    " grams_account points_id points_account cap_tally points_tally",
    "text": "activity_type quantities inputs",
    "bytea": "event_mac reduction_mac grams_mac points_mac",
    "bigint": "gross_mg credited_mg points",
    "timestamptz": "occurred_at ended_at received_at",
    "date": "business_day",
}
_COLUMNS = [(name, kind) for kind, names in _STAGED.items() for name in names.split()]
_NAMES = ", ".join(name for name, _ in _COLUMNS)
_STAGING = "CREATE TEMPORARY TABLE staging ({}) ON COMMIT DELETE ROWS".format(
    ", ".join(f"{name} {kind}" for name, kind in _COLUMNS)
)
_KNOWN = """
DELETE FROM staging s USING event_claim c WHERE c.claim_key = s.claim_key AND c.event_id <> s.event_id
"""
_KIND = "FROM staging s JOIN kind_of_ride k USING (activity_type, business_day)"
_CLAIMS = f"""
INSERT INTO event_claim (claim_key, partner_id, revision, content_digest, outcome, reason, retryable,
  event_id, claimed_at)
SELECT claim_key, partner_id, 1, content_digest, 'credited', NULL, false, event_id, received_at
{_KIND} ORDER BY claim_key ON CONFLICT DO NOTHING
"""
_INSERTS = (
    f"""
INSERT INTO event (id, programme, partner_id, claim_key, revision, activity_type, citizen_id, occurred_at,
  ended_at, received_at, recorded_at, business_day, quantities, tier, declared_mg, content_digest, mac)
SELECT event_id, programme, partner_id, claim_key, 1, activity_type, citizen_id, occurred_at, ended_at,
  received_at, received_at, business_day, quantities, tier, NULL, content_digest, event_mac {_KIND}
""",
    f"""
INSERT INTO reduction (id, event_id, programme, partner_id, citizen_id, activity_type, scene, occurred_at,
  business_day, accounting_day, vintage, methodology_id, methodology_version, version_digest, profile_digest,
  use, inputs, tier, grade, gross_mg, credited_mg, cap_code, consent_id, mandate_id, recorded_at, mac)
SELECT reduction_id, event_id, programme, partner_id, citizen_id, activity_type, scene, occurred_at,
  business_day, business_day, vintage, methodology_id, methodology_version, version_digest, profile_digest,
  use, inputs, tier, grade, gross_mg, credited_mg, NULL, consent_id, mandate_id, received_at, reduction_mac
{_KIND}
""",
    f"""
INSERT INTO day_tally AS t (id, programme, citizen_id, business_day, scope, events, capped, amount, granted)
SELECT id, programme, citizen_id, business_day, scope, count(*), 0, sum(amount), sum(granted) FROM (
  SELECT cap_tally AS id, programme, citizen_id, business_day, 'cap:' || activity_type AS scope,
    gross_mg AS amount, credited_mg AS granted {_KIND}
  UNION ALL
  SELECT points_tally, programme, citizen_id, business_day, 'points:grams', credited_mg, coalesce(points, 0)
    {_KIND}
) AS u GROUP BY 1, 2, 3, 4, 5 ORDER BY id
ON CONFLICT (id) DO UPDATE SET events = t.events + excluded.events, amount = t.amount + excluded.amount,
  granted = t.granted + excluded.granted
""",
    f"""
INSERT INTO transfer (id, programme, asset, code, phase, debit_account, credit_account, amount, pending_id,
  reverses_id, expires_at, effective_at, recorded_at, reference, mac)
SELECT grams_id, programme, 'co2e_mg', 'reduction.credit', 'posted', grams_from, grams_account, credited_mg,
  NULL::uuid, NULL::uuid, NULL::timestamptz, occurred_at, received_at, reduction_id, grams_mac
{_KIND}, side
UNION ALL
SELECT points_id, programme, 'points', 'points.grant', 'posted', points_from, points_account, points,
  NULL, NULL, NULL, received_at, received_at, points_tally, points_mac
{_KIND}, side WHERE points_id IS NOT NULL
""",
    f"""
INSERT INTO account AS a (id, programme, asset, kind, owner, lot, side, debits_posted, credits_posted,
  debits_pending, credits_pending)
SELECT id, programme, asset, kind, citizen_id, lot, 'guarded', 0, sum(amount), 0, 0 FROM (
  SELECT grams_account AS id, programme, 'co2e_mg' AS asset, 'citizen.reductions' AS kind, citizen_id,
    '' AS lot, credited_mg AS amount {_KIND}
  UNION ALL
  SELECT points_account, programme, 'points', 'citizen.points', citizen_id, lot, points
    {_KIND}, side WHERE points_id IS NOT NULL
) AS u GROUP BY 1, 2, 3, 4, 5, 6 ORDER BY id
ON CONFLICT (id) DO UPDATE SET credits_posted = a.credits_posted + excluded.credits_posted
""",
)


class Floor:
    """Prepared bytes of a town's rides, and the statements that get them into a copy of the template."""

    def __init__(self, town: Town, credited: Settings, sizes: Sequence[int]) -> None:
        """`credited`: a copy in which our own path has credited all rides; `sizes` of the batches."""
        self._part = town.parts[0]
        self._folder = town.folder / "floor"
        with psycopg.connect(plain(credited)) as connection:
            connection.execute(_JOINED)
            connection.execute("CREATE INDEX ON prepared (n)")
            self._given = {name: _made(connection, name, statement) for name, statement in _GIVEN.items()}
            for size in sizes:
                self._write(connection, size)
            connection.rollback()

    def run(self, settings: Settings, *, size: int, connections: int) -> Spent:
        """All rides in batches of `size`; each connection takes the next batch when it can."""
        with psycopg.connect(plain(settings)) as connection:
            for definition, rows in self._given.values():
                connection.execute(definition)
                _copy(connection, definition.split()[2], rows)
        files = sorted((self._folder / str(size)).iterdir())
        turn, ready = count(), Barrier(connections + 1)
        with ThreadPoolExecutor(connections) as pool:
            done = [pool.submit(_run, plain(settings), files, turn, ready) for _ in range(connections)]
            ready.wait(timeout=60)
            begin, client_s = perf_counter(), process_time()
            server_s = sum(one.result() for one in done)
            return Spent(perf_counter() - begin, process_time() - client_s, server_s)

    def _write(self, connection: psycopg.Connection, size: int) -> None:
        folder = self._folder / str(size)
        folder.mkdir(parents=True)
        first = self._part.history  # the first rows are there already
        for number, begin in enumerate(range(first, first + self._part.count, size)):
            part = f"SELECT {_NAMES} FROM prepared WHERE n > {begin} AND n <= {begin + size} ORDER BY n"
            (folder / f"{number:06}").write_bytes(_bytes(connection, part))


def _run(url: str, files: Sequence[Path], turn: Iterator[int], ready: Barrier) -> float:
    """Processor seconds of the backend."""
    with psycopg.connect(url) as connection:
        connection.execute(_STAGING)
        connection.commit()
        backend = connection.info.backend_pid
        ready.wait(timeout=60)
        before = backend_seconds(backend)
        while (place := next(turn)) < len(files):
            _copy(connection, "staging", files[place].read_bytes(), _NAMES)
            staged = connection.execute("SELECT count(*) FROM staging").fetchone()
            if (connection.execute(_CLAIMS).rowcount,) != staged:
                connection.execute(_KNOWN)
            for statement in _INSERTS:
                connection.execute(statement)
            connection.commit()
        return backend_seconds(backend) - before


def _made(connection: psycopg.Connection, name: str, statement: str) -> tuple[str, bytes]:
    """The definition and the rows of a small table that is computed beforehand."""
    connection.execute(statement)
    columns = connection.execute(
        "SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute"
        " WHERE attrelid = %s::regclass AND attnum > 0 ORDER BY attnum",
        (name,),
    )
    listed = ", ".join(f"{column} {kind}" for column, kind in columns)
    return f"CREATE TABLE {name} ({listed})", _bytes(connection, f"TABLE {name}")


def _bytes(connection: psycopg.Connection, query: str) -> bytes:
    with connection.cursor().copy(f"COPY ({query}) TO STDOUT (FORMAT BINARY)") as copy:
        return b"".join(copy)


def _copy(connection: psycopg.Connection, table: str, rows: bytes, names: str = "") -> None:
    columns = f"({names})" if names else ""
    with connection.cursor().copy(f"COPY {table} {columns} FROM STDIN (FORMAT BINARY)") as copy:
        copy.write(rows)
