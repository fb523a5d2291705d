"""The Trainer of masked prediction: it tells the accuracy on the masked frames beside the loss."""

import torch

from property_neurons.models.backend import transformers
from property_neurons.models.melhubert import MelHubertForPreTraining
from property_neurons.models.melhubert.modeling import UNMASKED
from property_neurons.models.precision import full_precision
from property_neurons.training.trainer import check_finite


class MaskedPredictionTrainer(transformers.Trainer):
    """transformers' Trainer, which also tells the accuracy on the masked frames."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self._correct = torch.zeros(2, dtype=torch.int64)

    def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
        loss, outputs = super().compute_loss(model, inputs, True, num_items_in_batch)
        if model.training:
            self._correct = self._correct.to(loss.device) + _hits(outputs.logits, inputs["labels"])
        return (loss, outputs) if return_outputs else loss

    def log(self, logs, *args, **kwargs):
        if "loss" in logs:
            hits, total = self.accelerator.reduce(self._correct.to(self.args.device), reduction="sum").tolist()
            logs["masked_accuracy"] = hits / max(1, total)
            self._correct.zero_()
        super().log(logs, *args, **kwargs)

    def evaluate(self, eval_dataset=None, ignore_keys=None, metric_key_prefix="eval"):
        """Loss and accuracy over all masked frames of the validation crops, each frame counting once.

        Raises:
            ModelError: the loss is not finite.
        """
        per_crop = []
        self.model.eval()
        with torch.no_grad(), full_precision():
            for inputs in self.get_eval_dataloader(eval_dataset):
                inputs = self._prepare_inputs(inputs)
                # Not by the model's own `forward`, which accelerate has put under autocast where training is in bf16.
                outputs = MelHubertForPreTraining.forward(self.model, **inputs)
                # Crops that were only dealt out to fill up the last round are dropped here.
                per_crop.append(self.accelerator.gather_for_metrics(_sums_per_crop(outputs.logits, inputs["labels"])))
        self.model.train()
        loss, hits, total = torch.cat(per_crop).sum(0).tolist()
        check_finite(loss, self.state.global_step)
        metrics = {f"{metric_key_prefix}_loss": loss / total, f"{metric_key_prefix}_masked_accuracy": hits / total}
        self.log(metrics)
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        return metrics


def _hits(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """(frames predicted right, frames to be predicted), int64 [2]."""
    targets = labels[labels != UNMASKED]
    return torch.stack(
        [(logits.detach().argmax(-1) == targets).sum(), torch.tensor(len(targets), device=logits.device)]
    )


def _sums_per_crop(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Summed cross-entropy, frames predicted right and frames to be predicted of each crop, float64 [crops, 3]."""
    crops = (labels != UNMASKED).nonzero()[:, 0]
    targets = labels[labels != UNMASKED]
    losses = torch.nn.functional.cross_entropy(logits.float(), targets, reduction="none").double()
    hits = (logits.argmax(-1) == targets).double()
    values = torch.stack([losses, hits, torch.ones_like(hits)], dim=1)
    return torch.zeros(len(labels), 3, dtype=torch.float64, device=labels.device).index_add_(0, crops, values)
