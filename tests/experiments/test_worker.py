"""The worker: what a run leaves, and that a resumed one equals the uninterrupted bit for bit."""

from __future__ import annotations

import itertools
import json
import math
import os
import subprocess
import sys
import textwrap

import pytest
import torch

from experiments import checkpoint, worker
from experiments.compose import compose
from experiments.explain import flat
from experiments.run import folder_of
from experiments.spec import make_spec
from experiments.store import RunFolder, State
from lightning_modules.addition import AdditionModule


def stop_after(steps: int):
    """A should_stop that says so at its `steps`-th question."""
    counter = itertools.count(1)
    return lambda: next(counter) >= steps


def outcome(folder: RunFolder) -> tuple:
    """All of a run that must not depend on how often it was interrupted."""
    result = folder.result()
    weights = result["provenance"]["weights_sha256"]
    return result["metrics"], result["status"], weights, folder.history(), result["cost"]["steps"]


def test_a_run_leaves_the_record_it_should(tiny) -> None:
    folder = tiny("seed=4", "residual=mlp")
    assert worker.execute(folder.path) == State.finished
    names = set(os.listdir(folder.path))
    assert names >= {"config.yaml", "run.json", "attempts.jsonl", "history.jsonl", "result.json"}
    assert "DONE" in names
    assert "checkpoint" not in names
    result = folder.result()
    assert {"schema", "run_id", "parents", "study", "variant", "stage", "seed", "factors"} < set(
        result
    )
    assert {"config", "status", "metrics", "cost", "provenance"} < set(result)
    assert result["run_id"] == folder.path.name
    assert (result["study"], result["seed"], result["factors"]["residual"]) == (
        "symmetry",
        4,
        "mlp",
    )
    metrics = result["metrics"]
    assert {"exact_match", "digit_accuracy", "steps_to_convergence", "invariance"} < set(metrics)
    assert metrics["ceiling"] == 1.0  # the sum of two digits needs no order
    assert metrics["steps_to_convergence"] is None
    assert result["status"] == "not_converged"
    for when in ("init", "15", "30", "end"):
        assert f"probe_r2/layer2@{when}" in metrics
    assert all(v is None or math.isfinite(v) for v in metrics.values())
    assert result["cost"]["flops"] > 0
    assert [row["step"] for row in folder.history()] == list(range(0, 61, 5))
    assert result["cost"]["examples"] == 60 * 8


@pytest.mark.parametrize("steps", [1, 7, 10, 15, 59])
def test_an_interrupted_run_goes_on_bit_for_bit(tiny, steps: int) -> None:
    # With dropout, so that a generator carried over wrongly would show.
    overrides = ["model.dropout=0.2"]
    whole, cut = tiny(*overrides), tiny(*overrides, runs="cut")
    assert worker.execute(whole.path) == State.finished
    assert worker.execute(cut.path, should_stop=stop_after(steps)) == State.interrupted
    assert cut.state() == State.interrupted
    assert worker.execute(cut.path) == State.finished
    assert outcome(cut) == outcome(whole)
    assert [attempt["step"] for attempt in cut.attempts()] == [0, steps]


def test_interrupted_at_every_few_steps_it_is_still_the_same_run(tiny) -> None:
    whole, cut = tiny(), tiny(runs="cut")
    worker.execute(whole.path)
    while worker.execute(cut.path, should_stop=stop_after(11)) == State.interrupted:
        assert len(cut.attempts()) < 10
    assert len(cut.attempts()) == 6
    assert outcome(cut) == outcome(whole)


def counted(monkeypatch) -> list[int]:
    """Grows by the step at each validation from here on."""
    steps: list[int] = []
    validate = AdditionModule.validate

    def counting(module, data):
        steps.append(module.trainer.global_step)
        return validate(module, data)

    monkeypatch.setattr(AdditionModule, "validate", counting)
    return steps


def test_a_model_is_validated_once_a_step_for_its_measures_and_its_curve(tiny, monkeypatch) -> None:
    validated = counted(monkeypatch)
    folder = tiny("trainer.max_steps=20", "trainer.measure_at=[10,15]")
    assert worker.execute(folder.path) == State.finished
    assert validated == [0, 10, 15, 20]
    curve = {row["step"]: row.get("validation/loss") for row in folder.history()}
    metrics = folder.result()["metrics"]
    assert metrics["validation_loss@init"] == curve[0]
    assert metrics["validation_loss@end"] == metrics["validation_loss"] == curve[20]
    assert metrics["validation_loss@10"] == curve[10] != curve[20]


def test_a_resumed_run_validates_its_own_weights(tiny, monkeypatch) -> None:
    whole, cut = tiny(runs="whole"), tiny(runs="cut")
    assert worker.execute(whole.path) == State.finished
    assert worker.execute(cut.path, should_stop=stop_after(30)) == State.interrupted
    validated = counted(monkeypatch)
    assert worker.execute(cut.path) == State.finished
    assert validated == [40, 50, 60]
    assert cut.history() == whole.history()


def test_a_run_at_randomised_positions_goes_on_bit_for_bit(tmp_path) -> None:
    (tmp_path / "books").mkdir()
    for i in range(9):
        text = " ".join(map(str, range(i * 1000, i * 1000 + 400)))
        (tmp_path / f"books/{i}.txt").write_text(text, encoding="utf-8")
    folders = []
    for runs in ("whole", "cut"):
        config = compose(
            [
                *("experiment=positions", "module=randomised_positions", "position=learned"),
                *("data.corpus=books", "data.length=16", "data.batch_size=2", "data.evaluate_to=2"),
                *("data.evaluation_bytes=256", "model.num_layers=1", "trainer.max_steps=6"),
                *("optimizer.warmup_steps=1", "runtime.checkpoint_seconds=null"),
                *("tracking=disabled", f"paths.data={tmp_path}", f"paths.runs={tmp_path / runs}"),
            ]
        )
        spec = make_spec(config)
        folders.append(folder_of(spec))
        folders[-1].prepare(spec)
    whole, cut = folders
    assert worker.execute(whole.path) == State.finished
    assert worker.execute(cut.path, should_stop=stop_after(3)) == State.interrupted
    assert worker.execute(cut.path) == State.finished
    assert outcome(cut) == outcome(whole)
    assert whole.result()["metrics"]["loss_x2"] > 0


def test_a_damaged_checkpoint_is_passed_over_for_the_one_before(tiny, capsys) -> None:
    whole, cut = tiny(), tiny("runtime.checkpoint_steps=10", runs="cut")
    worker.execute(whole.path)
    worker.execute(cut.path, should_stop=stop_after(35))
    newest = checkpoint.newest(cut.checkpoints)
    assert newest is not None
    assert newest[0] == 35
    newest[1].write_bytes(newest[1].read_bytes()[:-100])
    assert worker.execute(cut.path) == State.finished
    assert "is damaged; trying the one before it" in capsys.readouterr().out
    assert cut.attempts()[-1]["step"] == 30
    assert outcome(cut) == outcome(whole)


def test_a_checkpoint_holds_no_code(tiny) -> None:
    folder = tiny()
    worker.execute(folder.path, should_stop=stop_after(3))
    newest = checkpoint.newest(folder.checkpoints)
    assert newest is not None
    assert "state_dict" in torch.load(newest[1], weights_only=True)


def test_a_finished_run_is_not_trained_again(tiny) -> None:
    folder = tiny()
    worker.execute(folder.path)
    before = folder.result_file.stat().st_mtime_ns
    assert worker.execute(folder.path) == State.finished
    assert folder.result_file.stat().st_mtime_ns == before
    assert len(folder.attempts()) == 1


def test_the_stop_rule_needs_two_evaluations_running(tiny) -> None:
    folder = tiny("trainer.stop_at=0.0")
    worker.execute(folder.path)
    result = folder.result()
    assert result["status"] == "converged"
    assert result["metrics"]["steps_to_convergence"] == 10
    assert result["cost"]["steps"] == 20


def test_a_divergence_is_a_result(tiny) -> None:
    folder = tiny("optimizer.lr=1e30", "optimizer.clip=0", "trainer.evaluate_every=5")
    assert worker.execute(folder.path) == State.finished
    result = folder.result()
    assert result["status"] == "diverged"
    assert result["cost"]["steps"] < 60
    assert result["metrics"]["steps_to_convergence"] is None


def test_a_failure_is_noted_with_its_reason(tiny, monkeypatch) -> None:
    folder = tiny()
    monkeypatch.setattr(worker, "build_run", lambda config, **where: 1 / 0)
    assert worker.execute(folder.path) == State.failed
    assert folder.state() == State.failed
    assert folder.attempts()[-1]["reason"] == "ZeroDivisionError: division by zero"


def test_other_sources_than_planned_are_refused(tiny) -> None:
    folder = tiny()
    spec = folder.spec() | {"sources": "0" * 16}
    folder.spec_file.write_text(json.dumps(spec))
    assert worker.execute(folder.path) == State.failed
    assert "type the same command again" in folder.attempts()[-1]["reason"]


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (MemoryError(), "out of memory (MemoryError: )"),
        (torch.OutOfMemoryError("CUDA out of memory."), "out of memory (OutOfMemoryError: CUDA"),
        (
            FileNotFoundError(2, "No such file or directory", "x.txt"),
            "No such file or directory: x",
        ),
        (SystemExit(3), "sys.exit(3)"),
    ],
)
def test_the_reason_is_told_in_words(tiny, monkeypatch, error, reason: str) -> None:
    def fails(config, **where):
        raise error

    folder = tiny()
    monkeypatch.setattr(worker, "build_run", fails)
    assert worker.execute(folder.path) == State.failed
    assert folder.attempts()[-1]["reason"].startswith(reason)


def test_a_folder_without_a_run_is_a_mistake(tmp_path, capsys) -> None:
    assert worker.main([str(tmp_path / "typo")]) == 2
    assert "typo holds no run.json: expected a prepared run folder" in capsys.readouterr().err
    assert not (tmp_path / "typo").exists()


def test_worker_processes_for_data_change_nothing(tiny) -> None:
    alone, helped = tiny(), tiny("runtime.workers=1", runs="helped")
    assert alone.path.name == helped.path.name
    worker.execute(alone.path)
    worker.execute(helped.path)
    assert outcome(alone) == outcome(helped)


def test_arms_see_the_same_examples(tiny) -> None:
    arms = [tiny(), tiny("attention_mask=bidirectional", "position=learned", "residual=none")]
    datas = [worker.build_run(arm.spec()["config"])[1] for arm in arms]
    for step in (0, 1, 59):
        assert torch.equal(datas[0].batch(step)["tokens"], datas[1].batch(step)["tokens"])


def test_the_worker_needs_neither_hydra_nor_wandb(tiny) -> None:
    folder = tiny("trainer.max_steps=3")
    script = textwrap.dedent(
        """
        import sys

        class Hidden:
            def find_spec(self, name, path=None, target=None):
                if name.split(".")[0] in {"hydra", "omegaconf", "wandb"}:
                    raise ModuleNotFoundError(f"{name} is hidden", name=name)

        sys.meta_path.insert(0, Hidden())
        from experiments.worker import main
        sys.exit(main(sys.argv[1:]))
        """
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(folder.path)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert folder.is_done()


def test_the_result_holds_the_config_it_was_trained_with(tiny) -> None:
    folder = tiny("seed=9")
    worker.execute(folder.path)
    assert flat(folder.result()["config"]) == flat(folder.spec()["config"])
    assert folder.result()["config"]["seed"] == 9
