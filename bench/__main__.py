"""`python -m bench [--quick | --city] [--only WORDS] [--rows N] [--json FILE]`."""

import argparse
from dataclasses import replace
from pathlib import Path
from time import perf_counter

from bench import offerrace, openfisca, report
from bench.databases import server_version
from bench.measure import CITY, FULL, QUICK, Figure
from bench.sections import run_alone, sections

_SIZES = {
    "rounds": "so many rounds instead of those of the plan",
    "rides": "so many rides where a whole file is credited",
    "rows": "so many rows imported and stored, beside a hundredth of them",
}


def main() -> None:
    """Run the sections one after the other, each in a process of its own, and print as they end."""
    arguments = _arguments()
    plan = QUICK if arguments.quick else CITY if arguments.city else FULL
    if arguments.rows:
        plan = replace(plan, imported=arguments.rows, beside=max(arguments.rows // 100, 1))
    if arguments.rides:
        plan = replace(plan, rides=arguments.rides)
    if arguments.rounds:
        plan = replace(plan, rounds=arguments.rounds)
    begin = perf_counter()
    postgresql = server_version()
    facts = report.machine(postgresql)
    print(report.heading(facts, plan), flush=True)
    figures: list[Figure] = []
    for name, section in sections().items():
        if arguments.only.lower() not in name.lower():
            continue
        print(f"\n{name}", flush=True)
        if postgresql is None and "PostgreSQL" in name:
            print("  skipped: no PostgreSQL server answers at TEST_POSTGRESQL_URL", flush=True)
            continue
        if name == openfisca.SECTION and not openfisca.installed():
            print("  skipped: openfisca-core is not installed (make bench installs it)", flush=True)
            continue
        if name == offerrace.SECTION and offerrace.program() is None:
            print("  skipped: pgbench, which comes with the PostgreSQL server, is not here", flush=True)
            continue
        started = perf_counter()
        found = run_alone(name, section, plan)
        print(report.table(found), flush=True)
        print(f"  ({perf_counter() - started:.0f} s)", flush=True)
        figures += found
    if arguments.json:
        report.write_json(arguments.json, facts, plan, figures)
    print(f"\nDone in {perf_counter() - begin:.0f} s.")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measure, side by side in one run.")
    parser.add_argument(
        "--quick", action="store_true", help="a smoke run of a few seconds; figures mean little"
    )
    parser.add_argument(
        "--city", action="store_true", help="a million rides, ten million stored: two hours and 40 GB"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures to FILE too")
    parser.add_argument(
        "--only", default="", metavar="WORDS", help='only sections so named, e.g. "event path"'
    )
    for name, what in _SIZES.items():
        parser.add_argument(f"--{name}", type=_positive, metavar="N", help=what)
    return parser.parse_args()


def _positive(text: str) -> int:
    number = int(text.replace("_", ""))
    if number < 1:
        raise argparse.ArgumentTypeError("a whole number above 0")
    return number


if __name__ == "__main__":
    main()
