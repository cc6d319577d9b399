"""The paper profile against the source paper's own program: terms, frontiers, tables."""

from functools import cache

import numpy as np
import pytest
from paper import closed_form, comparisons, lab, layout_search, reference

from planner import catalogue
from planner.terms.calibration import rates
from planner.terms.forward import Terms, forward
from planner.terms.forward_pass import ForwardPass, Precision

PROFILE = catalogue.profile("paper")
TOLERANCE = 1e-6
GOLDEN = reference.read("golden_terms_F.csv.gz")
Row = dict[str, str]


@cache
def groups() -> dict[tuple[str, str, str], list[Row]]:
    """Golden rows by version, transformer and layout."""
    found: dict[tuple[str, str, str], list[Row]] = {}
    for row in GOLDEN:
        found.setdefault((row["version"], row["model"], row["tp_layout"]), []).append(row)
    return found


def column(rows: list[Row], name: str) -> np.ndarray:
    return np.asarray([float(row[name]) for row in rows])


@cache
def golden_terms(version: str, name: str, layout: str) -> Terms:
    """All rows of one version, transformer and layout, timed in one call."""
    rows = groups()[version, name, layout]
    width = column(rows, "n_gpu") / column(rows, "pp")
    groups_of_attention = column(rows, "attn_scaledown")
    step = ForwardPass(
        tp=width / groups_of_attention,
        pp=column(rows, "pp"),
        sequences=column(rows, "batch") / column(rows, "pp"),
        positions=column(rows, "seq_len"),
        context=column(rows, "input_len"),
        layout="1d" if layout == "1D" else "2d",
        dp=groups_of_attention,
        ep=np.maximum(column(rows, "n_ep"), 1.0),
    )
    found = rates(catalogue.accelerator("h100-sxm"), PROFILE)
    precision = Precision(weights=reference.weights(name))
    return forward(reference.transformer(name), precision, found, PROFILE.switches, step)


COLUMNS = {
    "total_ignoring_fit_s": lambda t: t.step,
    "kernel_s": lambda t: t.latency_parts["launches"],
    "net_latency_s": lambda t: t.latency_parts["all_reduce"],
    "net_bandwidth_s": lambda t: t.network_parts["all_reduce"],
    "p2p_latency_s": lambda t: t.latency_parts["stage_hops"],
    "p2p_bandwidth_s": lambda t: t.network_parts["stage_hops"],
    "ep_latency_s": lambda t: t.latency_parts["experts"],
    "ep_bandwidth_s": lambda t: t.network_parts["experts"],
    "memory_s": lambda t: t.memory,
    "mem_ff_w_s": lambda t: t.memory_parts["feedforward_weights"],
    "mem_ff_act_s": lambda t: t.memory_parts["feedforward_activations"],
    "mem_attn_w_s": lambda t: t.memory_parts["attention_weights"],
    "mem_attn_act_s": lambda t: t.memory_parts["attention_activations"],
    "mem_kv_s": lambda t: t.memory_parts["cache"],
    "mem_unembed_s": lambda t: t.memory_parts["output_projection"],
    "arithmetic_s": lambda t: t.arithmetic,
    "arith_ff_s": lambda t: t.arithmetic_parts["feedforward"],
    "arith_attnproj_s": lambda t: t.arithmetic_parts["projections"],
    "arith_attnkv_s": lambda t: t.arithmetic_parts["attention"],
}


@pytest.mark.parametrize("group", sorted(groups()), ids="-".join)
@pytest.mark.parametrize("name", COLUMNS)
def test_every_term_agrees_with_the_reference(group: tuple[str, str, str], name: str) -> None:
    expected = column(groups()[group], name)
    found = np.broadcast_to(COLUMNS[name](golden_terms(*group)), expected.shape)
    np.testing.assert_allclose(found, expected, rtol=TOLERANCE, atol=0.0)


def test_the_golden_rows_are_all_there() -> None:
    assert len(GOLDEN) == 5520
    assert {row["version"] for row in GOLDEN} == {"F_final", "F_new"}
    assert {row["model"] for row in GOLDEN} == {
        "Llama_3_8B",
        "Llama_3_70B",
        "Llama_3_70B_8_bit",
        "Mixtral_8x22B",
        "DeepSeek_V3",
    }


@pytest.mark.parametrize("group", sorted(groups()), ids="-".join)
def test_what_fits_agrees_with_the_reference(group: tuple[str, str, str]) -> None:
    rows = groups()[group]
    model = lab.paper_model(group[1], lab.Case(group[1]))
    gpus, batch, pp = (column(rows, key) for key in ("n_gpu", "batch", "pp"))
    space = layout_search.Space(groups=group[0] == "F_new")
    found = [
        bool(layout_search.feasible(model, space, g, b, p, context=length))
        for g, b, p, length in zip(gpus, batch, pp, column(rows, "input_len"), strict=True)
    ]
    assert found == [row["fits"] == "1" for row in rows]
    assert any(found)


@pytest.mark.parametrize("name", reference.rows())
def test_derived_numbers_of_transformers(name: str) -> None:
    row, llm = reference.rows()[name], reference.transformer(name)
    assert llm.parameters == pytest.approx(float(row["total_params"]), rel=1e-12)
    cache_bytes = llm.cache_elements_per_token * float(row["act_bytes"])
    assert cache_bytes == pytest.approx(float(row["kv_bytes_per_token"]), rel=1e-12)


def token_seconds(case: lab.Case, gpus: np.ndarray, batch: np.ndarray) -> np.ndarray:
    model = lab.paper_model(case.llm, case)
    space = layout_search.Space(stages=case.stages)
    return layout_search.token_seconds(
        model, space, gpus, batch, context=case.context, draft=lab.draft_of(case)
    )


FRONTIER = reference.read("golden_frontier_F.csv")
CURVES = sorted({(row["comparison"], row["setting"]) for row in FRONTIER})


@pytest.mark.parametrize("curve", CURVES, ids=": ".join)
def test_points_of_the_frontiers_are_as_fast_and_as_dear(curve: tuple[str, str]) -> None:
    rows = [row for row in FRONTIER if (row["comparison"], row["setting"]) == curve]
    assert len(rows) == 40
    case = comparisons.frontier_case(*curve, stages=False)
    axes = (column(rows, "n_gpu"), column(rows, "batch"))
    np.testing.assert_allclose(
        token_seconds(case, *axes), 1.0 / column(rows, "tokens_per_s"), rtol=TOLERANCE
    )
    if not case.acceptance:
        model = lab.paper_model(case.llm, case)
        found = layout_search.frontier_grid(
            model, layout_search.Space(), lab.price(case), context=case.context, points=axes
        )
        np.testing.assert_allclose(found.dollars, column(rows, "usd_per_Mtok"), rtol=TOLERANCE)


@pytest.mark.slow
@pytest.mark.parametrize("curve", CURVES, ids=": ".join)
def test_frontiers_buy_the_same_speed_at_equal_cost(curve: tuple[str, str]) -> None:
    """On the reference's own grid, with drafts and without."""
    rows = [row for row in FRONTIER if (row["comparison"], row["setting"]) == curve]
    case = comparisons.frontier_case(*curve, stages=False)
    found = lab.real(1).front(case)
    dollars = column(rows, "usd_per_Mtok")
    ratio = layout_search.speed_at(found, dollars * (1 + 1e-9)) / column(rows, "tokens_per_s")
    assert (ratio <= 1.01).all()
    assert (ratio >= 0.99).all()


SUMMARY = reference.read("golden_summary_F.csv")


@cache
def summary_groups() -> dict[lab.Case, list[Row]]:
    """Rows of the summary by case."""
    found: dict[lab.Case, list[Row]] = {}
    for row in SUMMARY:
        found.setdefault(comparisons.summary_case(row), []).append(row)
    return found


@pytest.mark.parametrize("case", summary_groups(), ids=str)
def test_fastest_and_preferred_points_of_every_comparison(case: lab.Case) -> None:
    rows = summary_groups()[case]
    gpus, batch = column(rows, "n_gpu"), column(rows, "batch")
    seconds = token_seconds(case, gpus, batch)
    np.testing.assert_allclose(1.0 / seconds, column(rows, "tokens_per_s"), rtol=TOLERANCE)


GRID = layout_search.GRID_POINTS


def around(case: lab.Case) -> layout_search.Points:
    """The grid's points near F's fastest and preferred one, and every twentieth elsewhere."""
    axes = []
    for axis, name in zip(
        layout_search.grid(lab.paper_model(case.llm, case)), ("n_gpu", "batch"), strict=True
    ):
        kept = set(range(0, GRID, 20))
        for row in summary_groups()[case]:
            at = int(np.argmin(np.abs(np.log(axis.ravel() / float(row[name])))))
            kept |= set(range(max(at - 2, 0), min(at + 3, GRID)))
        axes.append(np.take(axis.ravel(), sorted(kept)))
    model, space = lab.paper_model(case.llm, case), layout_search.Space(stages=case.stages)
    points = (axes[0][:, np.newaxis], axes[1][np.newaxis, :])
    return layout_search.frontier_grid(
        model,
        space,
        lab.price(case),
        context=case.context,
        draft=lab.draft_of(case),
        points=points,
    )


PRINTED = [row for row in reference.read("paper_tables.csv") if row["table"] in "2346"]


@pytest.mark.parametrize("row", PRINTED, ids=lambda row: f"{row['table']}: {row['row']}")
def test_tables_2_3_4_and_6_to_the_printed_digits(row: Row) -> None:
    """Rounded as printed; 246.496 was printed as 247, through 246.50."""
    case, kind = comparisons.table_case(row)
    every = around(case)
    point = layout_search.swiftest(every)
    if kind == "pref_alpha3":
        point = layout_search.preferred(layout_search.frontier(every))
    assert float(row["tokens_per_s"]) == pytest.approx(float(point.speed), abs=0.5)
    assert float(row["n_gpu"]) == pytest.approx(float(point.gpus), abs=0.5)
    if kind == "pref_alpha3":
        assert float(row["usd_per_Mtok"]) == pytest.approx(float(point.dollars), abs=0.005)
        assert float(row["batch"]) == pytest.approx(float(point.batch), abs=0.505)


@pytest.mark.parametrize(
    "row", [row for row in reference.read("paper_tables.csv") if row["table"] == "1"]
)
def test_table_1_from_the_closed_form(row: Row) -> None:
    llm = comparisons.TABLE_1[row["row"]]
    fastest = closed_form.fastest(
        weight_bytes=2.0 * reference.transformer(llm).parameters,
        layers=reference.transformer(llm).layer_count,
        memory_bytes_per_second=3.3e12,
    )
    assert round(1.0 / fastest.seconds) == int(row["tokens_per_s"])
    assert round(fastest.gpus) == int(row["n_gpu"])


def test_the_paper_s_search_refuses_what_memory_cannot_hold() -> None:
    case = lab.Case("Llama_3_70B", context=1e5)
    model = lab.paper_model(case.llm, case)
    seconds = layout_search.step_seconds(
        model,
        layout_search.Space(groups=False),
        np.asarray([2.0]),
        np.asarray([64.0]),
        context=case.context,
    )
    assert np.isinf(seconds).all()


def test_deployments_of_whole_numbers_are_no_faster_than_real_ones() -> None:
    case = lab.Case("Llama_3_70B_8_bit", stages=False)
    found = lab.whole(lab.paper_model, "whole").swiftest(case)
    assert float(found.gpus).is_integer()
    assert float(found.speed) <= float(lab.real(4).swiftest(case).speed) * 1.01
