"""What is said about a wrong field, in Chinese. The English sentences are marshmallow's."""

import re

_SENTENCES = (
    (
        r"Name an adapter or send a mapping, one of the two\.",
        "请指定适配器（adapter）或发送映射文件（mapping），二者取一。",
    ),
    (r"Not valid base64\.", "不是有效的 base64。"),
    (r"Missing data for required field\.", "缺少必填字段。"),
    (r"Unknown field\.", "未知字段。"),
    (r"Field may not be null\.", "不能为 null。"),
    (r"Invalid input type\.", "类型错误。"),
    (r"Not a valid string\.", "不是字符串。"),
    (r"Not a valid integer\.", "不是整数（不接受小数、文本和布尔值）。"),
    (r"Not a valid boolean\.", "不是 true 或 false。"),
    (r"Not a valid UUID\.", "不是有效的 UUID。"),
    (r"Not a valid list\.", "不是数组。"),
    (r"Not a valid mapping type\.", "不是对象。"),
    (r"Not a valid aware datetime\.", "不是带时区的 RFC 3339 时间。"),
    (r"Not a valid datetime\.", "不是有效的 RFC 3339 时间。"),
    (r"Not a valid date\.", "不是有效日期（YYYY-MM-DD）。"),
    (r"Contains characters that are not allowed\.", "含有不允许的字符。"),
    (r"Must be one of: (.+)\.", r"必须是以下之一：\1。"),
    (r"Length must be between (\d+) and (\d+)\.", r"长度须在 \1 与 \2 之间。"),
    (r"Longer than maximum length (\d+)\.", r"长度超过上限 \1。"),
    (r"Shorter than minimum length (\d+)\.", r"长度不足 \1。"),
    (
        r"Must be greater than or equal to (-?\d+) and less than or equal to (-?\d+)\.",
        r"必须在 \1 与 \2 之间。",
    ),
    (r"Must be greater than or equal to (-?\d+)\.", r"不得小于 \1。"),
    (r"Must be less than or equal to (-?\d+)\.", r"不得大于 \1。"),
)
_COMPILED = [(re.compile(pattern), chinese) for pattern, chinese in _SENTENCES]


def in_chinese(sentence: str) -> str:
    """The sentence in Chinese where it is known, as it is where it is not."""
    for pattern, chinese in _COMPILED:
        match = pattern.fullmatch(sentence)
        if match:
            return match.expand(chinese)
    return sentence
