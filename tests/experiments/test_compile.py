"""runtime.compile=true reaches the passes of each study's module, and changes no number."""

from __future__ import annotations

import pytest
import torch

from experiments.compose import compose
from experiments.worker import build_run

BATCH = "data.batch_size=4"
RECIPES = {
    "addition": ["experiment=symmetry", BATCH],
    "prefixes": ["experiment=symmetry", "attention_mask=bidirectional", BATCH],
    "pretraining": ["experiment=bert_pretrain", BATCH],
    "finetuning": ["experiment=bert", "arm=no_pretraining", "data.task=sentiment", BATCH],
    "languages": ["experiment=positions", "position=rope", BATCH],
    "problems": ["experiment=positions_tasks", "position=t5", BATCH],
}


class Counting:
    """A backend that runs a graph as it is, and counts them."""

    def __init__(self):
        self.graphs = 0

    def __call__(self, graph, example_inputs):
        self.graphs += 1
        return graph.forward


@pytest.fixture
def no_graphs():
    torch._dynamo.reset()
    yield
    torch._dynamo.reset()


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES)
def test_a_training_step_runs_in_the_graph(recipe, tmp_path, no_graphs):
    losses, backend = [], Counting()
    for compiled in (False, True):
        module, data = build_run(compose([*recipe, f"paths.data={tmp_path}"]))
        if compiled:
            module.model.compile(backend=backend)
        torch.manual_seed(0)
        losses.append(module.training_step(data.batch(0), 0).item())
    assert backend.graphs
    assert losses[0] == pytest.approx(losses[1], abs=1e-6)
