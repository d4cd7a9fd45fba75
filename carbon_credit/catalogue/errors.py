"""Why a programme, its activity types or the library of methodologies are not acceptable."""

from carbon_credit.kernel.errors import Misconfigured, NotFound
from carbon_credit.methodology.errors import DataError


class BindingRefused(DataError):
    """A programme may not use a methodology in this way."""

    code = "binding-refused"
    en = "{file}, line {line}, {key}: {what}. Change the binding's use, version or period."
    zh = "{file} 第 {line} 行 {key}：{what}。请修改绑定的用途、版本或期间。"


class RehearsalOnly(DataError):
    """Something that only a rehearsal (a code beginning with x-) may do."""

    code = "rehearsal-only"
    en = "{file}, line {line}, {key}: only a rehearsal, whose code begins with x-, may do this. Take it out."
    zh = "{file} 第 {line} 行 {key}：只有演练项目（代码以 x- 开头）可以这样设置。请删除。"


class CaseFailed(DataError):
    """A worked case of a methodology does not come out as written."""

    code = "case-failed"
    en = "{file}, case {key}: expected {expected}, found {found}. Correct the formula, a value or the case."
    zh = "{file} 用例 {key}：应为 {expected}，实为 {found}。请更正公式、参数或用例。"


class BorrowedDiffers(DataError):
    """A value says where it was borrowed from, and is not what stands there."""

    code = "borrowed-value-differs"
    en = "{file}, line {line}, {key}: {lender} holds {expected}. Copy that value, or name another lender."
    zh = "{file} 第 {line} 行 {key}：{lender} 的值为 {expected}。请照抄该值或改为其他来源。"


class ProgrammeNotFound(NotFound):
    """No programme of that code in this installation."""

    code = "programme-not-found"
    en = "There is no programme {programme} here. `carbon-credit methodology list` shows what there is."
    zh = "没有代码为 {programme} 的碳普惠项目。可用 carbon-credit methodology list 查看。"


class MethodologyNotFound(NotFound):
    """No such methodology version in the catalogue."""

    code = "methodology-not-found"
    en = "There is no methodology version {name} here. /v1/methodologies lists them."
    zh = "没有方法学版本 {name}。可在 /v1/methodologies 查看列表。"


class PublishedDigestDiffers(Misconfigured):
    """The folder holds other bytes than were published."""

    code = "published-digest-differs"
    en = (
        "{name} was published with digest {published}, the folder holds {found}. A published byte never "
        "changes: restore the files, or publish a new version."
    )
    zh = "{name} 发布时的摘要为 {published}，目录中为 {found}。已发布内容不可更改：请恢复文件或发布新版本。"
