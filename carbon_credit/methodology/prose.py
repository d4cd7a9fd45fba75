"""What a verifier reads first, as sections with headings, from either format of a methodology file."""

from collections.abc import Iterator

from carbon_credit.methodology.definition import Methodology, Texts
from carbon_credit.methodology.design import Design, Prose, Within

MONITORING = Texts(zh="监测计划", en="Monitoring plan")

_HEADINGS = {
    "applicability": Texts(zh="适用条件", en="Applicability"),
    "baseline": Texts(zh="基准线", en="Baseline"),
    "additionality": Texts(zh="额外性", en="Additionality"),
    "boundary": Texts(zh="项目边界", en="Boundary"),
    "leakage": Texts(zh="泄漏", en="Leakage"),
    "uncertainty": Texts(zh="不确定性", en="Uncertainty"),
    "conservativeness": Texts(zh="保守性", en="Conservativeness"),
    "crediting_period": Texts(zh="计入期", en="Crediting period"),
    "other_markets": Texts(zh="与碳市场和 CCER 的边界", en="Emission trading schemes and CCER"),
    "double_claim": Texts(zh="避免重复申报", en="No double claim"),
    "data": Texts(zh="监测：数据", en="Monitoring: data"),
    "instrument": Texts(zh="监测：仪表", en="Monitoring: instrument"),
    "frequency": Texts(zh="监测：频次", en="Monitoring: frequency"),
    "quality": Texts(zh="监测：质量控制", en="Monitoring: quality assurance"),
    "retention": Texts(zh="监测：数据保存", en="Monitoring: retention"),
}
_WITHIN: dict[Within, Texts] = {
    "inside": Texts(zh="在内", en="inside"),
    "outside": Texts(zh="在外", en="outside"),
    "partly": Texts(zh="部分在内", en="partly inside"),
    "unknown": Texts(zh="未知", en="unknown"),
}


def sections(methodology: Methodology) -> list[tuple[Texts, Texts | None]]:
    """(heading, text) in the order of reading; the text is None where nothing was found."""
    if methodology.design is not None:
        return list(_of_design(methodology.design))
    return list(_of_prose(methodology.prose)) if methodology.prose is not None else []


def _of_prose(prose: Prose) -> Iterator[tuple[Texts, Texts | None]]:
    for name in ("applicability", "baseline", "additionality", "boundary", "leakage", "uncertainty"):
        yield _HEADINGS[name], getattr(prose, name)
    yield _HEADINGS["crediting_period"], prose.crediting_period
    yield _HEADINGS["double_claim"], prose.other_mechanisms
    yield MONITORING, prose.monitoring


def _of_design(design: Design) -> Iterator[tuple[Texts, Texts | None]]:
    yield _HEADINGS["applicability"], design.applicability
    yield _HEADINGS["baseline"], _baseline(design)
    for name in ("additionality", "boundary", "leakage", "uncertainty", "conservativeness"):
        yield _HEADINGS[name], getattr(design, name)
    yield _HEADINGS["crediting_period"], _crediting_period(design)
    yield _HEADINGS["other_markets"], _other_markets(design)
    yield _HEADINGS["double_claim"], design.double_claim
    for name in ("data", "instrument", "frequency", "quality", "retention"):
        yield _HEADINGS[name], getattr(design.monitoring, name)


def _baseline(design: Design) -> Texts | None:
    baseline = design.baseline
    if baseline is None:
        return None
    year, update = baseline.reference_year, baseline.next_update
    return Texts(
        zh=f"{baseline.text.zh}（基准年：{year or '未见'}；下次更新：{update or '未见'}）",
        en=f"{baseline.text.en} (Reference year: {year or 'not found'}; "
        f"next update: {update or 'not found'}.)",
    )


def _crediting_period(design: Design) -> Texts | None:
    period = design.crediting_period
    if period is None:
        return None
    zh, en = period.text.zh, period.text.en
    if period.years is not None:
        zh, en = f"{zh}（{period.years} 年）", f"{en} ({period.years} years.)"
    if period.renewal is not None:
        zh, en = f"{zh} 续期：{period.renewal.zh}", f"{en} Renewal: {period.renewal.en}"
    return Texts(zh=zh, en=en)


def _other_markets(design: Design) -> Texts:
    one = design.other_markets
    project, grid, ccer = (
        _WITHIN[where] for where in (one.project_emissions_in_ets, one.grid_savings_in_ets, one.ccer)
    )
    return Texts(
        zh=f"{one.text.zh}（项目排放与碳市场：{project.zh}；节约的电网电力与碳市场：{grid.zh}；CCER：{ccer.zh}）",
        en=f"{one.text.en} (Project emissions and ETS: {project.en}; grid savings and ETS: {grid.en}; "
        f"CCER: {ccer.en}.)",
    )
