"""What words of a fleet mean: least numbers by role, power of what works, reservations."""

import pytest

import planner
from planner.api import solve_fleet
from planner.errors import InputError
from planner.problem.fleet import Fleet

HEADER = "workload,pool,label,role,gpus,requests_per_second"


def fleet(tmp_path, rows, pools, **workload):
    """One workload on what the rows of a table offer."""
    (tmp_path / "rates.csv").write_text("\n".join([HEADER, *rows, ""]))
    return Fleet.model_validate(
        {
            "name": "shop",
            "workloads": [{"name": "w", "requests_per_second": 1, **workload}],
            "pools": [{"name": "a", "on_demand": {"dollars_per_gpu_hour": 1.0}, **pools}],
            "deployments": [str(tmp_path / "rates.csv")],
            "solver": {"relative_gap": 0.0},
        }
    )


def test_the_least_number_is_that_of_each_role(tmp_path):
    rows = ["w,a,p,prefill,1,1", "w,a,d,decode,1,1"]
    plan = solve_fleet(fleet(tmp_path, rows, {}, min_replicas=2))
    assert plan.dollars == pytest.approx(4.0)
    assert sorted(zip(plan.table()["role"], plan.table()["replicas"], strict=True)) == [
        ("decode", 2),
        ("prefill", 2),
    ]


def test_colocated_replicas_count_in_both_roles(tmp_path):
    rows = ["w,a,p,prefill,1,1", "w,a,d,decode,1,1", "w,a,c,,3,0.5"]
    plan = solve_fleet(fleet(tmp_path, rows, {}, min_replicas=2, max_deployments="any"))
    assert plan.dollars == pytest.approx(4.0)


def test_power_is_that_of_accelerators_that_work(tmp_path):
    pools = {"gpus_per_node": 8, "watts_per_gpu": 1000, "watts_at_most": 3500}
    plan = solve_fleet(fleet(tmp_path, ["w,a,three,,3,1"], pools))
    assert (plan.status, plan.dollars) == ("optimal", pytest.approx(8.0))
    short = solve_fleet(fleet(tmp_path, ["w,a,three,,3,1"], pools | {"watts_at_most": 2900}))
    assert short.status == "infeasible"


def test_of_two_that_occupy_as_much_the_one_that_takes_less_power_is_there(tmp_path):
    pools = {"gpus_per_node": 8, "watts_per_gpu": 1000, "watts_at_most": 3500}
    rows = ["w,a,four,,4,2", "w,a,three,,3,1"]
    assert solve_fleet(fleet(tmp_path, rows, pools)).table()["label"].tolist() == ["three"]


def test_carbon_is_that_of_accelerators_that_work(tmp_path):
    pools = {
        "gpus_per_node": 8,
        "watts_per_gpu": 1000,
        "carbon_grams_per_kilowatt_hour": 1000,
    }
    asked = fleet(tmp_path, ["w,a,three,,3,1"], pools)
    for kilograms, status in ((3.1, "optimal"), (2.9, "infeasible")):
        limited = asked.model_copy(update={"carbon_kilograms_at_most": kilograms})
        assert solve_fleet(limited).status == status


def test_the_decomposition_says_that_it_does_not_know_the_power_of_padding(tmp_path):
    pools = {"gpus_per_node": 8, "watts_per_gpu": 1000, "watts_at_most": 3500}
    asked = fleet(tmp_path, ["w,a,three,,3,1"], pools)
    solver = asked.solver.model_copy(update={"method": "decomposition"})
    with pytest.raises(InputError, match="accelerators pad a node"):
        solve_fleet(asked.model_copy(update={"solver": solver}))


def test_the_term_of_a_reservation_is_refused(tmp_path):
    (tmp_path / "instance.yaml").write_text(
        "workload: {transformer: llama-3.1-8b, requests_per_second: 1}\n"
        "pools: {accelerator: h100-sxm, reserved: {dollars_per_gpu_hour: 1, term_hours: 24}}\n"
    )
    with pytest.raises(InputError, match=r"reserved\.term_hours: found 24, expected no term"):
        planner.read_instance(tmp_path)


def test_prompts_are_answered_in_the_region_where_they_were_read(tmp_path):
    rows = [
        *("w,eu,p,prefill,1,1", "w,eu,d,decode,1,1"),
        *("w,us,p,prefill,1,1", "w,us,d,decode,1,1"),
    ]
    (tmp_path / "rates.csv").write_text("\n".join([HEADER, *rows, ""]))
    asked = {
        "name": "oceans",
        "workloads": [{"name": "w", "requests_per_second": 4, "max_deployments": "any"}],
        "pools": [
            {"name": name, "region": name, "on_demand": {"dollars_per_gpu_hour": 0.5}}
            for name in ("eu", "us")
        ],
        "deployments": [str(tmp_path / "rates.csv")],
        "solver": {"relative_gap": 0.0},
    }
    plan = solve_fleet(Fleet.model_validate(asked))
    assert plan.dollars == pytest.approx(4.0)
    table = plan.table()
    by_region = table.pivot_table(index="pool", columns="role", values="replicas", aggfunc="sum")
    assert (by_region["prefill"] == by_region["decode"]).all()
    one_role_each = "\n".join([HEADER, rows[0], rows[3], ""])
    (tmp_path / "rates.csv").write_text(one_role_each)
    assert solve_fleet(Fleet.model_validate(asked)).status == "infeasible"
    for pool in asked["pools"]:
        pool.pop("region")
    assert solve_fleet(Fleet.model_validate(asked)).status == "optimal"
