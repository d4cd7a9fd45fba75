"""Why a month cannot be archived, or a folder not be read as an archive."""

from carbon_credit.kernel.errors import Conflict, Forbidden, Invalid, Misconfigured, NotFound


class ArchiveLibraryMissing(Misconfigured):
    code = "archive-library-missing"
    en = "Parquet files need pyarrow, which is not installed. Run: pip install 'carbon-credit[files]'"
    zh = "读写 Parquet 需要 pyarrow，当前未安装。请运行：pip install 'carbon-credit[files]'"


class MonthNotOver(Conflict):
    code = "archive-month-not-over"
    en = "{month} is not over. A month is archived from the second day (UTC) after it on."
    zh = "{month} 尚未结束。请在该月结束一日（UTC）之后再归档。"


class MonthNotSealed(Conflict):
    code = "archive-month-not-sealed"
    en = "Transfers of {month} are not all sealed yet. Run: carbon-credit sweep seal"
    zh = "{month} 的分录尚未全部封存。请运行：carbon-credit sweep seal"


class MonthNotClosed(Conflict):
    code = "archive-month-not-closed"
    en = "Reductions recorded in {month} count in months that are not closed: {open}. Close these first."
    zh = "{month} 记录的减排量所属账期尚未关账：{open}。请先关账。"


class MonthWithinAnother(Invalid):
    code = "archive-month-within-another"
    en = "{month} lies in the first partition, which goes on to {first}. Archive {first}: it holds both."
    zh = "{month} 的数据位于首个分区（至 {first}）。请归档 {first}，其中包含该月。"


class ArchiveExists(Conflict):
    code = "archive-exists"
    en = "{folder} is there already. Archives are never overwritten: verify it, or name another folder."
    zh = "{folder} 已存在。归档不会被覆盖：请核验，或另选目录。"


class ArchiveNotFound(NotFound):
    code = "archive-not-found"
    en = "{folder} is no archive: no manifest.json there can be read. An unfinished one ends in .partial."
    zh = "{folder} 不是归档目录：没有可读的 manifest.json。未完成的目录以 .partial 结尾。"


class ArchiveOfAnotherMonth(Invalid):
    code = "archive-of-another-month"
    en = "{folder} holds {found} and not {month}. Name the folder that archive export wrote for {month}."
    zh = "{folder} 是 {found} 的归档，而非 {month}。请指定 {month} 的归档目录。"


class ArchiveNotProved(Conflict):
    code = "archive-not-proved"
    en = "{folder} does not prove {month}: {file}: {detail}. Run: carbon-credit archive verify {folder}"
    zh = "{folder} 未通过 {month} 的核验：{file}：{detail}。请运行：carbon-credit archive verify {folder}"


class ShelvesNeedPostgreSQL(Conflict):
    code = "archive-shelves-need-postgresql"
    en = "Only PostgreSQL has tablespaces. The embedded database is one file: move that while nothing runs."
    zh = "仅 PostgreSQL 支持表空间。内置数据库为单一文件，请在停止服务后移动该文件。"


class TablespaceNotFound(NotFound):
    code = "archive-tablespace-not-found"
    en = "There is no tablespace {tablespace}. As a superuser: CREATE TABLESPACE {tablespace} LOCATION '...'"
    zh = "没有表空间 {tablespace}。请以超级用户执行：CREATE TABLESPACE {tablespace} LOCATION '...'"


class TablespaceForbidden(Forbidden):
    code = "archive-tablespace-forbidden"
    en = "{user} may put nothing in {tablespace}. Run: GRANT CREATE ON TABLESPACE {tablespace} TO {user}"
    zh = "无权使用表空间 {tablespace}。请以超级用户执行：GRANT CREATE ON TABLESPACE {tablespace} TO {user}"
