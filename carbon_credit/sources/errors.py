"""What can be wrong with a source, or with what it answers."""

from carbon_credit.kernel.errors import Conflict, Invalid, NotFound


class SourceNotFound(NotFound):
    code = "source-not-found"
    en = "The programme has no source of that name. Add it: carbon-credit source add"
    zh = "本项目没有该名称的数据源。请先添加：carbon-credit source add"


class SourceNameTaken(Conflict):
    code = "source-name-taken"
    en = "The programme has a source of that name already. Choose another name."
    zh = "本项目已有同名数据源，请换一个名称。"


class SourceAddressRefused(Invalid):
    code = "source-address-refused"
    en = "The address of the source is not usable: {why}"
    zh = "数据源地址不可用：{why}"


class SourceSecretMissing(Invalid):
    code = "source-secret-missing"
    en = "The environment variable {name}, which holds the secret of the source, is not set."
    zh = "保存数据源密钥的环境变量 {name} 未设置。"


class PositionMoved(Conflict):
    code = "source-position-moved"
    en = "Somebody else has read this page meanwhile. Nothing was done twice."
    zh = "该页已被另一进程读取，没有重复处理。"


class SourceFailed(Invalid):
    """The source gave no usable page, and its position stays."""

    code = "source-failed"
    en = "The source gave no usable page: {why}"
    zh = "数据源未返回可用的分页：{why}"


class SourceBusy(SourceFailed):
    """The same request may succeed later; `retry_after_s`: when, where the source says it."""

    code = "source-busy"
    en = "The source does not answer at the moment: {why}"
    zh = "数据源暂时没有响应：{why}"

    def __init__(self, *, why: str, retry_after_s: int | None = None) -> None:
        super().__init__(why=why)
        self.retry_after_s = retry_after_s
