"""Sessions: what-if answers are those of a cold solve, and evaluate nothing twice."""

import pytest
from random_instances import random_instance

import planner
from planner.candidates import shortlist, shortlist_cache
from planner.errors import InputError
from planner.io.overrides import changed
from planner.plans.plan import TIME_COLUMNS

BASE = {
    "name": "base",
    "workload": {
        "transformer": "llama-3-8b",
        "input_tokens": 100,
        "output_tokens": 100,
        "tokens_per_second_per_request": 30,
        "tokens_per_second": 5000,
    },
    "pools": [{"accelerator": "h100-sxm", "gpus": 8}, {"accelerator": "a100-80gb-sxm"}],
    "search": {"batch": [8, 32, 64], "pipeline_parallel": 1},
}


def base():
    return planner.Instance.model_validate(BASE)


CHANGES = (
    {"pools[0].dollars_per_gpu_hour": 0.7},
    {"pools[0].gpus": 3},
    {"workload.tokens_per_second_per_request": 0.5},
    {"workload.max_replicas": 1},
    {"objective": "dollars_per_million_tokens"},
    {"workload.input_tokens": 700},
    {"search.batch": [4, 20]},
    {"workload.time_to_first_token_seconds": 0.5},
    {"dollars_per_hour_at_most": 30, "dollars_per_million_tokens_at_most": None},
)


def row(plan):
    return {name: cell for name, cell in plan.to_row().items() if name not in TIME_COLUMNS}


@pytest.mark.parametrize("seed", range(8))
def test_a_session_answers_as_a_cold_solve_does(seed):
    session = planner.session(random_instance(seed))
    assert row(session.solve()) == row(planner.solve(session.instance))
    for changes in CHANGES:
        try:
            cold = planner.solve(changed(session.instance, changes))
        except InputError:
            with pytest.raises(InputError):
                session.solve(changes)
            continue
        assert row(session.solve(changes)) == row(cold), changes


def test_answers_differ_where_changes_matter():
    session = planner.session(base())
    digests = {session.solve(changes).instance_digest for changes in (None, *CHANGES)}
    assert len(digests) == len(CHANGES) + 1
    cheap = session.solve({"pools[0].dollars_per_gpu_hour": 0.01})
    assert cheap.pool == "h100-sxm" != session.solve().pool


def test_the_sessions_own_instance_stays():
    session = planner.session(base())
    before = session.instance.digest
    session.solve({"workload.input_tokens": 700})
    assert session.instance.digest == before == base().digest
    assert session.changed() is session.instance is session.changed({})


@pytest.mark.parametrize(
    ("changes", "evaluated"),
    [
        ({"pools[0].dollars_per_gpu_hour": 9.0}, 0),
        ({"pools[1].gpus": 5}, 0),
        ({"workload.tokens_per_second": 9000, "objective": "dollars_per_million_tokens"}, 0),
        ({"workload.input_tokens": 101}, 2),
        ({"pools": [{"accelerator": "h100-sxm"}, {"accelerator": "l40s"}]}, 1),
    ],
)
def test_only_what_changes_deployments_is_evaluated(monkeypatch, changes, evaluated):
    pools = []

    def counted(resolved, pool, progress=None):
        pools.append(resolved.pools[pool].label)
        return shortlist.shortlist(resolved, pool, progress)

    monkeypatch.setattr(shortlist_cache, "shortlist", counted)
    session = planner.session(base())
    session.solve()
    assert len(pools) == 2
    session.solve(changes)
    session.solve(changes)
    assert len(pools) == 2 + evaluated


def test_a_changed_instance_is_the_one_with_other_values_in_the_file():
    found = changed(
        base(),
        {
            "pools[1].gpus": 16,
            "workload.tokens_per_second": "2 ktok/s",
            "solver": {"relative_gap": 0.1},
            "pools[0].gpus": None,
        },
    )
    content = {
        **BASE,
        "workload": {**BASE["workload"], "tokens_per_second": 2000},
        "pools": [{"accelerator": "h100-sxm"}, {"accelerator": "a100-80gb-sxm", "gpus": 16}],
        "solver": {"relative_gap": 0.1},
    }
    assert found == planner.Instance.model_validate(content)
    assert found.digest == planner.Instance.model_validate(content).digest


def test_mappings_are_merged_and_lists_replaced():
    found = changed(base(), {"workload": {"input_tokens": 7}, "search.batch": [2]})
    assert found.workload.input_tokens == 7
    assert found.workload.output_tokens == 100
    assert found.search.batch.sizes() == (2,)
    assert len(changed(base(), {"pools": [{"accelerator": "l40s"}]}).pools) == 1


def test_the_point_of_a_sweep_stays_one():
    point = base().at({"workload.input_tokens": 100})
    assert changed(point, {"pools[0].gpus": 2}).swept == {"workload.input_tokens": 100}


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"workload.inputtokens": 5}, "workload.inputtokens"),
        ({"pools[7].gpus": 5}, r"pools\[7\].gpus"),
        ({"workload.input_tokens": "many"}, "workload.input_tokens"),
        ({"workload.input_tokens": -1}, "workload.input_tokens"),
        ({"workload.transformer": None}, "workload.transformer"),
        ({"workload.input_tokens.unit": 1}, "workload.input_tokens.unit"),
        ({"name[": 1}, "path of a field"),
        ({"pools": []}, "pools"),
    ],
)
def test_wrong_changes_are_told(changes, told):
    with pytest.raises(InputError, match=told):
        changed(base(), changes)
    with pytest.raises(InputError, match=told):
        planner.session(base()).solve(changes)


def test_names_that_are_not_known_are_told_when_solving():
    with pytest.raises(InputError, match="h9000"):
        planner.session(base()).solve({"pools[0].accelerator": "h9000"})
