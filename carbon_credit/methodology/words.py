"""The smallest parts of data files: kinds of text, texts in two languages, the base of every record."""

from typing import Annotated

from msgspec import Meta, Struct

NumberText = Annotated[str, Meta(pattern=r"^-?[0-9]+(\.[0-9]+)?$", max_length=40)]
Name = Annotated[str, Meta(pattern=r"^[A-Za-z][A-Za-z0-9_]*$", max_length=40)]
Slug = Annotated[str, Meta(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=64)]
Code = Annotated[str, Meta(pattern=r"^[a-z0-9]+([.-][a-z0-9]+)*$", max_length=64)]
ShortText = Annotated[str, Meta(min_length=1, max_length=500)]
LongText = Annotated[str, Meta(min_length=1, max_length=4000)]
FileDigest = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$")]


class Record(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Base of everything that is read from a data file: immutable, no unknown key."""


class Texts(Record, frozen=True, kw_only=True):
    """The same words in Chinese and in English."""

    zh: LongText
    en: LongText

    def text(self, language: str) -> str:
        return self.zh if language == "zh" else self.en
