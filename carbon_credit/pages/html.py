"""Blocks as one HTML page in one language. No script, no outside address; formulas are MathML."""

from collections.abc import Sequence
from functools import lru_cache

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from carbon_credit.methodology.definition import Texts
from carbon_credit.pages import typeset
from carbon_credit.pages.blocks import Block, Cell, Formula, Heading, Link

LANGUAGES = ("zh", "en")


def page(blocks: Sequence[Block], *, language: str, base: str) -> str:
    """The page in `language` ("zh" or "en"). `base`: the address under which the pages stand."""
    title = next((block.text.text(language) for block in blocks if isinstance(block, Heading)), "")
    template = _environment().get_template("page.html")

    def cell(value: Cell) -> str | Markup:
        if isinstance(value, Link):
            href = f"{base}/{value.target}?language={language}"
            return Markup('<a href="{}">{}</a>').format(href, value.text.text(language))
        return value.text(language) if isinstance(value, Texts) else value

    def math(block: Formula) -> Markup:
        # Made here from checked nodes; every name and word in it is escaped.
        return Markup(typeset.mathml(block.name, block.node, block.unit, language))  # noqa: S704

    return template.render(
        title=title, blocks=blocks, language=language, base=base, cell=cell, math=math,
        kind=lambda block: type(block).__name__,
    )  # fmt: skip


@lru_cache(maxsize=1)
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("carbon_credit.pages"), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
