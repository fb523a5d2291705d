"""The bar of a training."""

from property_neurons.models.backend import transformers
from property_neurons.progress import progress_bar


class ProgressBar(transformers.TrainerCallback):
    """One bar over the optimiser's steps, in the style of the project's other jobs."""

    def __init__(self, what: str):
        self._what = what
        self._bar = None

    def on_train_begin(self, args, state, control, **kwargs):
        if state.is_world_process_zero:
            self._bar = progress_bar(total=state.max_steps, what=self._what, unit="step", initial=state.global_step)

    def on_step_end(self, args, state, control, **kwargs):
        if self._bar is not None:
            self._bar.update(state.global_step - self._bar.n)

    def on_log(self, args, state, control, logs=None, **kwargs):
        if self._bar is not None and logs:
            shown = {key: f"{value:.4g}" for key, value in logs.items() if key in ("loss", "eval_loss")}
            self._bar.set_postfix(shown, refresh=False)

    def on_train_end(self, args, state, control, **kwargs):
        if self._bar is not None:
            self._bar.close()
