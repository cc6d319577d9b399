"""The paper's claims, measured by its own search, against what its program gives."""

from functools import cache
from pathlib import Path

import pytest
from paper import comparisons, lab, ledger, tables

PAGE = Path(__file__).parents[2] / "docs" / "paper.md"


@cache
def the_lab(stride: int) -> lab.Lab:
    return lab.real(stride)


@pytest.mark.parametrize("claim", ledger.CLAIMS, ids=lambda claim: claim.title)
def test_claim_comes_out_as_the_paper_s_program_has_it(claim: ledger.Claim) -> None:
    found = claim.measure(the_lab(1 if claim.needs == "every point" else 3))
    assert found == pytest.approx(claim.computed, abs=claim.tolerance)


def by_title(start: str) -> ledger.Claim:
    [found] = [claim for claim in ledger.CLAIMS if claim.title.startswith(start)]
    return found


def test_bandwidth_s_exponent_is_no_third_without_latency() -> None:
    claim = by_title("the same, without fixed latency")
    assert claim.measure(the_lab(3)) > 0.45


@pytest.mark.parametrize("number", ["4", "6"])
def test_the_page_has_the_whole_deployments_of_the_paper_profile(number: str) -> None:
    whole = lab.whole(lab.paper_model, "paper, whole")
    text = PAGE.read_text(encoding="utf-8")
    for row in tables.rows_of(number):
        case, kind = comparisons.table_case(row)
        assert f"| {tables.described(whole, case, kind)} |" in text


def test_the_page_has_every_claim_and_the_closed_form() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert [claim.title for claim in ledger.CLAIMS if f"| {claim.title} |" not in text] == []
    assert "\n".join(tables.table_1()) in text


def test_a_claim_holds_inside_its_band() -> None:
    claim = by_title("speed ~ memory bandwidth")
    assert [claim.verdict(number) for number in (0.33, 0.5, float("nan"))] == ["yes", "no", "-"]
