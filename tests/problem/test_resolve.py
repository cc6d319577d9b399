"""Resolving: an instance is looked up once, whoever asks."""

import planner
from planner.problem import resolve as module


def test_one_solve_resolves_an_instance_once(tmp_path, monkeypatch):
    looked_up = []
    look_up = module.catalogue.profile
    monkeypatch.setattr(
        module.catalogue, "profile", lambda name: looked_up.append(name) or look_up(name)
    )
    path = tmp_path / "one.yaml"
    path.write_text(
        "name: one\nworkload: {transformer: llama-3.1-8b, tokens_per_second_per_request: 20}\n"
        "pools: [{accelerator: h100-sxm}]\nsearch: {batch: [8]}\n",
        encoding="utf-8",
    )
    plan = planner.solve(planner.read_instance(path))
    assert plan.status == "optimal"
    assert len(looked_up) == 1


def test_an_equal_instance_with_another_file_beside_it_is_resolved_anew():
    content = {
        "name": "one",
        "workload": {
            "transformer": "llama-3.1-8b",
            "input_tokens": 500,
            "tokens_per_second_per_request": 20,
        },
        "pools": [{"accelerator": "h100-sxm"}],
    }
    one, other = planner.Instance.model_validate(content), planner.Instance.model_validate(content)
    assert module.resolve(one) is module.resolve(one)
    assert module.resolve(other).instance is other
