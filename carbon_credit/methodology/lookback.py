"""What a formula may not do with the citizen's own history.

The days before an event may be reported after it. The closing of the day gathers them anew and computes
every reduction again; a refusal leaves no reduction behind. So a refusal must never hang on history: the
early event would be lost for good, and the order of arrival would decide.
"""

from carbon_credit.methodology import expression
from carbon_credit.methodology.document import Document
from carbon_credit.methodology.errors import ValueWrong
from carbon_credit.methodology.expression import (
    Choice,
    Compared,
    Extreme,
    Name,
    Negative,
    Node,
    Number,
    Operation,
)
from carbon_credit.methodology.formula import Formula


def check_history(document: Document, formula: Formula) -> None:
    """Raises ValueWrong where a condition reads history, where something is divided by history that the same
    choice has not compared before, and where history could make a result negative that is refused then."""
    reads = _History(formula)
    for index, (_, test) in enumerate(formula.tests):
        found = reads.history_of(expression.as_choice(test))
        if found:
            what = (
                f"a condition must not read the history {', '.join(sorted(found))}: the days before may "
                "still be reported, and what is refused is not computed again. Say it in a step, like "
                "`(...) if past_days >= 7 else 0`"
            )
            raise document.refuse(ValueWrong, "eligibility", index, "test", what=what)
    steps = formula.methodology.steps
    for step, node in formula.steps:
        found = reads.unguarded(node, frozenset())
        if found:
            what = (
                f"this divides by the history {', '.join(sorted(found))}, which is 0 while nothing is "
                "reported. Divide by a parameter, or write `a / past_days if past_days > 0 else 0`"
            )
            raise document.refuse(ValueWrong, "steps", steps.index(step), "expression", what=what)
    if formula.methodology.negative == "refuse":
        found = reads.subtracted(formula.methodology.result)
        if found:
            what = (
                f"the history {', '.join(sorted(found))} stands in a difference, so a result can be below "
                "zero only because days before were not reported yet. Write `negative: zero`, or put the "
                "difference into `max(0, ...)`"
            )
            raise document.refuse(ValueWrong, "negative", what=what)


class _History:
    def __init__(self, formula: Formula) -> None:
        self._inputs = {spec.name for spec in formula.methodology.inputs if spec.kind == "history"}
        self._steps = {step.name: node for step, node in formula.steps}
        self._subtracted: dict[tuple[str, bool], frozenset[str]] = {}

    def history_of(self, node: Node) -> frozenset[str]:
        """The inputs of history that are read, by the expression or by the steps that it needs."""
        found: set[str] = set()
        todo, seen = [node], set[str]()
        while todo:
            names = expression.names(todo.pop())
            found |= names & self._inputs
            new = (names & self._steps.keys()) - seen
            seen |= new
            todo += [self._steps[name] for name in new]
        return frozenset(found)

    def unguarded(self, node: Node, compared: frozenset[str]) -> frozenset[str]:
        """The inputs of history by which is divided, and which no choice around it has compared."""
        if isinstance(node, Choice) and isinstance(node.test, Compared):
            sides = (node.test.left, node.test.right)
            inner = compared.union(*(self.history_of(side) for side in sides))
            found = [self.unguarded(side, compared) for side in sides]
            found += [self.unguarded(branch, inner) for branch in (node.then, node.otherwise)]
        else:
            found = [self.unguarded(part, compared) for part in expression.parts(node)]
        if isinstance(node, Operation) and node.sign == "/":
            found.append(self.history_of(node.right) - compared)
        return frozenset[str]().union(*found)

    def subtracted(self, name: str, *, below: bool = False) -> frozenset[str]:
        """The inputs of history that stand in a difference on the way to `name`, outside of `max(0, ...)`.
        `below`: it stands in one itself."""
        if name in self._inputs:
            return frozenset((name,)) if below else frozenset()
        if name not in self._steps:
            return frozenset()
        key = (name, below)
        if key not in self._subtracted:
            self._subtracted[key] = self._in_difference(self._steps[name], below)
        return self._subtracted[key]

    def _in_difference(self, node: Node, below: bool) -> frozenset[str]:
        match node:
            case Name(name):
                return self.subtracted(name, below=below)
            case Negative() | Operation("-"):
                below = True
            case Extreme("max", of) if not below and any(isinstance(one, Number) for one in of):
                return frozenset()  # no literal is below zero
        # What a comparison reads is no part of the result.
        parts = (node.then, node.otherwise) if isinstance(node, Choice) else expression.parts(node)
        return frozenset[str]().union(*(self._in_difference(part, below) for part in parts))
