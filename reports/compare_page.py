"""Two runs side by side as a page that stands alone, with the templates and the style of a run's page."""

from __future__ import annotations

from harness.model import Measure
from reports import compare_prose as prose
from reports import compare_text, page
from reports.compare import Contrast

_IDS = {Measure.TIME: "times", Measure.CAPACITY: "capacities", Measure.MEMORY: "memory"}
_TITLES = {Measure.TIME: "Times", Measure.CAPACITY: "Capacity", Measure.MEMORY: "Memory"}


def render(contrast: Contrast) -> str:
    """The page as HTML.  The same contrast gives the same bytes."""
    groups = {measure: [one for one in contrast.changes if one.case.measure is measure] for measure in Measure}
    return page.shaped(
        "compare.html",
        "tables.js",
        contrast=contrast,
        verdict=prose.headline(contrast),
        reservations=prose.reservations(contrast),
        differences=prose.differences(contrast),
        groups={measure: changes for measure, changes in groups.items() if changes},
        ids=_IDS,
        titles=_TITLES,
        captions=prose.MEASURED,
        verdicts=prose.WORDS,
        signs=page.SIGNS,
        row=compare_text.row,
        ratios=prose.RATIOS,
        ratio_header=compare_text.RATIO_HEADER,
        ratio_row=compare_text.ratio_row,
        note=compare_text.note(contrast),
    )
