"""From the database to a dossier: gathers what is frozen and streams the leaves."""

from collections.abc import Iterator
from typing import IO
from uuid import UUID

from sqlalchemy.orm import Session

from carbon_credit.catalogue import queries as catalogue
from carbon_credit.offsets import queries, states
from carbon_credit.offsets.dossier import rendering
from carbon_credit.offsets.dossier.declarations import MandateTerms
from carbon_credit.offsets.dossier.signing import Signer, signer_of
from carbon_credit.offsets.errors import NotFrozen, SaltDeleted
from carbon_credit.offsets.leaves import leaf_of, with_reductions
from carbon_credit.offsets.queries import BatchRecord
from carbon_credit.offsets.selection import Progress, mandates_by_id
from carbon_credit.verifier.leaf import Leaf
from carbon_credit.verifier.manifest import Manifest


def export_dossier(
    session: Session,
    *,
    programme: str,
    batch_id: UUID,
    edition: rendering.Edition,
    target: IO[bytes],
    signer: Signer | None = None,
    progress: Progress | None = None,
) -> Manifest:
    """Write a batch's dossier to `target`: the same bytes as long as the batch takes no step.

    `progress` hears how many leaves were written. Raises BatchNotFound, NotFrozen, SaltDeleted,
    DossierDiffers.
    """
    batch = queries.batch(session, programme=programme, batch_id=batch_id)
    if batch.state not in states.FIXED:
        raise NotFrozen(state=batch.state)
    salt = queries.salt(session, batch_id=batch_id)
    if salt is None and edition == "verifier":
        raise SaltDeleted
    frozen = _gather(session, batch, rooted=salt is not None)
    return rendering.render(
        target,
        frozen=frozen,
        leaves=_leaves(session, batch, salt or b"", progress),
        edition=edition,
        signer=signer or signer_of(session),
    )


def _gather(session: Session, batch: BatchRecord, *, rooted: bool) -> rendering.Frozen:
    issued = queries.serials_of_batch(session, batch_id=batch.id)
    method = catalogue.compiled_by_digest(session, digest=batch.version_digest)
    return rendering.Frozen(
        project=queries.project(session, programme=batch.programme, project_id=batch.project_id),
        batch=batch,
        methodology=method.methodology,
        # By digest: a rehearsal may have batched a draft whose text was replaced since.
        package_files=method.package.files,
        networks=catalogue.networks_of(session, programme=batch.programme),
        serials=(issued[0].first, issued[-1].last) if issued else None,
        rooted=rooted,
    )


def _leaves(
    session: Session, batch: BatchRecord, salt: bytes, progress: Progress | None
) -> Iterator[tuple[Leaf, MandateTerms]]:
    for portion in with_reductions(session, batch.id):
        mandates = mandates_by_id(session, [reduction for _item, reduction in portion])
        for item, reduction in portion:
            # A batched reduction has a mandate: without one it could not be filled in.
            mandate = mandates[reduction.mandate_id] if reduction.mandate_id else None
            terms = (mandate.text_version, mandate.share_percent) if mandate else ("", 0)
            yield leaf_of(item, reduction, salt=salt), terms
        if progress is not None:
            progress(len(portion))
