"""Why a job cannot do what it is asked for, or a delivery is refused as a whole."""

from carbon_credit.kernel.errors import Broken, Conflict, Invalid, NotFound


class ImportNotFound(NotFound):
    code = "import-not-found"
    en = "There is no such import for this caller. Check its id."
    zh = "未找到该导入任务。请检查编号。"


class ImportStateWrong(Conflict):
    code = "import-state-wrong"
    en = "The import is {state}; this takes one that is: {wanted}."
    zh = "导入任务当前状态为 {state}；该操作要求状态为：{wanted}。"


class ImportDiffers(Conflict):
    code = "import-differs"
    en = (
        "The same file is being imported with other terms, as {id}. "
        "Wait until it ends, or cancel it, and deliver the file again."
    )
    zh = "同一文件正以其他参数导入（{id}）。请等待其结束或取消后重新提交。"


class ImportStagingLost(Conflict):
    code = "import-staging-lost"
    en = "Another run has taken over the reading of this file. Nothing is lost: it goes on there."
    zh = "该文件的读取已由另一进程接手，数据不会丢失。"


class ReplacedNotDone(Conflict):
    code = "import-replaced-not-done"
    en = "Only an import that is done can be replaced; {id} is {state}."
    zh = "只能替换已完成的导入；{id} 当前状态为 {state}。"


class AlreadyReplaced(Conflict):
    code = "import-already-replaced"
    en = "The import {id} was replaced before. Replace the one that took its place."
    zh = "导入 {id} 已被替换。请替换其后续导入。"


class PartMisplaced(Conflict):
    code = "import-part-misplaced"
    en = "This part begins at byte {first_byte}, but the import goes on at byte {received_bytes}."
    zh = "该分片从第 {first_byte} 字节开始，但应从第 {received_bytes} 字节继续。"


class PartDiffers(Conflict):
    code = "import-part-differs"
    en = "Other bytes were received before at byte {first_byte}. Is it the same file?"
    zh = "第 {first_byte} 字节处此前收到过不同内容。请确认是否为同一文件。"


class PartBeyondEnd(Invalid):
    code = "import-part-beyond-end"
    en = "With this part the file is longer than the {size} bytes that were announced."
    zh = "加上该分片后文件超过所声明的 {size} 字节。"


class PartEmpty(Invalid):
    code = "import-part-empty"
    en = "The part holds no bytes. Send what follows in the file."
    zh = "分片为空。请发送文件的后续内容。"


class FileDigestDiffers(Invalid):
    code = "import-digest-differs"
    en = "{file} has the SHA-256 {found}, not {expected}. Nothing was imported. Send the file again."
    zh = "{file} 的 SHA-256 为 {found}，与声明的 {expected} 不符。未导入任何数据。请重新发送。"


class ControlTotalsDiffer(Invalid):
    code = "import-totals-differ"
    en = "{file} does not match its control totals: {why}. Nothing was credited. Ask who sent it."
    zh = "{file} 与控制合计不符：{why}。未入账任何数据。请与发送方核对。"


class ControlUnreadable(Invalid):
    code = "import-control-unreadable"
    en = "The control totals cannot be read: {why}. Write JSON, or lines like rows=1000."
    zh = "无法读取控制合计：{why}。请写为 JSON，或 rows=1000 形式的各行。"


class UploadMalformed(Invalid):
    code = "import-upload-malformed"
    en = "The upload cannot be read: {why}."
    zh = "无法读取上传内容：{why}。"


class ImportBroken(Broken):
    code = "import-broken"
    en = (
        "The import stopped at something unexpected ({why}). What is credited stands. "
        "Look into the log, then run it again: it goes on where it stopped."
    )
    zh = "导入因意外错误（{why}）停止。已入账的数据有效。请查看日志后重新运行，将从中断处继续。"


class ImportCancelled(Conflict):
    code = "import-cancelled"
    en = "The import {id} was cancelled. What is credited stands. Deliver the file again to go on."
    zh = "导入 {id} 已取消。已入账的数据有效。重新提交文件即可继续。"
