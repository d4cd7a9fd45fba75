"""`offer codes`: codes of a pool from a file, by its merchant or an operator: all, or none and why."""

from datetime import timedelta
from pathlib import Path
from uuid import UUID

from carbon_credit.kernel import clock
from carbon_credit.kernel.db import Database
from carbon_credit.kernel.unit_of_work import transact, unit_of_work
from carbon_credit.redemption.offering.codes import Pool, pool
from carbon_credit.redemption.offers import propose_offer
from carbon_credit.redemption.queries import offer
from carbon_credit.redemption.terms.offer import OfferTerms
from tests.cli.conftest import Run
from tests.world import World

HOME = ("--programme", "x-gd-sz")


def credential(run: Run, role: str, name: str) -> tuple[str, UUID]:
    """What --as takes, and whose it is."""
    told = run("party", "add", *HOME, "--role", role, "--name", name, "--json").json
    return f"{told['client_id']}:{told['client_secret']}", UUID(told["party"])


def proposed(world: World, merchant: UUID, kind: str = "code_pool") -> UUID:
    now = clock.now()
    terms = OfferTerms(
        title_zh="视频会员",
        title_en="A month of films",
        points_price=100,
        value_fen=1_500,
        opens_at=now,
        closes_at=now + timedelta(days=30),
        voucher_ttl_s=3600,
        kind=kind,
    )
    return transact(
        world.database,
        lambda session: propose_offer(
            session, programme=world.programme, merchant_id=merchant, terms=terms, now=now
        ),
    )


def seen(world: World, offer_id: UUID) -> tuple[Pool, int]:
    """The pool's codes, and the pieces that can be had."""
    with unit_of_work(world.database, read_only=True) as session:
        pieces = offer(session, programme=world.programme, offer_id=offer_id).left
        return pool(session, offer_id=offer_id), pieces


def test_codes_come_from_three_forms_of_file_and_are_its_pieces(
    run: Run, embedded: Database, tmp_path: Path
) -> None:
    world = World(embedded, people=1)
    merchant, merchant_id = credential(run, "merchant", "Films")
    operator, _ = credential(run, "operator", "Office")
    number = proposed(world, merchant_id)
    files = {
        "a.csv": "name,code\nfirst,FILM-1\nsecond,FILM-2\n",
        "b.ndjson": '"FILM-3"\n\n{"code": "FILM-4"}\n',
        "c.json": '["FILM-5"]',
    }
    added = 0
    for (name, text), who in zip(files.items(), (merchant, operator, merchant), strict=True):
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        told = run("offer", "codes", str(path), *HOME, "--offer", str(number), "--as", who, "--json")
        assert (told.status, told.json["offer"]) == (0, str(number)), told.err
        added += told.json["added"]
        assert "FILM-" not in told.out + told.err
    assert added == 5
    assert seen(world, number) == (Pool(unused=5, given=0, withdrawn=0), 5)


def test_one_bad_line_keeps_all_of_them_out(run: Run, embedded: Database, tmp_path: Path) -> None:
    world = World(embedded, people=1)
    merchant, merchant_id = credential(run, "merchant", "Films")
    number = proposed(world, merchant_id)
    path = tmp_path / "codes.csv"
    ask = ("offer", "codes", str(path), *HOME, "--offer", str(number), "--as", merchant)
    path.write_text("FILM-1\nFILM-2\n", encoding="utf-8")
    told = run(*ask)
    assert (told.status, told.out) == (0, "")
    assert "2 codes added" in told.err
    path.write_text("FILM-3\nFILM-2\nFILM-4\nFILM-3\n \n", encoding="utf-8")
    told = run(*ask)
    told.refused("codes-refused")
    for line in ("line 2: in-pool", "line 4: as-line-1", "line 5: empty"):
        assert line in told.err, told.err
    assert "FILM-" not in told.err
    path.write_bytes(b"FILM-3\n\xff\xfe\n")
    run(*ask).refused("code-file-unreadable")
    assert seen(world, number) == (Pool(unused=2, given=0, withdrawn=0), 2)


def test_who_may_and_into_what_is_asked_first(run: Run, embedded: Database, tmp_path: Path) -> None:
    world = World(embedded, people=1)
    merchant, merchant_id = credential(run, "merchant", "Films")
    rival, _ = credential(run, "merchant", "Books")
    partner, _ = credential(run, "partner", "App")
    number, coupon = proposed(world, merchant_id), proposed(world, merchant_id, kind="coupon")
    path = tmp_path / "codes.csv"
    path.write_text("FILM-1\n", encoding="utf-8")
    ask = ("offer", "codes", str(path), *HOME, "--offer", str(number))
    run(*ask).refused("--as")
    run(*ask, "--as", partner).refused("is no merchant")
    run(*ask, "--as", rival).refused("offer-not-found")
    run(*ask[:-1], str(coupon), "--as", merchant).refused("no code pool")
    other = path.rename(tmp_path / "codes.txt")
    run("offer", "codes", str(other), *ask[3:], "--as", merchant).refused(".ndjson")
    assert seen(world, number) == (Pool(unused=0, given=0, withdrawn=0), 0)
