"""What the operator declares with a dossier, in Chinese and English, and the figures behind it."""

from collections.abc import Mapping
from typing import TypeAlias

from carbon_credit.kernel.digest import canonical_json
from carbon_credit.offsets.queries import BatchRecord, ProjectRecord
from carbon_credit.offsets.selection import REASONS

# (text version, share promised in percent) of a mandate
MandateTerms: TypeAlias = tuple[str, int]

STATEMENTS = (
    (
        "no-double-claim",
        "本批次的每一毫克减排量只计入一个批次；截至冻结之时，未在本系统的其他批次、项目或碳普惠计划中申报。",
        "Each milligram of this batch is in one batch only and, at the time of the freeze, was claimed in no "
        "other batch, project or programme of this installation.",
    ),
    (
        "closed-periods",
        "本批次只含所属日期和月份均已关账的减排量。",
        "This batch holds only reductions whose day and month are closed.",
    ),
    (
        "mandates",
        "每条减排量均在用户委托有效期间产生，且冻结时委托未撤销。",
        "Each reduction arose while its citizen's mandate was in force, and no mandate had been withdrawn at "
        "the freeze.",
    ),
    (
        "consents",
        "每条减排量均在用户同意处理相应场景数据期间产生。",
        "Each reduction arose under its citizen's consent to the processing of that scene's data.",
    ),
    (
        "exclusions",
        "未纳入本批次的减排量及原因列于 exclusions。",
        "Reductions that were left out, and why, are listed under exclusions.",
    ),
)
REHEARSAL = (
    "rehearsal",
    "演练：本材料用于演练，含未经官方确认的数值，不得用于任何市场或清缴。",
    "Rehearsal: this file serves practice, holds values that are not officially confirmed, and may enter no "
    "market and no surrender.",
)


def declarations_json(
    *, project: ProjectRecord, batch: BatchRecord, mandates: Mapping[MandateTerms, int], reductions: int
) -> bytes:
    """declarations.json: statements, mandates and consents by number of reductions, exclusions."""
    statements = STATEMENTS + ((REHEARSAL,) if batch.rehearsal else ())
    return (
        canonical_json(
            {
                "applicant": project.applicant,
                "owner": project.owner,
                "statements": [{"code": code, "zh": zh, "en": en} for code, zh, en in statements],
                "mandates": [
                    {"text_version": version, "share_percent": share, "reductions": count}
                    for (version, share), count in sorted(mandates.items())
                ],
                "consents": {"reductions": reductions},
                "exclusions": [
                    {
                        "reason": one.reason,
                        "zh": REASONS[one.reason][0],
                        "en": REASONS[one.reason][1],
                        "reductions": one.count,
                        "mg": one.mg,
                    }
                    for one in batch.exclusions
                ],
            }
        )
        + b"\n"
    )
