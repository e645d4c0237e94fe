"""How much GPU time that is: two calculators for people who do not think in GPU-hours. Pure, on integers and Decimal.

static/js/calculator.js shows the same sooner; the page `calculator` computes it without JavaScript.
"""

from __future__ import annotations

from decimal import ROUND_CEILING, Decimal

# Dense peak in TFLOP/s with BF16 (FP16 on the V100) on the tensor cores, from NVIDIA's data sheets: V100 SXM2 (2020),
# A100 80GB (2021), L40S (2023), H100 SXM (2023), H200 SXM (2024), B200 as in the HGX B200 (2024); half of the figures
# that are given there "with sparsity".
PEAK_TFLOPS: dict[str, int] = {"v100": 125, "a100": 312, "l40s": 362, "h100": 989, "h200": 989, "b200": 2250}
# What a well-tuned training reaches of the peak: the usual 30 to 45 percent (PaLM, arXiv 2204.02311, section 4.1).
USUAL_EFFICIENCY_PERCENT = 35
# Multiplications and additions for a parameter and a token: forward 2, backward 4 (Kaplan et al., arXiv 2001.08361).
FLOP_PER_PARAMETER_AND_TOKEN = 6


def runs_gpu_seconds(*, gpus: int, minutes: int, runs: int, margin_percent: int = 0) -> int:
    """GPUs × hours × runs with the margin, in GPU-seconds, rounded up to whole GPU-minutes."""
    return -(-gpus * minutes * runs * (100 + margin_percent) // 100) * 60


def training_gpu_seconds(
    *, billion_parameters: Decimal, billion_tokens: Decimal, peak_tflops: int, efficiency_percent: int
) -> int:
    """6 × parameters × tokens / (peak × efficiency), in GPU-seconds, rounded up to whole GPU-minutes.

    `peak_tflops` of one GPU, `efficiency_percent` the share of it that the training reaches (MFU).
    """
    # 10^9 × 10^9 operations over 10^12 a second leave 10^6; percent make it 10^8.
    operations = FLOP_PER_PARAMETER_AND_TOKEN * billion_parameters * billion_tokens * 10**8
    minutes = operations / (peak_tflops * efficiency_percent * 60)
    return int(minutes.to_integral_value(ROUND_CEILING)) * 60
