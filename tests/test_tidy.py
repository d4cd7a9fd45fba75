"""What import-linter cannot see: an AST walk over the package. Each rule says why it is there."""

import ast
import importlib
import pkgutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

import carbon_credit
from carbon_credit.kernel.errors import error_classes

ROOT = Path(carbon_credit.__file__).resolve().parent
PROJECT = ROOT.parent
FILES = sorted(path for path in ROOT.rglob("*.py"))
PACKAGES = sorted(path.parent for path in ROOT.rglob("__init__.py"))
SUBJECTS = [
    "archive",
    "catalogue",
    "documents",
    "events",
    "identity",
    "imports",
    "ledger",
    "methodology",
    "neutrality",
    "offsets",
    "points",
    "quantification",
    "reach",
    "redemption",
    "settlement",
    "simulator",
    "sources",
    "verifier",
    "webhooks",
]
TREES = {path: ast.parse(path.read_text(encoding="utf-8")) for path in FILES}

# Where the one exception to a rule lives.
COMMITS = {"kernel/unit_of_work.py"}
CLOCK = {"kernel/clock.py"}
COMPILER = {"methodology/compiler.py"}


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def calls(tree: ast.AST) -> Iterator[ast.Call]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.Call))


def breaches(rule: str, found: list[str]) -> None:
    assert not found, f"{rule}:\n" + "\n".join(found)


def test_only_the_unit_of_work_commits() -> None:
    # A verb that ends the transaction separates a claim from its effect.
    found = [
        f"{name_of(path)}:{call.lineno} {call.func.attr}()"
        for path, tree in TREES.items()
        if name_of(path) not in COMMITS
        for call in calls(tree)
        if isinstance(call.func, ast.Attribute) and call.func.attr in {"commit", "rollback"}
    ]
    breaches("commit and rollback belong to kernel/unit_of_work.py", found)


def test_only_the_clock_reads_the_clock() -> None:
    # A clock read in the middle makes replay impossible.
    forbidden = {"now", "utcnow", "today", "time", "time_ns", "localtime", "gmtime", "monotonic"}
    owners = {"datetime", "date", "time"}
    found = [
        f"{name_of(path)}:{call.lineno} {call.func.value.id}.{call.func.attr}()"
        for path, tree in TREES.items()
        if name_of(path) not in CLOCK
        for call in calls(tree)
        if isinstance(call.func, ast.Attribute)
        and isinstance(call.func.value, ast.Name)
        and call.func.attr in forbidden
        and call.func.value.id in owners
    ]
    breaches("the system clock is read in kernel/clock.py", found)


def test_only_the_edges_ask_what_time_it_is() -> None:
    # Edges read the clock once and pass it down, so that every verb can be run for another moment.
    edges = ("api/", "cli/", "tasks/", "console/", "factory.py")
    found = [
        f"{name_of(path)}:{call.lineno}"
        for path, tree in TREES.items()
        if not name_of(path).startswith(edges)
        for call in calls(tree)
        if isinstance(call.func, ast.Attribute)
        and isinstance(call.func.value, ast.Name)
        and (call.func.value.id, call.func.attr) == ("clock", "now")
    ]
    found += [
        f"{name_of(path)}:{node.lineno}"
        for path, tree in TREES.items()
        if not name_of(path).startswith(edges)
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        and node.module == "carbon_credit.kernel.clock"
        and any(alias.name == "now" for alias in node.names)
    ]
    breaches("the clock is read at the edges", found)


def test_no_floats() -> None:
    # Grams, points, fen and factors are exact. Seconds to wait and progress bars may be floats,
    # and say so with the marker.
    found = []
    for path, tree in TREES.items():
        lines = path.read_text(encoding="utf-8").splitlines()
        for node in ast.walk(tree):
            is_literal = isinstance(node, ast.Constant) and isinstance(node.value, float)
            is_call = (
                isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "float"
            )
            if (is_literal or is_call) and "float ok:" not in lines[node.lineno - 1]:
                found.append(f"{name_of(path)}:{node.lineno}")
    breaches("no floats (or say `# float ok: why`)", found)


def test_nothing_is_evaluated() -> None:
    found = [
        f"{name_of(path)}:{call.lineno} {call.func.id}()"
        for path, tree in TREES.items()
        if name_of(path) not in COMPILER
        for call in calls(tree)
        if isinstance(call.func, ast.Name) and call.func.id in {"eval", "exec", "compile"}
    ]
    breaches("eval, exec and compile belong to the documented compiler", found)


def test_imports_stand_at_the_top() -> None:
    # An import inside a function hides a dependency. The two that cost seconds say so.
    found = []
    for path, tree in TREES.items():
        lines = path.read_text(encoding="utf-8").splitlines()
        for function in ast.walk(tree):
            if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
                found += [
                    f"{name_of(path)}:{node.lineno}"
                    for node in ast.walk(function)
                    if isinstance(node, ast.Import | ast.ImportFrom) and "lazy:" not in lines[node.lineno - 1]
                ]
    breaches("imports stand at the top (or say `# lazy: why`)", sorted(set(found)))


def test_every_module_says_what_it_is() -> None:
    found = [name_of(path) for path, tree in TREES.items() if not ast.get_docstring(tree)]
    breaches("every module has a docstring", found)


@pytest.mark.parametrize("subject", SUBJECTS)
def test_every_subject_has_a_readme(subject: str) -> None:
    text = (ROOT / subject / "README.md").read_text(encoding="utf-8")
    missing = [heading for heading in ("Owns", "Does not own", "Invariants") if heading not in text]
    assert not missing, f"{subject}/README.md lacks {missing}"


def test_files_keep_their_proportions() -> None:
    # Over 400 lines there is a noun that wants out.
    found = [
        f"{name_of(path)} {len(path.read_text(encoding='utf-8').splitlines())}"
        for path in FILES
        if len(path.read_text(encoding="utf-8").splitlines()) > 400
    ]
    breaches("files stay under 400 lines", found)


def test_no_file_is_never_imported() -> None:
    imported = set()
    for path, tree in TREES.items():
        package = "carbon_credit." + ".".join(path.relative_to(ROOT).parent.parts)
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                imported |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                base = node.module or package
                imported |= {base} | {f"{base}.{alias.name}" for alias in node.names}
    doors = {
        "carbon_credit.cli.main",
        "carbon_credit.factory",
        "carbon_credit.tables",
        "carbon_credit.tasks.worker",
    }
    found = []
    for path in FILES:
        if path.name in {"__init__.py", "__main__.py"}:
            continue
        module = "carbon_credit." + ".".join(path.relative_to(ROOT).with_suffix("").parts)
        if module not in imported and module not in doors:
            found.append(name_of(path))
    breaches("every file is imported by another", found)


def test_error_codes_are_unique_and_documented() -> None:
    for module in pkgutil.walk_packages(carbon_credit.__path__, "carbon_credit."):
        if module.name != "carbon_credit.tasks.worker":  # it opens an installation
            importlib.import_module(module.name)
    codes = Counter(error.code for error in error_classes())
    breaches("error codes are unique", [code for code, count in codes.items() if count > 1])
    spec = (PROJECT / "openapi.yaml").read_text(encoding="utf-8")
    breaches("every error code is in openapi.yaml", [code for code in codes if f"- {code}\n" not in spec])


def test_every_error_speaks_both_languages() -> None:
    found = [error.__name__ for error in error_classes() if not error.en or not error.zh]
    breaches("every error has an English and a Chinese message", found)
