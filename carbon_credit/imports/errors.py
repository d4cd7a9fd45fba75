"""Why a file as a whole cannot be imported. A single row is never an error: it gets an outcome."""

from collections.abc import Sequence

from carbon_credit.kernel.errors import Broken, CarbonError, Forbidden, Invalid


class FileUnreadable(Invalid):
    code = "import-file-unreadable"
    en = "{file} cannot be read: {why}. Check the path and the permissions."
    zh = "无法读取 {file}：{why}。请检查路径和权限。"


class FileEncoding(Invalid):
    code = "import-file-encoding"
    en = (
        "{file} is not {encoding}: byte {byte}, on line {line}, cannot be decoded. Nothing was imported. "
        "Convert it first, for example with: iconv -f GB18030 -t UTF-8; or say `encoding` in the mapping."
    )
    zh = (
        "{file} 不是 {encoding} 编码：第 {line} 行、第 {byte} 字节无法解码。未导入任何数据。"
        "请先转换编码，例如：iconv -f GB18030 -t UTF-8；或在映射文件中写明 encoding。"
    )


class FileTruncated(Invalid):
    code = "import-file-truncated"
    en = "{file} is cut off or damaged after line {line}. Nothing was imported. Fetch the file again."
    zh = "{file} 在第 {line} 行之后被截断或已损坏。未导入任何数据。请重新获取文件。"


class FileEmpty(Invalid):
    code = "import-file-empty"
    en = "{file} is empty: not even a line of column names. Check that the export has finished."
    zh = "{file} 为空，连列名行也没有。请确认导出已完成。"


class ColumnsMissing(Invalid):
    code = "import-columns-missing"
    en = (
        "{file} lacks the columns {columns} on its first line. Nothing was imported. Is it the right adapter?"
    )
    zh = "{file} 首行缺少列：{columns}。未导入任何数据。请确认适配器是否正确。"


class ColumnsRepeated(Invalid):
    code = "import-columns-repeated"
    en = "{file} names the columns {columns} more than once. Nothing was imported. Keep one of each."
    zh = "{file} 首行的列名重复：{columns}。未导入任何数据。请各保留一列。"


class LineTooLong(Invalid):
    code = "import-line-too-long"
    en = "Line {line} of {file} is longer than {limit} letters. Nothing was imported. Check the line breaks."
    zh = "{file} 第 {line} 行超过 {limit} 个字符。未导入任何数据。请检查换行符。"


class FileInflated(Invalid):
    code = "import-file-inflated"
    en = "{file} unpacks to more than {limit} bytes, far beyond its size. Nothing was imported. Send parts."
    zh = "{file} 解压后超过 {limit} 字节，与文件大小不符。未导入任何数据。请分批发送。"


class FormatUnknown(Invalid):
    code = "import-format-unknown"
    en = "{file} is in none of the formats that can be read: {known} (plain, .gz or .zst). Export it as one."
    zh = "{file} 不是可读取的格式：{known}（可为 .gz 或 .zst 压缩）。请导出为其中一种。"


class FormatRefused(Invalid):
    code = "import-format-refused"
    en = "{file} is {found}, and this adapter reads {known}. Nothing was imported. Is it the right adapter?"
    zh = "{file} 是 {found} 格式，而该适配器读取 {known}。未导入任何数据。请确认适配器是否正确。"


class LibraryMissing(Invalid):
    code = "import-library-missing"
    en = "Reading {file} ({what}) needs the library {library}. Install it: pip install 'carbon-credit[files]'"
    zh = "读取 {file}（{what}）需要库 {library}。请安装：pip install 'carbon-credit[files]'"


class SheetMissing(Invalid):
    code = "import-sheet-missing"
    en = "{file} has no sheet “{sheet}”. Its sheets: {known}."
    zh = "{file} 中没有工作表“{sheet}”。现有工作表：{known}。"


class AdapterUnknown(Invalid):
    code = "import-adapter-unknown"
    en = "There is no adapter “{adapter}”. Known adapters: {known}."
    zh = "没有名为“{adapter}”的适配器。可用的适配器：{known}。"


class AdapterNeeds(Invalid):
    code = "import-adapter-needs"
    en = "The adapter {adapter} cannot work out distances without {what}. Give {option}."
    zh = "适配器 {adapter} 计算距离需要{what}。请提供 {option}。"


class AdapterTakesNo(Invalid):
    code = "import-adapter-takes-no"
    en = "The adapter {adapter} makes no use of {what}. Nothing was kept of it; send the file without it."
    zh = "适配器 {adapter} 不使用 {what}，未保存该内容。请去掉后重新发送。"


class MappingUnsound(Invalid):
    """`problems`: every mistake, with its line and key."""

    code = "import-mapping-unsound"
    en = "The mapping has {count} mistake(s), named in `errors` by line and key. Nothing was imported."
    zh = "映射文件有 {count} 处错误，见 `errors` 中的行号与键名。未导入任何数据。"

    def __init__(self, problems: Sequence[CarbonError]) -> None:
        self.problems = problems
        super().__init__(count=len(problems))


class AdapterRehearsalOnly(Forbidden):
    code = "import-adapter-rehearsal-only"
    en = "The adapter {adapter} is for rehearsal programmes (x-…) only, not for {programme}."
    zh = "适配器 {adapter} 仅用于演练项目（x-…），不能用于 {programme}。"


class RidersUnreadable(Invalid):
    code = "import-riders-unreadable"
    en = "Line {line} of the riders file is not usable: {why}. Correct the file; nothing was imported."
    zh = "骑行者文件第 {line} 行无法使用：{why}。请更正文件；未导入任何数据。"


class StationsUnreadable(Invalid):
    code = "import-stations-unreadable"
    en = "Line {line} of the stations file is not usable: {why}. Correct the file; nothing was imported."
    zh = "站点文件第 {line} 行无法使用：{why}。请更正文件；未导入任何数据。"


class EnrolOutsideRehearsal(Forbidden):
    code = "import-enrol-outside-rehearsal"
    en = "Cards that are not linked can be enrolled in a rehearsal programme (x-…) only, not in {programme}."
    zh = "仅演练项目（x-…）可为未绑定的卡开户，{programme} 不可以。"


class ImportUnreconciled(Broken):
    code = "import-unreconciled"
    en = "The rows do not add up: {why}. What was credited stands; report this with the file's digest."
    zh = "行数核对不符：{why}。已入账的数据有效；请连同文件摘要一并上报。"


class FactRowWrong(Invalid):
    code = "fact-row-wrong"
    en = "Not as expected: {why}. A row is a citizen's id, name, value, from, to; days are YYYY-MM-DD."
    zh = "格式不符：{why}。每行依次为用户编号、名称、取值、起始日、失效首日，日期为 YYYY-MM-DD。"
