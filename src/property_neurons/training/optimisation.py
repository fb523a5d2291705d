"""The settings that all trainings share."""

from dataclasses import dataclass

WITHOUT_RESULT = frozenset({"workers", "save_every"})
"""Settings that change no result, and so are no part of a training's identity."""


@dataclass(frozen=True, kw_only=True)
class Optimisation:
    """The settings that all trainings share; what they are by default, the config says.

    steps: of the optimiser.
    batch_size: items per step, over all devices and accumulated batches.
    accumulation: batches that a step accumulates on each device.
    learning_rate, schedule, warmup_steps: of Adam; schedule: "constant" or "linear" (to zero).
    max_grad_norm: gradients are clipped to it.
    precision: "fp32" or "bf16" (autocast; on a CPU it is fp32 all the same).
    evaluate_every, save_every, log_every: steps.
    workers: processes that prepare batches, for each GPU, at most one a core; 0 = the training process itself.
    seed: of everything random.
    """

    steps: int
    batch_size: int
    accumulation: int
    learning_rate: float
    schedule: str
    warmup_steps: int
    max_grad_norm: float
    precision: str
    evaluate_every: int
    save_every: int
    log_every: int
    workers: int
    seed: int
