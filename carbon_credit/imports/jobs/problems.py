"""What stopped a job, as the sentence that it was when it happened."""

from carbon_credit.imports.jobs.errors import ImportBroken
from carbon_credit.imports.jobs.records import JobRecord
from carbon_credit.kernel.errors import CarbonError, error_classes


def problem_of(known: JobRecord) -> CarbonError | None:
    """The error that refused or stopped the job; None where nothing did."""
    if known.problem is None:
        return None
    for kind in error_classes():
        if kind.code == known.problem:
            return kind(**known.problem_details)
    return ImportBroken(why=known.problem)
