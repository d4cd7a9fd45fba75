"""The demo's second half: points spent at merchants, one batch prepared, verified, registered, exported."""

from collections import Counter
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from uuid import UUID

from sqlalchemy.orm import Session

from carbon_credit.cli.context import Installation, progress
from carbon_credit.cli.demo_city import City
from carbon_credit.cli.dossiers import export_dossier
from carbon_credit.ledger.errors import InsufficientBalance
from carbon_credit.offsets import operations as offsets
from carbon_credit.offsets.dossier.rendering import Edition
from carbon_credit.offsets.errors import ProjectNotFound
from carbon_credit.offsets.queries import BatchRecord, project_by_code, serials_of_batch
from carbon_credit.offsets.queries import batch as batch_record
from carbon_credit.quantification.periods import next_month
from carbon_credit.redemption import operations as redemption
from carbon_credit.redemption.errors import LimitReached, OfferExhausted
from carbon_credit.redemption.offering.stock import add_stock
from carbon_credit.redemption.offers import approve_offer, propose_offer
from carbon_credit.redemption.terms.offer import OfferTerms
from carbon_credit.redemption.till.consuming import Place, consume

OFFERS = (
    ("绿色咖啡 Green Coffee", "手冲咖啡一杯", "A cup of pour-over coffee", 20, 1_500, 120),
    ("低碳书店 Low-carbon Books", "书店十元券", "Ten yuan at the bookshop", 15, 1_000, 200),
)
SHOPPERS = 360
EDITIONS: tuple[Edition, ...] = ("verifier", "exchange")
PROJECT = "metro-demo"


@dataclass(frozen=True, slots=True)
class Sold:
    """The registered batch and where its dossiers are."""

    batch: BatchRecord
    serials: list[str]
    verifier_edition: Path
    exchange_edition: Path


def redeem(here: Installation, city: City) -> Counter[str]:
    """Citizens take vouchers; merchants consume most, some are cancelled, some left to run out."""
    offers = [here.act(lambda session, now, one=one: _offer(session, city, one, now)) for one in OFFERS]  # type: ignore[misc]
    done: Counter[str] = Counter()
    with progress(f"Redeeming in {city.programme}", total=SHOPPERS) as step:
        for place, citizen_id in enumerate(city.people[:SHOPPERS]):
            offer_id, merchant_id = offers[place % len(offers)]
            done[_shop(here, city, citizen_id, offer_id, merchant_id, place)] += 1
            step(1)
    return done


def sell(here: Installation, city: City, month: date, folder: Path) -> Sold:
    """Project, preview, open, fill, freeze, verify by another, register, both editions of the dossier."""
    operator, verifier = (
        f"operator:{city.parties['运营 Operator']}",
        f"verifier:{city.parties['核证 Verifier']}",
    )
    programme = city.programme
    with progress(f"Batch of {programme} {month:%Y-%m}", total=8) as step:
        batch = here.act(lambda session, now: _open(session, programme, month, operator, now))
        step(2)
        for verb, actor, more in (
            (offsets.fill_batch, operator, {}),
            (offsets.freeze_batch, operator, {}),
            (offsets.start_verification, verifier, {}),
            (offsets.verify_batch, verifier, {"statement": "DEMO-0001"}),
            (offsets.apply_batch, operator, {"document": "DEMO-A-0001"}),
            (offsets.register_batch, operator, {}),
        ):
            here.act(
                lambda session, now, verb=verb, actor=actor, more=more: verb(  # type: ignore[misc]
                    session, programme=programme, batch_id=batch.id, actor=actor, now=now, **more
                )
            )
            step(1)
    editions = [
        export_dossier(here, programme=programme, batch_id=batch.id, edition=edition, folder=folder)
        for edition in EDITIONS
    ]
    registered, numbers = here.act(lambda session, _: _registered(session, programme, batch.id))
    return Sold(registered, numbers, editions[0], editions[1])


def _offer(
    session: Session, city: City, one: tuple[str, str, str, int, int, int], now: datetime
) -> tuple[UUID, UUID]:
    merchant, title_zh, title_en, price, value_fen, pieces = one
    terms = OfferTerms(
        title_zh=title_zh,
        title_en=title_en,
        points_price=price,
        value_fen=value_fen,
        opens_at=now,
        closes_at=now + timedelta(days=90),
        voucher_ttl_s=14 * 86_400,
        per_citizen_limit=2,
    )
    merchant_id = city.parties[merchant]
    offer_id = propose_offer(session, programme=city.programme, merchant_id=merchant_id, terms=terms, now=now)
    approve_offer(
        session,
        programme=city.programme,
        operator_id=city.parties["运营 Operator"],
        offer_id=offer_id,
        now=now,
    )
    add_stock(session, programme=city.programme, offer_id=offer_id, pieces=pieces, now=now)
    return offer_id, merchant_id


def _shop(
    here: Installation, city: City, citizen_id: UUID, offer_id: UUID, merchant_id: UUID, place: int
) -> str:
    """What became of one citizen's wish."""
    try:
        voucher = here.act(
            lambda session, now: redemption.reserve(
                session, programme=city.programme, citizen_id=citizen_id, offer_id=offer_id, now=now
            )
        )
    except (InsufficientBalance, OfferExhausted, LimitReached) as error:
        return error.code
    if place % 12 == 0:
        here.act(
            lambda session, now: redemption.cancel(
                session, programme=city.programme, citizen_id=citizen_id, redemption_id=voucher.id, now=now
            )
        )
        return "cancelled"
    if place % 7 == 0:
        return "held"
    here.act(lambda session, now: consume(session, place=Place(merchant_id), text=str(voucher.code), now=now))
    return "consumed"


def _open(session: Session, programme: str, month: date, operator: str, now: datetime) -> BatchRecord:
    try:
        project = project_by_code(session, programme=programme, code=PROJECT)
    except ProjectNotFound:
        terms = offsets.ProjectTerms(
            code=PROJECT,
            name_zh="演练：深圳地铁低碳出行",
            name_en="Rehearsal: low-carbon metro rides in Shenzhen",
            owner="Demo owner",
            applicant="Demo operator",
            boundary_zh="深圳市轨道交通乘客出行",
            boundary_en="Passenger trips on Shenzhen's metro",
            methodology_id="sz-public-transit",
            activity_types=["metro.ride", "bus.ride"],
            crediting_from=date(2020, 1, 1),
            crediting_to=date(2030, 1, 1),
        )
        project = offsets.create_project(session, programme=programme, terms=terms, actor=operator, now=now)
    return offsets.open_batch(
        session,
        programme=programme,
        project_id=project.id,
        methodology_version="v1",
        starts_on=month,
        ends_before=next_month(month),
        actor=operator,
        now=now,
    )


def _registered(session: Session, programme: str, batch_id: UUID) -> tuple[BatchRecord, list[str]]:
    ranges = serials_of_batch(session, batch_id=batch_id)
    return batch_record(session, programme=programme, batch_id=batch_id), [
        f"{one.first}..{one.last}" for one in ranges
    ]
