"""The code that answers many rows of one day: one loop, with the formulas of the words at hand written in.

A row takes the loop's short way only when it is certain to end in a plain result: the right number of
inputs, all of them whole numbers within bounds, known words, every condition met, no division by zero, a
result that needs no second thought. Any other row is handed to `one`, which evaluates it by itself. So both
ways give the same answers, and only usual rows are fast.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from carbon_credit.methodology.compiler import Code

_HEAD = """\
def batch(rows, one, made):
    done = []
    add = done.append
    for row in rows:
        try:
"""
_TAIL = """\
        except (KeyError, TypeError, ZeroDivisionError):
            pass
        add(one(row))
    return done
"""


@dataclass(frozen=True, slots=True)
class Branch:
    """The formula for one choice of `words`: `conditions` are 1 where they hold, `grade` is the name under
    which the grade is known to the code, and `pending` says that the result is provisional."""

    words: tuple[str, ...]
    conditions: tuple[Code, ...]
    code: Code
    grade: str
    pending: bool


def batch_source(
    numbers: Sequence[tuple[str, int, int]], words: Sequence[str], branches: Sequence[Branch], largest: int
) -> str:
    """The source of `batch(rows, one, made)`: answers in the order of the rows.

    `numbers`: (input, least, greatest) in the order of the formula's arguments. `one(row)` answers a row by
    itself, `made(milligrams, grade, pending)` makes an answer. Names and words are those of a checked file.
    """
    body = [f"v{index} = row[{name!r}]" for index, (name, _, _) in enumerate(numbers)]
    body += [f"w{index} = row[{name!r}]" for index, name in enumerate(words)]
    fits = [f"len(row) == {len(numbers) + len(words)}"]
    for index, (_, least, greatest) in enumerate(numbers):
        fits.append(f"v{index}.__class__ is int and {least} <= v{index} <= {greatest}")
    body.append(f"if {' and '.join(fits)}:")
    for branch in branches:
        chosen = " and ".join(f"w{index} == {word!r}" for index, word in enumerate(branch.words))
        body.append(f"    if {chosen or '1'}:")
        body += [f"        {line}" for line in _branch(branch, largest)]
    return _HEAD + "".join(f"            {line}\n" for line in body) + _TAIL


def _branch(branch: Branch, largest: int) -> list[str]:
    lines: list[str] = []
    space = ""
    for condition in branch.conditions:
        lines += [f"{space}{line}" for line in condition.lines]
        lines.append(f"{space}if {condition.result}:")
        space += "    "
    code = branch.code
    above, below = code.factor.numerator, code.factor.denominator
    result = code.result if above == 1 else f"{code.result} * {above}"
    # The same rounding as answers.floor_mg, which would cost a call for each row.
    lines += [f"{space}{line}" for line in code.lines]
    pending = ", 1 == 1" if branch.pending else ""
    milligrams = f"{result} // {below}"
    if not code.plain:
        lines += [f"{space}mg = {milligrams}", f"{space}if 0 <= mg <= {largest}:"]
        milligrams, space = "mg", space + "    "
    return [*lines, f"{space}add(made({milligrams}, {branch.grade}{pending}))", f"{space}continue"]
