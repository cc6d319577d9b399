"""The comparisons that the paper's program draws, as cases."""

from __future__ import annotations

from dataclasses import replace

from paper.lab import Case

IDS = {
    "GPT-4": "GPT_4",
    "LLaMa 3 8B": "Llama_3_8B",
    "LLaMa 3 70B": "Llama_3_70B",
    "LLaMa 3 70B 8-bit": "Llama_3_70B_8_bit",
    "LLaMa 3 70B 4-bit": "Llama_3_70B_4_bit",
    "LLaMa 3 405B": "Llama_3_405B",
    "Mixtral 8x22B": "Mixtral_8x22B",
    "DeepSeek V3": "DeepSeek_V3",
    "Mistral Large 2": "Mistral_Large_2",
}
"""Names inside the program to those of its table of transformers."""
SCALED = {
    "Half-size GPT-4": "GPT_4_2x",
    "Quarter-size GPT-4": "GPT_4_4x",
    "Eighth-size GPT-4": "GPT_4_8x",
    "Sixteenth-size GPT-4": "GPT_4_16x",
    "Llama 3 1.8T": "Llama_3_gpt4_size",
    "Llama 3 900B": "Llama_3_gpt4_size_2x",
    "Llama 3 450B": "Llama_3_gpt4_size_4x",
    "Llama 3 225B": "Llama_3_gpt4_size_8x",
    "Llama 3 112B": "Llama_3_gpt4_size_16x",
}
"""Settings whose transformer was scaled; inside the program they keep the name of the original."""
EIGHT_BITS = ("all_models_comparison_with_spec_dec", "gpus_long_context_comparison")
"""Comparisons in which the 405B transformer has weights of 8 bits; others only label it so."""
MULTI_QUERY_DRAFT = ("mistral_large", "deepseek_v3_context_len")
"""Comparisons whose draft is the 8B transformer with a single key/value head."""
FRONTIERS = {
    ("deepseek_v3_context_len", "Short context"): Case("DeepSeek_V3"),
    ("deepseek_v3_context_len", "Long context"): Case("DeepSeek_V3", context=1e5),
    ("gpus", "H100"): Case("Llama_3_70B_8_bit"),
    ("gpus", "A100"): Case("Llama_3_70B_8_bit", gpu="A100"),
    ("gpus", "V100"): Case("Llama_3_70B_8_bit", gpu="V100"),
    ("mistral_large", "Short context"): Case("Mistral_Large_2"),
    ("mistral_large", "Long context"): Case("Mistral_Large_2", context=1e5),
    ("quantization", "Llama 3 70B 16-bit"): Case("Llama_3_70B"),
    ("quantization", "Llama 3 70B 8-bit"): Case("Llama_3_70B_8_bit"),
    ("quantization", "Llama 3 70B 4-bit"): Case("Llama_3_70B_4_bit"),
    ("spec_dec", "Llama 3 70B (no spec dec)"): Case("Llama_3_70B"),
    ("spec_dec", "Llama 3.1 405B (no spec dec)"): Case("Llama_3_405B"),
}
"""The curves of the program's figures without a draft; pipeline stages are chosen by who asks."""
DRAFTED = {
    (comparison, f"{setting} with speculative decoding"): (comparison, setting)
    for comparison in ("deepseek_v3_context_len", "mistral_large")
    for setting in ("Short context", "Long context")
} | {
    ("spec_dec", f"{name} (8B acceptance=0.8)"): ("spec_dec", f"{name} (no spec dec)")
    for name in ("Llama 3 70B", "Llama 3.1 405B")
}
"""Curves with a draft, each with the one without."""

TABLE_1 = {
    "Llama 3 8B": "Llama_3_8B",
    "Llama 3 70B": "Llama_3_70B",
    "GPT-3": "GPT_3",
    "PaLM-540B": "PaLM_540B",
    "GPT-4 (architecture from Patel and Wong 2023)": "GPT_4",
}
"""Rows of the paper's Table 1."""
TABLES_2_3 = {
    "Mixtral 8x22B (16-bit)": Case("Mixtral_8x22B", acceptance=0.8),
    "Llama 3 70B (8-bit)": Case("Llama_3_70B_8_bit", acceptance=0.8),
    "Llama 3.1 405B (8-bit)": Case("Llama_3_405B_8_bit", acceptance=0.8),
    "GPT-4 (16-bit, speculative)": Case("GPT_4", acceptance=0.8),
    "DeepSeek-V3 (8-bit)": Case("DeepSeek_V3", acceptance=0.8),
}
TABLE_4 = {
    "H100 SXM": Case("Llama_3_70B_8_bit"),
    "A100 SXM": Case("Llama_3_70B_8_bit", gpu="A100"),
    "V100 SXM": Case("Llama_3_70B_8_bit", gpu="V100"),
}
TABLE_6 = {
    "4-bit weights": Case("Llama_3_70B_4_bit"),
    "8-bit weights": Case("Llama_3_70B_8_bit"),
    "16-bit weights": Case("Llama_3_70B"),
}
TABLE_5 = {
    "Llama 3 70B": Case("Llama_3_70B"),
    "Llama 3 70B (S)": Case("Llama_3_70B", acceptance=0.8),
    "Llama 3.1 405B": Case("Llama_3_405B"),
    "Llama 3.1 405B (S)": Case("Llama_3_405B", acceptance=0.8),
}
"""Made with another version of the program: F gives other numbers."""
TABLES = {"2": TABLES_2_3, "3": TABLES_2_3, "4": TABLE_4, "5": TABLE_5, "6": TABLE_6}
FASTEST = ("2", "4")
"""Tables of the fastest deployments; the others are of the preferred ones."""


def table_case(row: dict[str, str]) -> tuple[Case, str]:
    """Return the case behind a row of `paper_tables.csv`, and which of its points is meant."""
    kind = "max_speed" if row["table"] in FASTEST else "pref_alpha3"
    return TABLES[row["table"]][row["row"]], kind


def draft(comparison: str) -> str:
    """Return the draft of a comparison."""
    return "Llama_3_8B_MQA" if comparison.startswith(MULTI_QUERY_DRAFT) else "Llama_3_8B"


def frontier_case(comparison: str, setting: str, *, stages: bool) -> Case:
    """Return the case behind a curve of the program's figures."""
    key = (comparison, setting)
    plain = FRONTIERS[DRAFTED.get(key, key)]
    acceptance = 0.8 if key in DRAFTED else 0.0
    return replace(plain, acceptance=acceptance, draft=draft(comparison), stages=stages)


def summary_case(row: dict[str, str]) -> Case:
    """Return the case behind a row of `golden_summary_F.csv`."""
    llm = IDS[row["model"]]
    for setting, name in SCALED.items():
        if row["setting"].startswith(setting):
            llm = name
    if llm == "Llama_3_405B" and row["comparison"] in EIGHT_BITS:
        llm = "Llama_3_405B_8_bit"
    return Case(
        llm,
        row["gpu"],
        float(row["input_len"]),
        acceptance=float(row["acceptance"] or 0.0),
        draft=draft(row["comparison"]),
        stages=row["use_pp"] == "1",
    )
