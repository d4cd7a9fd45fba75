"""What projects, batches and serials refuse. Details are amounts, codes and states, never persons."""

from carbon_credit.kernel.errors import Conflict, Forbidden, Invalid, NotFound


class ProjectNotFound(NotFound):
    code = "project-not-found"
    en = "There is no such project in this programme. Check the code."
    zh = "该碳普惠项目下没有此减排项目。请检查项目代码。"


class ProjectInvalid(Invalid):
    code = "project-invalid"
    en = "The project can't be registered like this: {why}."
    zh = "减排项目信息无法登记：{why}。"


class ProjectExists(Conflict):
    code = "project-exists"
    en = "The programme already has a project {project}. Choose another code."
    zh = "已存在项目代码 {project}。请使用其他代码。"


class BatchNotFound(NotFound):
    code = "batch-not-found"
    en = "There is no such batch in this programme. Check the id."
    zh = "该碳普惠项目下没有此批次。请检查批次编号。"


class PeriodInvalid(Invalid):
    code = "monitoring-period-invalid"
    en = "The monitoring period can't be used: {why}."
    zh = "监测期无法使用：{why}。"


class MethodologyNotBatchable(Invalid):
    code = "methodology-not-batchable"
    en = "{methodology} {version} can't be batched here: {why}."
    zh = "{methodology} {version} 不能在此组批：{why}。"


class SandboxRefused(Conflict):
    code = "sandbox-batch-refused"
    en = (
        "A batch outside rehearsal needs every value of the methodology official and reviewed; it has {why}. "
        "Rehearse in a programme whose code begins with x-, or have the values confirmed."
    )
    zh = (
        "正式批次要求方法学的全部数值均为官方等级且未逾复核期，当前存在：{why}。"
        "请在代码以 x- 开头的演练项目中组批，或先完成数值确认。"
    )


class BatchAlreadyOpen(Conflict):
    code = "batch-already-open"
    en = "Batch {batch} is already open for this project, methodology version and period. Use it."
    zh = "该项目、方法学版本和监测期已有打开的批次 {batch}，请直接使用。"


class NotAWholeTonne(Conflict):
    code = "not-a-whole-tonne"
    en = "There are 0 whole tonnes to batch: {left_kg} kg are left over. Wait for more, or widen the period."
    zh = "可组批的减排量不足 1 吨：尚余 {left_kg} 千克。请等待累积或扩大监测期。"


class BatchEmpty(Conflict):
    code = "batch-empty"
    en = "The batch holds no reductions. Fill it first."
    zh = "批次中没有减排量。请先归集。"


class BatchStale(Conflict):
    code = "batch-stale"
    en = "{count} reductions may no longer be in the batch, the first because: {why}. Fill it again."
    zh = "批次中有 {count} 条减排量已不符合条件，首条原因：{why}。请重新归集。"


class StepNotAllowed(Conflict):
    code = "batch-step-not-allowed"
    en = "A batch that is {state} can't take the step {step}. Allowed from: {allowed}."
    zh = "批次当前状态为 {state}，不能执行 {step}。允许的状态：{allowed}。"


class NotIndependent(Forbidden):
    code = "verifier-not-independent"
    en = "Who prepared a batch can't verify it. Another party has to."
    zh = "批次的编制人不能同时核证。须由其他机构核证。"


class NotTheVerifier(Forbidden):
    code = "not-the-verifier"
    en = "Another verifier began the verification of this batch and has to conclude it."
    zh = "该批次由另一核证机构受理，须由其出具结论。"


class SerialsExhausted(Conflict):
    code = "serials-exhausted"
    en = "The project has no serial numbers left for vintage {vintage}."
    zh = "该项目 {vintage} 年份的序列号已用尽。"


class SaltDeleted(Conflict):
    code = "batch-salt-deleted"
    en = "The salt of this batch was deleted, so no new verifier edition can be made. Use the earlier one."
    zh = "该批次的盐值已删除，无法再次生成核证版。请使用此前导出的文件。"


class NotFrozen(Conflict):
    code = "batch-not-frozen"
    en = "A dossier is made of a frozen batch; this one is {state}."
    zh = "仅冻结后的批次可生成材料包，当前状态为 {state}。"


class RegistryExternal(Conflict):
    code = "registry-external"
    en = "This project is registered by an outer registry: its serials are imported, never issued here."
    zh = "该项目由外部登记机构登记，序列号只能导入，不能在此签发。"


class SerialNotFound(NotFound):
    code = "serial-not-found"
    en = "No such serial number was issued here. Check the digits; it ends in a year and nine of them."
    zh = "本系统未签发过该序列号。请核对：序列号以年份和九位数字结尾。"


class GramsUnavailable(Conflict):
    code = "grams-unavailable"
    en = (
        "Of your own grams {available_mg} mg can be retired now: not what is provisional, in a batch, "
        "retired already, or may still be corrected. Nothing was retired; ask for that much at most."
    )
    zh = (
        "您本人目前可注销的减排量为 {available_mg} 毫克：暂计、已入批次、已注销或仍可能被更正的部分不可注销。"
        "本次未作注销，请调整数量后重试。"
    )


class RetirementNotFound(NotFound):
    code = "retirement-not-found"
    en = "No such certificate of a retirement was given out. Check the number."
    zh = "未查到该注销证书编号。请核对编号。"
