"""Why a data file is refused. Every message names file, line and key, and says how to mend it."""

from carbon_credit.kernel.errors import Invalid


class DataError(Invalid):
    """Base. `details` always hold `file`, `line` (from 1; 0 = the whole file) and `key`."""

    code = "data-file-invalid"
    en = "{file}, line {line}, {key}: the file is not acceptable."
    zh = "{file} 第 {line} 行 {key}：文件无法接受。"


class FileMissing(DataError):
    code = "data-file-missing"
    en = "{file}: there is no such file. Put it there, or correct the name where it is used ({key})."
    zh = "{file}：文件不存在。请补上该文件，或更正引用它的名称（{key}）。"


class FileTooLarge(DataError):
    code = "data-file-too-large"
    en = "{file}: the file is larger than {limit} bytes. Split it; a methodology is text, not data."
    zh = "{file}：文件超过 {limit} 字节。请拆分；方法学是文本而不是数据。"


class NotUtf8(DataError):
    code = "data-file-not-utf8"
    en = "{file}, line {line}: the bytes are not UTF-8. Save the file as UTF-8 (not GBK, not UTF-16)."
    zh = "{file} 第 {line} 行：文件不是 UTF-8 编码。请另存为 UTF-8（不要用 GBK 或 UTF-16）。"


class YamlUnreadable(DataError):
    code = "yaml-unreadable"
    en = "{file}, line {line}: this is not valid YAML: {what}. Check indentation, quotes and brackets."
    zh = "{file} 第 {line} 行：YAML 语法错误：{what}。请检查缩进、引号和括号。"


class YamlFeatureRefused(DataError):
    code = "yaml-feature-refused"
    en = "{file}, line {line}: {what} is not allowed here. Write the value out plainly."
    zh = "{file} 第 {line} 行：此处不允许使用 {what}。请直接写出该值。"


class KeyRepeated(DataError):
    code = "key-repeated"
    en = "{file}, line {line}: the key {key} is written twice. Keep one of them."
    zh = "{file} 第 {line} 行：键 {key} 重复出现。请只保留一个。"


class KeyUnknown(DataError):
    code = "key-unknown"
    en = "{file}, line {line}: the key {key} is not known. Allowed here: {allowed}."
    zh = "{file} 第 {line} 行：未知的键 {key}。此处可用：{allowed}。"


class KeyMissing(DataError):
    code = "key-missing"
    en = (
        "{file}, line {line}: the key {key} is missing. Add it (null, where it may be null, says: not known)."
    )
    zh = "{file} 第 {line} 行：缺少键 {key}。请补上（可为 null 之处，null 表示未知）。"


class ValueWrong(DataError):
    code = "value-wrong"
    en = "{file}, line {line}, {key}: {what}."
    zh = "{file} 第 {line} 行 {key}：{what}。"


class NameRepeated(DataError):
    code = "name-repeated"
    en = "{file}, line {line}: the name {key} is given twice. Names are unique; rename one."
    zh = "{file} 第 {line} 行：名称 {key} 重复。名称必须唯一，请改名。"


class NameUndefined(DataError):
    code = "name-undefined"
    en = "{file}, line {line}: {key} is not defined. Known names: {known}."
    zh = "{file} 第 {line} 行：{key} 未定义。已知名称：{known}。"


class NameUnused(DataError):
    code = "name-unused"
    en = "{file}, line {line}: {key} is declared and no step reads it. Use it or take it out."
    zh = "{file} 第 {line} 行：{key} 已声明但没有任何步骤使用。请使用或删除。"


class StepCycle(DataError):
    code = "step-cycle"
    en = "{file}, line {line}: the steps {key} need each other in a circle. Break the circle."
    zh = "{file} 第 {line} 行：步骤 {key} 循环依赖。请消除循环。"


class ExpressionRefused(DataError):
    code = "expression-refused"
    en = "{file}, line {line}, {key}: {what}. Allowed: names, numbers, + - * /, min, max, floor, if else."
    zh = "{file} 第 {line} 行 {key}：{what}。只允许：名称、数字、+ - * /、min、max、floor、a if b else c。"


class ZeroDivisor(DataError):
    code = "zero-divisor"
    en = "{file}, line {line}, {key}: the formula divides by a constant that is zero. Correct the value."
    zh = "{file} 第 {line} 行 {key}：公式以零常数作除数。请更正该值。"


class UnitUnknown(DataError):
    code = "unit-unknown"
    en = "{file}, line {line}, {key}: the unit {unit} is not known. Write units like gCO2e/pkm from: {known}."
    zh = "{file} 第 {line} 行 {key}：未知单位 {unit}。请用如 gCO2e/pkm 的写法，可用单位：{known}。"


class DimensionWrong(DataError):
    code = "dimension-wrong"
    en = "{file}, line {line}, {key}: {what}. Check the units of the values in the expression."
    zh = "{file} 第 {line} 行 {key}：量纲不符：{what}。请检查表达式中各值的单位。"


class SourceMissing(DataError):
    code = "source-missing"
    en = "{file}, line {line}, {key}: a value needs a source and a grade. Name an entry of `sources`."
    zh = "{file} 第 {line} 行 {key}：数值必须有来源和证据等级。请引用 `sources` 中的条目。"


class PeriodEmpty(DataError):
    code = "period-empty"
    en = "{file}, line {line}, {key}: the end must come after the start (it is exclusive). Move one."
    zh = "{file} 第 {line} 行 {key}：截止日必须晚于起始日（截止日不含当日）。请调整其一。"


class PeriodsOverlap(DataError):
    code = "periods-overlap"
    en = "{file}, line {line}, {key}: two periods overlap, so two values hold on one day. Move a boundary."
    zh = "{file} 第 {line} 行 {key}：两个有效期重叠，同一天有两个值。请调整起止日期。"
