"""Why a programme, its activity types or the library of methodologies are not acceptable."""

from carbon_credit.kernel.errors import Broken, Conflict, Invalid, Misconfigured, NotFound
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


class PastRulesChanged(Misconfigured):
    """A new profile says something else about days that are over."""

    code = "past-rules-changed"
    en = (
        "{programme}: the new profile changes {rules} for days before {today}. What people were told is "
        "kept: leave the old rule, end it with effective_to, and add the new one from {today} on or later."
    )
    zh = (
        "{programme}：新的项目文件更改了 {today} 之前日期的 {rules}。已适用的规则不得更改："
        "请保留原规则并用 effective_to 截止，再自 {today} 或之后新增规则。"
    )


class NoticeTooShort(Misconfigured):
    """A new profile changes the rules on points sooner than people were promised to be told."""

    code = "notice-too-short"
    en = (
        "{programme}: the new profile changes {rules} without the notice of {days} days that the programme "
        "has promised. Let the change hold from {first} on, or later."
    )
    zh = (
        "{programme}：新的项目文件更改了 {rules}，但未满足项目承诺的提前 {days} 天公示。"
        "请将变更的生效日期改为 {first} 或之后。"
    )


class LockLineWrong(DataError):
    """A line of published.lock that cannot be read, or a version that stands there twice."""

    code = "lock-line-wrong"
    en = "{file}, line {line}: {key!r} is no line `id version sha256`, or is there twice. Restore the file."
    zh = "{file} 第 {line} 行：{key!r} 不是“编号 版本 摘要”格式，或重复出现。请恢复该文件。"


class LockedDiffers(DataError):
    """The folder does not hold what published.lock names."""

    code = "locked-differs"
    en = "{file}: {key} is published with digest {locked}, the folder holds {found}. Restore the files."
    zh = "{file}：{key} 已以摘要 {locked} 发布，目录中为 {found}。请恢复文件。"


class FileUnread(DataError):
    """A file that looks like data and is read by nothing."""

    code = "data-file-unread"
    en = (
        "{file}: nothing reads this file. A version is <id>/v<number>/ with methodology.yaml, cases.yaml "
        "and, where it has one, overlay.yaml; beside it there are factors/<name>.yaml, "
        "programmes/<code>.yaml, activities.yaml and personas.yaml. Rename it or take it away."
    )
    zh = (
        "{file}：没有任何程序读取此文件。每个版本是 <id>/v<序号>/ 文件夹，含 methodology.yaml、cases.yaml，"
        "以及可选的 overlay.yaml；另有 factors/<名称>.yaml、programmes/<代码>.yaml、activities.yaml 和 "
        "personas.yaml。请改名或移除。"
    )


class OfficialInFolder(DataError):
    """A file claims the grade official and names no file by which it was confirmed."""

    code = "official-in-folder"
    en = (
        "{file}, line {line}, {key}: the grade official is given by the confirmations of two operators, not "
        "by a file. Write the grade that the value has now; see `carbon-credit methodology confirm`."
    )
    zh = (
        "{file} 第 {line} 行 {key}：official 等级由两名运营人员确认产生，不能直接写入文件。"
        "请填写当前等级；参见 carbon-credit methodology confirm。"
    )


class StoredTextDiffers(Broken):
    """The bytes of a version in the database are not those of its digest."""

    code = "stored-text-differs"
    en = (
        "{name} is stored under the digest {digest}, and its bytes have {found}: the row was changed outside "
        "the service. Nothing is computed with it. Restore it from a backup or the published package."
    )
    zh = (
        "{name} 以摘要 {digest} 存储，实际内容为 {found}：该行在服务之外被改动，不再用于计算。"
        "请从备份或已发布的方法学包恢复。"
    )


class VersionTaken(Conflict):
    """An upload would change what is published."""

    code = "version-taken"
    en = "{name} is {state}, and a published byte never changes. Raise `version` and upload that."
    zh = "{name} 的状态为 {state}，已发布内容不可更改。请提高 version 后重新上传。"


class VersionNotInState(Conflict):
    """The version is not where this step begins."""

    code = "version-not-in-state"
    en = "{name} is {state}; this needs one that is {needed}. GET the version to see where it stands."
    zh = "{name} 的状态为 {state}，此操作需要 {needed}。请查询该版本的当前状态。"


class DraftChanged(Conflict):
    """What is to be approved is not what the caller has read."""

    code = "draft-changed"
    en = "{name} now has the digest {found}, not {given}: it was replaced. Read it again, then approve that."
    zh = "{name} 当前摘要为 {found}，而不是 {given}：内容已被替换。请重新阅读后再批准。"


class SecondOperatorNeeded(Conflict):
    """Four eyes: the same party has done its part already."""

    code = "second-operator-needed"
    en = (
        "You have done this for {name} already, on {day}. It takes two: another "
        "operator of your programme must do the same."
    )
    zh = "您已于 {day} 对 {name} 执行过此操作。需要两名运营人员：请由同一项目的另一名运营人员操作。"


class NotPublishable(Invalid):
    """Something that a published version may not have, or must have."""

    code = "not-publishable"
    en = "{name} cannot be published: {why}. Correct the draft, upload it again, and approve that."
    zh = "{name} 不能发布：{why}。请修改草案、重新上传并批准。"


class OfficialUnconfirmed(Invalid):
    """A part claims the grade `official`, and no two operators have confirmed it."""

    code = "official-unconfirmed"
    en = (
        "{name}: {parts} claims the grade official without two operators' confirmations from the same "
        "file. Give the part the grade that it has, publish, and confirm it: that makes the official one."
    )
    zh = (
        "{name}：{parts} 标为 official，但没有两名运营人员依据同一文件的确认。"
        "请改为实际等级后发布，再进行确认；系统会生成 official 的新版本。"
    )


class FileNotInPackage(Invalid):
    """An uploaded file that no package has."""

    code = "file-not-in-package"
    en = (
        "A package has methodology.yaml, cases.yaml, factors/<name>.yaml for the sets that it names, and "
        "perhaps overlay.yaml; {file} is none of these. Leave it out."
    )
    zh = (
        "方法学包只含 methodology.yaml、cases.yaml、所引用的 factors/<name>.yaml 以及可选的 overlay.yaml；"
        "{file} 不在其中。请去掉该文件。"
    )


class PartUnknown(NotFound):
    """The version has no such part."""

    code = "part-unknown"
    en = "{name} has no part {part} that can be confirmed. It has: {known}."
    zh = "{name} 没有可确认的部分 {part}。可确认：{known}。"


class PartWithoutValue(Invalid):
    """A value that is null cannot be confirmed."""

    code = "part-without-value"
    en = "{part} of {name} has no value. Upload a version that holds it, publish that, and confirm it there."
    zh = "{name} 的 {part} 没有数值。请先上传并发布含该数值的版本，再行确认。"


class PartOfficialAlready(Conflict):
    """Nothing is above official."""

    code = "part-official-already"
    en = "{part} of {name} is official already. There is nothing to raise."
    zh = "{name} 的 {part} 已是 official，无需再确认。"


class StatedDiffers(Invalid):
    """The document says something else than the methodology."""

    code = "stated-value-differs"
    en = (
        "{part}: the methodology holds {held}, the document is said to state {stated}. Nothing was recorded. "
        "If the document is right, upload a version with its value; else read the clause again."
    )
    zh = (
        "{part}：方法学中为 {held}，所称文件中为 {stated}。未作记录。"
        "若文件正确，请上传采用该值的新版本；否则请重新核对条款。"
    )


class VersionSuperseded(Conflict):
    """Another version has taken the place of this one."""

    code = "version-superseded"
    en = "{name} is superseded by {newer}, which is published. Confirm it there."
    zh = "{name} 已被 {newer} 取代。请在该版本上确认。"


class BindingNotPublished(Misconfigured):
    """A real programme names a version that is not published for it."""

    code = "binding-not-published"
    en = (
        "{programme} binds {name}, which is {state}: outside rehearsal only published versions are applied. "
        "Add it to published.lock, publish it, or take the binding out."
    )
    zh = (
        "{programme} 绑定了 {name}，其状态为 {state}：演练之外只能使用已发布的版本。"
        "请将其加入 published.lock、完成发布或删除该绑定。"
    )
