"""From a draft to a published version, and from a value to an official one: two operators for each step."""

import base64
import binascii
from dataclasses import asdict
from typing import Any

from marshmallow import fields, validate

from carbon_credit.api.auth import access
from carbon_credit.api.fields import Flag, Text, Word
from carbon_credit.api.operation import Call, writes
from carbon_credit.api.operators.methodologies import GRADES, MethodologyVersion
from carbon_credit.api.schemas import Answer, Strict
from carbon_credit.catalogue import confirmation, publication
from carbon_credit.catalogue import queries as catalogue
from carbon_credit.catalogue.confirmation import Finding
from carbon_credit.catalogue.errors import (
    CaseFailed,
    DraftChanged,
    FileNotInPackage,
    MethodologyNotFound,
    NotPublishable,
    OfficialUnconfirmed,
    PartOfficialAlready,
    PartUnknown,
    PartWithoutValue,
    SecondOperatorNeeded,
    StatedDiffers,
    VersionNotInState,
    VersionSuperseded,
    VersionTaken,
)
from carbon_credit.catalogue.recording import Actor
from carbon_credit.identity.scopes import OPERATOR
from carbon_credit.kernel.clock import business_day
from carbon_credit.kernel.digest import sha256_hex
from carbon_credit.kernel.errors import Invalid
from carbon_credit.methodology.errors import DataError

_WRITE = access(OPERATOR, scope="methodologies:write")
_LONGEST_FILE = 262_144  # as for files of the folder
_FILE_NAME = r"^[a-z][a-z0-9./-]{0,99}$"
_DIGEST = r"^[0-9a-f]{64}$"
_SHOWN = "5c056b39e28a238d177c26d545678e914256e690f56a1d54a7a80fabaf0ad982"


class FileNotBase64(Invalid):
    """The document's file did not come as base64."""

    code = "file-not-base64"
    en = "`file` is not base64. Encode the bytes of the document's file, standard alphabet, with padding."
    zh = "`file` 不是 base64。请用标准字母表（含补位符）对文件内容编码。"


class PackageIn(Strict):
    """The files of one version: methodology.yaml, cases.yaml, factors/<name>.yaml for the sets it names."""

    files = fields.Dict(
        keys=fields.String(validate=validate.Regexp(_FILE_NAME)),
        values=fields.String(validate=validate.Length(min=1, max=_LONGEST_FILE)),
        required=True,
        validate=validate.Length(min=1, max=40),
        metadata={"example": {"methodology.yaml": "id: gz-metro-ride\n", "cases.yaml": "cases:\n"}},
    )


class ApprovalIn(Strict):
    """What is approved: the digest of the version as the operator has read it."""

    digest = Text(longest=64, pattern=_DIGEST, required=True, metadata={"example": _SHOWN})


class RetirementIn(Strict):
    """Why the version is no longer applied."""

    reason = Text(longest=500, required=True, metadata={"example": "Replaced by the 2026 edition."})


class ConfirmationIn(Strict):
    """A value as the official document states it, and the document's file. Of the file only the SHA-256 is
    kept."""

    part = Text(longest=160, required=True, metadata={"example": "parameters.RF_metro[0]"})
    stated = Text(longest=4000, required=True, metadata={"example": "46.8"})
    document = Text(
        longest=500, required=True, metadata={"example": "深圳市低碳公共出行碳普惠方法学（试行）"}
    )
    document_number = Text(longest=500, required=True, metadata={"example": "深环〔2021〕1号"})
    clause = Text(longest=500, required=True, metadata={"example": "表 2"})
    address = Text(longest=500, load_default=None, metadata={"example": "https://meeb.sz.gov.cn/1.pdf"})
    file = fields.String(
        required=True,
        validate=validate.Length(min=4),
        metadata={"description": "The bytes of the file, base64.", "example": "JVBERi0xLjcK"},
    )


class PublicationStep(Answer):
    """Where a version stands after an approval."""

    done = Flag(
        required=True, metadata={"description": "false: another operator must approve.", "example": True}
    )
    version = fields.Nested(MethodologyVersion, required=True)


class ConfirmationOut(Answer):
    """What came of a confirmation."""

    part = fields.String(required=True, metadata={"example": "parameters.RF_metro[0]"})
    grade = Word(*GRADES, required=True, metadata={"example": "official"})
    draft = fields.Nested(
        MethodologyVersion,
        required=True,
        allow_none=True,
        metadata={"description": "The version in which it is official; null: another operator must confirm."},
    )


@writes(
    allowed=_WRITE,
    takes=PackageIn,
    answer=MethodologyVersion,
    status=201,
    raises=(DataError, FileNotInPackage, VersionTaken),
)
def upload_methodology(call: Call) -> dict[str, Any]:
    """Upload a version as a draft, in place of the draft that was there.

    What is published never changes: upload it under the next version.
    """
    files = {name: text.encode() for name, text in call.body["files"].items()}
    return asdict(publication.upload(call.session, files=files, actor=_actor(call), now=call.now))


@writes(
    allowed=_WRITE,
    takes=ApprovalIn,
    answer=PublicationStep,
    raises=(
        MethodologyNotFound,
        VersionNotInState,
        DraftChanged,
        SecondOperatorNeeded,
        NotPublishable,
        OfficialUnconfirmed,
        CaseFailed,
        DataError,
    ),
)
def publish_methodology(call: Call, methodology_id: str, version: str) -> dict[str, Any]:
    """Approve the publication of a draft; a second operator's approval of the same bytes publishes it.

    Then it governs, and where it supersedes another, takes its place at once.
    """
    zone = catalogue.time_zone(call.session, programme=call.caller.programme)
    step = publication.approve_publication(
        call.session,
        methodology_id=methodology_id,
        version=version,
        digest=call.body["digest"],
        actor=_actor(call),
        on=business_day(call.now, zone),
        now=call.now,
    )
    return {"done": step.done, "version": asdict(step.version)}


@writes(
    allowed=_WRITE,
    takes=RetirementIn,
    answer=PublicationStep,
    raises=(MethodologyNotFound, VersionNotInState, SecondOperatorNeeded),
)
def retire_methodology(call: Call, methodology_id: str, version: str) -> dict[str, Any]:
    """Approve that a published version is no longer applied; a second operator's approval retires it.

    What it has credited stays.
    """
    step = publication.approve_retirement(
        call.session,
        methodology_id=methodology_id,
        version=version,
        reason=call.body["reason"],
        actor=_actor(call),
        now=call.now,
    )
    return {"done": step.done, "version": asdict(step.version)}


@writes(
    allowed=_WRITE,
    takes=ConfirmationIn,
    answer=ConfirmationOut,
    raises=(
        FileNotBase64,
        MethodologyNotFound,
        VersionNotInState,
        VersionSuperseded,
        PartUnknown,
        PartWithoutValue,
        PartOfficialAlready,
        StatedDiffers,
        SecondOperatorNeeded,
    ),
)
def confirm_value(call: Call, methodology_id: str, version: str) -> dict[str, Any]:
    """Confirm a value by its official document.

    When two operators have found the same value in the same file, a draft of the next version is composed in
    which it is `official`. The value must be the one that the methodology holds.
    """
    told = dict(call.body)
    try:
        data = base64.b64decode(told.pop("file"), validate=True)
    except (binascii.Error, ValueError):
        raise FileNotBase64 from None
    found = confirmation.confirm(
        call.session,
        methodology_id=methodology_id,
        version=version,
        finding=Finding(number=told.pop("document_number"), file_sha256=sha256_hex(data), **told),
        actor=_actor(call),
        now=call.now,
    )
    return {"part": found.part, "grade": found.grade, "draft": asdict(found.draft) if found.draft else None}


def _actor(call: Call) -> Actor:
    return Actor(party_id=call.caller.id, programme=call.caller.programme, key=call.caller.key)
