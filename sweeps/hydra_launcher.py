"""Hydra's multirun through isolated workers: hydra/launcher=isolated, the entry point's default.

    python -m experiments.run -m experiment=symmetry residual=all,none "seed=range(0,5)"
    python -m experiments.run -m ... hydra.launcher.devices=[0,1] hydra.launcher.runs_per_device=2

All points are composed before the first one is trained, so nothing that happens in conf/ reaches
them later; points that describe the same computation are one run. The runs then are a plan like
any other and go through `sweeps.reconcile`: finished ones are kept, interrupted ones go on, and
whatever a run does to itself stays in its process.
"""

from __future__ import annotations

import copy
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from hydra.core.config_store import ConfigStore
from hydra.core.plugins import Plugins
from hydra.core.utils import JobReturn, JobStatus
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from experiments.compose import baseline_levels, compose
from experiments.errors import UserError
from experiments.lineage import parent_configs, with_seed
from experiments.mirror import check_tracking
from experiments.provenance import sources_digest
from experiments.spec import make_spec
from experiments.store import State
from sweeps.devices import slots
from sweeps.drive import drive, forgive_failed
from sweeps.plan import PLAN_SCHEMA, Plan, planned
from sweeps.reconcile import Progress, blocked_by
from sweeps.view import COLOURS, summary

PLUGIN_MODULE = "hydra_plugins.isolated"
# Before anything was measured, for the time that is left.
SECONDS_PER_RUN = 60


class RunFailed(RuntimeError):
    """The run of a point did not finish; the message says how it ended."""


@dataclass
class IsolatedConf:
    """hydra.launcher.<key>=<value>

    jobs: at most so many runs side by side; null: one a GPU, or one a core without GPUs.
    devices: GPUs as CUDA_VISIBLE_DEVICES names them ("0,1" or [0,1]), auto, or none for the cores.
    threads: of each run; null: the cores dealt out among the GPUs' runs, one on the cores.
    time_limit: seconds after which a run counts as failed.
    retry_failed: train again, from their last checkpoint, runs that failed before.
    """

    _target_: str = f"{PLUGIN_MODULE}.IsolatedLauncher"
    jobs: int | None = None
    devices: Any = "auto"
    runs_per_device: int = 1
    threads: int | None = None
    time_limit: float | None = None
    retry_failed: bool = False


def register() -> None:
    """Make hydra/launcher=isolated known to the Hydra application of this process."""
    ConfigStore.instance().store(group="hydra/launcher", name="isolated", node=IsolatedConf)
    plugins = Plugins.instance()
    # Hydra instantiates a registered plugin by its name, and only out of the package hydra_plugins;
    # this gives it the one name there without anything to install.
    package, _, name = PLUGIN_MODULE.rpartition(".")
    module = ModuleType(PLUGIN_MODULE, __doc__)
    launcher = type("IsolatedLauncher", (IsolatedLauncher,), {"__module__": PLUGIN_MODULE})
    setattr(module, launcher.__name__, launcher)
    setattr(sys.modules.setdefault(package, ModuleType(package)), name, module)
    sys.modules[PLUGIN_MODULE] = module
    plugins.register(launcher)


class IsolatedLauncher(Launcher):
    """Composes every point, reconciles them, and answers with one JobReturn a point, in order.

    Its value is the run's metrics; for a run that did not finish, getting it raises RunFailed.
    """

    def __init__(self, **settings: Any) -> None:
        self.settings = IsolatedConf(**settings)
        self.config = DictConfig({})

    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None:
        """Called by Hydra. The task function is left alone: a worker trains, in its own process."""
        self.config = config

    def launch(
        self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int
    ) -> Sequence[JobReturn]:
        specs = compose_points(job_overrides)
        plan = plan_of(specs)
        progress = self._train(plan, common_runs(specs))
        by_id = {run["run_id"]: run for run in plan["runs"]}
        points = [
            Point(list(overrides), by_id[spec["run_id"]], progress)
            for overrides, spec in zip(job_overrides, specs, strict=True)
        ]
        show(points, progress)
        if progress.exit_code == 130:
            raise KeyboardInterrupt
        hydra = OmegaConf.create({"hydra": self.config.get("hydra")})
        return [point.job_return(hydra) for point in points]

    def _train(self, plan: Plan, runs: Path) -> Progress:
        settings = self.settings
        devices = settings.devices
        if not isinstance(devices, str | int):
            devices = ",".join(map(str, devices))
        if devices == "none":
            for run in plan["runs"]:
                run["config"]["runtime"]["device"] = "cpu"
        wanted = {run["config"]["runtime"]["device"] for run in plan["runs"]}
        found = slots(
            jobs=settings.jobs,
            devices=str(devices),
            runs_per_device=settings.runs_per_device,
            threads=settings.threads,
            wanted=wanted.pop() if len(wanted) == 1 else "auto",
        )
        if settings.retry_failed:
            forgive_failed(plan, runs)
        return drive(plan, runs, slots=found, console=Console(), time_limit=settings.time_limit)


def compose_points(job_overrides: Sequence[Sequence[str]]) -> list[dict[str, Any]]:
    """The spec of each point. Points that differ in nothing but their seed are composed once."""
    arms: dict[tuple[str, ...], dict[str, Any]] = {}
    baselines: dict[str, dict[str, Any]] = {}
    specs = []
    for overrides in job_overrides:
        seeds = [match[1] for o in overrides if (match := re.fullmatch(r"seed=(\d+)", o))]
        arm = tuple(o for o in overrides if not re.fullmatch(r"seed=\d+", o))
        if arm not in arms:
            arms[arm] = compose(arm)
            check_tracking(arms[arm])
        config = copy.deepcopy(arms[arm])
        if seeds:
            given = any(override.startswith("pretraining.seed=") for override in arm)
            kept = config["pretraining"]["seed"] if given else None
            config = with_seed(config, int(seeds[-1]), pretraining_seed=kept)
        experiment = config["experiment"]
        if experiment not in baselines:
            baselines[experiment] = baseline_levels(config)
        specs.append(make_spec(config, baseline=baselines[experiment]))
    return specs


def common_runs(specs: list[dict[str, Any]]) -> Path:
    """The one folder that all points' runs are kept in."""
    folders = sorted({spec["config"]["paths"]["runs"] for spec in specs})
    if len(folders) > 1:
        raise UserError(
            f"paths.runs differs among the points ({', '.join(folders)}): type one command for each"
        )
    return Path(folders[0])


def plan_of(specs: list[dict[str, Any]]) -> Plan:
    """The points as a plan: each run once, in the order of the points, behind its parents."""
    runs: dict[str, dict[str, Any]] = {}

    def add(spec: dict[str, Any], role: str) -> None:
        for parent in parent_configs(spec["config"]):
            add(make_spec(parent), "parent")
        runs.setdefault(spec["run_id"], {**planned(copy.deepcopy(spec)), "role": role})

    for spec in specs:
        add(spec, "cell")
    return {
        "schema": PLAN_SCHEMA,
        "sweep": "multirun",
        "profile": ", ".join(sorted({spec["config"]["experiment"] for spec in specs})),
        "study": specs[0]["config"]["study"],
        "title": "multirun",
        "sources": sources_digest(),
        "seconds_per_run": SECONDS_PER_RUN,
        "runs": list(runs.values()),
        "claims": [],
        "tables": [],
    }


@dataclass
class Point:
    """One point of the multirun: its overrides, and the planned run that it shares with equals."""

    overrides: list[str]
    run: dict[str, Any]
    progress: Progress

    @property
    def state(self) -> State:
        return self.progress.states[self.run["run_id"]]

    @property
    def reason(self) -> str:
        if self.state == State.blocked:
            return blocked_by(self.run, self.progress.states, self.progress.runs)
        attempts = self.progress.folder(self.run).attempts()
        return attempts[-1].get("reason", "killed repeatedly") if attempts else "not started"

    def result(self) -> dict[str, Any] | None:
        """result.json of a finished run."""
        return self.progress.folder(self.run).result() if self.state == State.finished else None

    def job_return(self, hydra: DictConfig) -> JobReturn:
        result = self.result()
        folder = self.progress.folder(self.run).path
        value = result["metrics"] if result else RunFailed(f"{folder}: {self.state}: {self.reason}")
        return JobReturn(
            overrides=self.overrides,
            cfg=OmegaConf.create(self.run["config"]),
            hydra_cfg=hydra,
            working_dir=str(Path.cwd()),
            task_name=str(OmegaConf.select(hydra, "hydra.job.name")),
            status=JobStatus.COMPLETED if result else JobStatus.FAILED,
            _return_value=value,
        )


def show(points: list[Point], progress: Progress) -> None:
    """What became of each point, and all failures in one table."""
    # A pipe or a log has no width: there a table that folds its words could not be searched.
    console = Console() if sys.stdout.isatty() else Console(width=200)
    console.print(_results(points))
    console.print(summary(progress))
    failed = [point for point in points if point.state in (State.failed, State.blocked)]
    if failed:
        console.print(_failures(failed))
        console.print("to train failed runs again, add hydra.launcher.retry_failed=true")


def _results(points: list[Point]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    for name in ("run", "variant", "seed", "state", "status", "score", "steps"):
        table.add_column(name, justify="right" if name in ("seed", "score", "steps") else "left")
    for point in points:
        run, result = point.run, point.result()
        state = f"[{COLOURS[point.state]}]{point.state}[/]"
        cells = [run["run_id"], run["variant"], str(run["seed"]), state]
        if result:
            score = result["metrics"].get(run["config"]["trainer"]["stop_metric"])
            said = "-" if score is None else f"{score:.3f}"
            cells += [result["status"], said, str(result["cost"]["steps"])]
        table.add_row(*cells)
    return table


def _failures(points: list[Point]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold red", title="not finished")
    for name in ("point", "state", "reason", "log"):
        table.add_column(name, overflow="fold")
    for point in points:
        log = str(point.progress.folder(point.run).log_file)
        words = (" ".join(point.overrides), str(point.state), point.reason, log)
        table.add_row(*(escape(word) for word in words))
    return table
