"""One run, composed by Hydra, trained once and never again.

    python -m experiments.run experiment=symmetry attention_mask=causal position=none seed=3
    python -m experiments.run experiment=symmetry seed=3 --explain    why it would (not) train
    python -m experiments.run -m experiment=symmetry residual=all,none "seed=range(0,5)"

-m trains all points side by side in processes of their own; what can be set about that stands in
sweeps/hydra_launcher.py (hydra.launcher.jobs=<int>, .devices=[0,1], .runs_per_device=<int> ...).

Overrides everyone uses:
    attention_mask=bidirectional|causal|reverse     residual=all|none|attention|mlp|first<n>|last<n>
    position={positions}
    experiment=bert: arm={arms}
                     data.task=coherence|entailment|paraphrase|sentiment|spans|entities
    experiment=bert_pretrain: objective={objectives}
    model={models}
    seed=<int>    trainer.max_steps=<int>    data.digits=<int>    data.format=reversed|plain|mingpt
    runtime.device=auto|cpu|cuda    tracking=offline|online|disabled
    paths.runs=<folder>    paths.data=<folder>    paths.reports=<folder>
Every key, with its default and what it means: experiments/config.py and conf/.

Exit code 0: the run is finished (trained now or before); 1: it failed; 2: a mistake in the command;
130: interrupted, the same command goes on from its checkpoint.
"""

from __future__ import annotations

import os
import shlex
import sys
from typing import Any

from experiments.errors import UserError
from experiments.store import Busy, RunFolder, State
from experiments.wandb_client import NotMirrored

MULTIRUN = {"-m", "--multirun"}
LISTED = ("position", "arm", "objective", "model")  # the groups whose options --help names
EXIT = {State.finished: 0, State.interrupted: 130}


def spec_of(overrides: list[str]) -> dict[str, Any]:
    """The spec of the run that the overrides describe, its variant told from its experiment."""
    from experiments.compose import baseline_levels, compose
    from experiments.spec import make_spec

    config = compose(overrides)
    return make_spec(config, baseline=baseline_levels(config))


def parents_of(spec: dict[str, Any]) -> list[dict[str, Any]]:
    """The specs of the runs that this one starts from."""
    from experiments.lineage import parent_configs
    from experiments.spec import make_spec

    return [make_spec(config) for config in parent_configs(spec["config"])]


def folder_of(spec: dict[str, Any]) -> RunFolder:
    config = spec["config"]
    return RunFolder.of(config["paths"]["runs"], study=config["study"], run_id=spec["run_id"])


def bring_to_end(spec: dict[str, Any], *, asked_for: bool = True) -> State:
    """Train the run unless it is finished, then mirror it; the state it is left in.

    A parent was not `asked_for`: under a W&B sweep agent it is not the run that the agent means.
    """
    folder = folder_of(spec)
    config = spec["config"]
    from experiments.mirror import check_tracking, following, mirror_run

    check_tracking(config)
    state = State.finished
    if not folder.is_done():
        for parent in parents_of(spec):
            print(
                f"{parent['labels']['variant']}, its parent {parent['run_id']} ...", file=sys.stderr
            )
            if (state := bring_to_end(parent, asked_for=False)) != State.finished:
                return state
        folder.prepare(spec)
    with following(folder.path, config):
        if not folder.is_done():
            from experiments import worker

            worker.quiet()
            with worker.stop_on_signals() as should_stop:
                progress = sys.stderr.isatty()
                state = worker.execute(folder.path, should_stop=should_stop, progress=progress)
    if state == State.finished and config["tracking"] != "disabled":
        mirror_run(folder.path, config, for_agent=asked_for)
    return state


def report(folder: RunFolder, state: State, *, stored: bool) -> None:
    """The run's end in a few lines."""
    if state != State.finished:
        attempts = folder.attempts()
        reason = attempts[-1].get("reason", "no reason recorded") if attempts else "its parent is"
        print(f"{state}: {reason}", file=sys.stderr)
        hint = "type the same command to go on" if state == State.interrupted else "see log above"
        print(f"{folder.path}: {hint}", file=sys.stderr)
        return
    result = folder.result()
    how = "finished before; this is its stored result" if stored else "finished"
    print(
        f"{result['study']}/{result['run_id']}  {result['variant']}  seed {result['seed']}: {how}"
    )
    print(f"  status  {result['status']}")
    for name, value in result["metrics"].items():
        if "@" not in name and "/" not in name:
            print(f"  {name}  {'-' if value is None else f'{value:.6g}'}")
    cost = result["cost"]
    print(f"  {cost['steps']} steps, {cost['seconds']:.1f} s, in {folder.path}")


def single(overrides: list[str], *, explain: bool) -> int:
    spec = spec_of(overrides)
    folder = folder_of(spec)
    if explain:
        from experiments.explain import explanation

        print(explanation(spec, folder))
        return 0
    stored = folder.is_done()
    state = bring_to_end(spec)
    report(folder, state, stored=stored)
    return EXIT.get(state, 1)


def point(config: Any) -> None:
    """One point of a multirun whose launcher calls it in a process of its own choosing."""
    from experiments.compose import baseline_levels, validated
    from experiments.spec import make_spec
    from sweeps.hydra_launcher import RunFailed

    typed = validated(config)
    spec = make_spec(typed, baseline=baseline_levels(typed))
    folder = folder_of(spec)
    stored = folder.is_done()
    state = bring_to_end(spec)
    report(folder, state, stored=stored)
    if state == State.interrupted:
        raise KeyboardInterrupt  # else the launcher would go on with the next point
    if state != State.finished:
        raise RunFailed(f"{folder.path}: {state}")


def multirun(arguments: list[str]) -> int:
    """Hydra's own multirun, whatever its launcher: each point is a run of the store."""
    import hydra
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException

    from experiments.compose import CONF, register_schema
    from sweeps.hydra_launcher import RunFailed, register

    register_schema()
    register()
    # Hydra would answer any error with its own text and exit code 1.
    os.environ["HYDRA_FULL_ERROR"] = "1"
    chosen = [argument.lstrip("+~").partition("=")[0] for argument in arguments]
    defaults = {"hydra/launcher": "isolated", "hydra.sweep.dir": "${paths.runs}/multirun"}
    added = [f"{key}={value}" for key, value in defaults.items() if key not in chosen]
    # Hydra takes its flags before the overrides or after them; the user may put ours between.
    others = [argument for argument in arguments if argument not in MULTIRUN]
    sys.argv = [sys.argv[0], "--multirun", *others, *added]
    main = hydra.main(version_base="1.3", config_path=str(CONF), config_name="config")
    try:
        main(point)()
    except RunFailed as failure:
        print(f"error: {failure}", file=sys.stderr)
        return 1
    except (HydraException, OmegaConfBaseException) as error:
        raise mistake(error, arguments) from error
    except KeyboardInterrupt:
        command = shlex.join(["python", "-m", "experiments.run", *arguments])
        print(f"\ninterrupted; to go on, type: {command}", file=sys.stderr)
        return 130
    return 0


def mistake(error: Exception, arguments: list[str]) -> UserError:
    """What Hydra refused in a multirun, said as the composition of a single run says it."""
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import HydraException

    from experiments.compose import compose

    typed = [argument for argument in arguments if not argument.startswith("-")]
    try:
        levels = [
            [f"{override.get_key_element()}={value}" for value in override.sweep_string_iterator()]
            if override.is_sweep_override()
            else [override.input_line]
            for override in OverridesParser.create().parse_overrides(typed)
            if not override.is_hydra_override()
        ]
        first = [choices[0] for choices in levels]
        for index, choices in enumerate(levels):  # each level once, the others at their first
            for level in choices:
                compose([*first[:index], level, *first[index + 1 :]])
    except UserError as sentence:
        return sentence
    except HydraException as refused:
        error = refused
    text, cause = str(error).split("Config search path")[0], str(error.__cause__ or "")
    # Hydra's lists of options and OmegaConf's reason follow in lines of their own.
    return UserError(" ".join([*text.split(), *cause.splitlines()[:1]]))


def usage() -> str:
    from experiments.compose import choices

    options = {f"{group}s": "|".join(choices(group)) for group in LISTED}
    return str(__doc__).format(**options)


def main(arguments: list[str]) -> int:
    if not arguments or {"-h", "--help"} & set(arguments):
        print(usage())
        return 0 if arguments else 2
    try:
        if MULTIRUN & set(arguments):
            return multirun(arguments)
        flags = [a for a in arguments if a.startswith("-") and a != "--explain"]
        if flags:
            raise UserError(f"{flags[0]} is not an option: expected --explain, -m or --help")
        overrides = [a for a in arguments if a != "--explain"]
        return single(overrides, explain="--explain" in arguments)
    except (UserError, Busy) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except NotMirrored as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
