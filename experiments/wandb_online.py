"""One run on a W&B server: appended to, finished, and read back to see what arrived.

    server = connect(project="lab", entity=None)
    live = server.append(result, tags=[], group=arm, host=None)
    live.send(rows)
    live.finish(result)
    verify(server.read(run_id), result=result, rows=rows, told=arguments)

W&B's client gives up silently, and exits 0, when a server fails for long; so what counts as sent is
what can be read back. A run is appended to from the server's last step on, never before it.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from experiments import wandb_client
from experiments.errors import UserError
from experiments.wandb_reading import OnlineRun, online_run
from experiments.wandb_record import config_of, run_arguments, summary_of

# W&B's client asks again by itself, by default for hours. Here it gives up within about a minute,
# and the mirror begins again at what the server holds.
PATIENCE: dict[str, Any] = {
    "init_timeout": 30.0,
    "finish_timeout": 60.0,
    "x_graphql_retry_max": 4,
    "x_graphql_retry_wait_min_seconds": 1.0,
    "x_graphql_retry_wait_max_seconds": 10.0,
    "x_graphql_timeout_seconds": 20.0,
    "x_file_stream_retry_wait_min_seconds": 1.0,
    "x_file_stream_retry_wait_max_seconds": 30.0,
    "x_file_transfer_retry_max": 4,
}
API_SECONDS = 15
# What of the user's environment concerns the connection; all else (a sweep agent's run id, a name,
# tags, a mode) would be taken for this run's.
KEPT = {
    "API_KEY", "BASE_URL", "APP_URL", "ENTITY", "IDENTITY_TOKEN_FILE", "CREDENTIALS_FILE",
    "CONFIG_DIR", "CACHE_DIR", "DATA_DIR", "ERROR_REPORTING", "HTTP_TIMEOUT", "INIT_TIMEOUT",
    "FINISH_TIMEOUT", "INSECURE_DISABLE_SSL",
}  # fmt: skip


class Unreachable(RuntimeError):
    """W&B's server does not answer, or not now; what was to be sent waits in the run folder."""


def keep_the_connection_alone() -> None:
    """Drop what the environment says about W&B but not about the way to it."""
    for name in [name for name in os.environ if name.startswith("WANDB_")]:
        setting = name.removeprefix("WANDB_")
        if setting not in KEPT and not setting.startswith(("X_", "_")):
            del os.environ[name]
    os.environ["WANDB_SILENT"] = "true"


@dataclass
class Server:
    """A project on a server that took the key."""

    wandb: Any
    api: Any
    url: str
    entity: str
    project: str

    @property
    def target(self) -> str:
        """Where runs go, as one word."""
        return f"{self.url}/{self.entity}/{self.project}"

    def read(self, run_id: str) -> OnlineRun | None:
        """What the server holds of a run; None where it has none of this id."""
        with _one_line():
            return online_run(self.api, f"{self.entity}/{self.project}", run_id)

    def append(
        self, result: Mapping[str, Any], *, tags: list[str], group: str, host: str | None
    ) -> LiveRun:
        """The run on the server, new or as it is there, to be appended to."""
        where = {"project": self.project, "entity": self.entity}
        arguments = run_arguments(result, tags=tags, group=group, **where)
        settings = {**wandb_client.QUIET, **wandb_client.chosen(PATIENCE), "host": host}
        folder = tempfile.TemporaryDirectory(prefix="wandb-online-")
        try:
            with _one_line():
                run = self.wandb.init(
                    mode="online",
                    resume="allow",
                    reinit="create_new",
                    dir=folder.name,
                    settings=self.wandb.Settings(**settings),
                    **arguments,
                )
                # The summary holds the result, not whatever happened to be logged last.
                run.define_metric("*", summary="none")
        except BaseException:
            folder.cleanup()
            raise
        return LiveRun(run, folder)

    def close(self) -> None:
        """End W&B's service with all that it still holds."""
        with contextlib.suppress(Exception, SystemExit):
            self.wandb.teardown()


class LiveRun:
    """A run that is being appended to. `sent` is its last step; -1 before the first."""

    def __init__(self, run: Any, folder: tempfile.TemporaryDirectory[str]) -> None:
        self.run = run
        self.folder = folder
        self.sent = run.starting_step - 1

    def send(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Append those of the rows, one a step and in order, that the server does not have."""
        with _one_line():
            for row in rows:
                if row["step"] > self.sent:
                    values = {key: value for key, value in row.items() if key != "step"}
                    self.run.log(values, step=row["step"], commit=True)
                    self.sent = row["step"]

    def finish(self, result: Mapping[str, Any]) -> None:
        """Config and summary of the finished run; returns when the client says that all is sent."""
        with _one_line():
            self.run.config.update(config_of(result), allow_val_change=True)
            self.run.summary.update(summary_of(result))
            self._end(0)

    def leave(self) -> None:
        """Close a run that is not finished; W&B shows it as failed until it goes on."""
        with contextlib.suppress(Unreachable), _one_line():
            self._end(1)

    def _end(self, exit_code: int) -> None:
        try:
            self.run.finish(exit_code=exit_code)
        finally:
            self.folder.cleanup()


def connect(*, project: str, entity: str | None) -> Server:
    """The server that the user's key is for; UserError for a key that it refuses, or none.

    Raises Unreachable where it does not answer.
    """
    wandb = wandb_client.package()
    wandb.setup(settings=wandb.Settings(silent=True))
    try:
        told = "WANDB_HTTP_TIMEOUT" in os.environ
        api = wandb.Api(timeout=None if told else API_SECONDS)
        owner = entity or api.default_entity
    except Exception as error:
        if not wandb_client.is_wandbs(error):
            raise
        wandb.teardown()
        raise refusal(error, instead="tracking=offline (upload later: make sync)") from error
    url = str(api.settings["base_url"])
    if not owner:
        raise UserError("W&B names no entity for this key: type wandb.entity=<user or team>")
    return Server(wandb=wandb, api=api, url=url, entity=owner, project=project)


def refusal(error: Exception, *, instead: str) -> Exception:
    """A key that is wrong or missing is the user's mistake, with what else to type; all other
    errors of W&B's may pass."""
    status, said = wandb_client.status_of(error), wandb_client.words(error)
    if status in (401, 403):
        what = "W&B refuses the API key"
    elif status is None and "API key must have" in said:
        what = "The API key for W&B is not of its form"
    elif wandb_client.is_without_key(error):
        what = "There is no API key for W&B"
    else:
        return Unreachable(said)
    return UserError(f"{what}: type `wandb login`, or {instead}")


@contextlib.contextmanager
def _one_line() -> Iterator[None]:
    """Whatever W&B's client raises, as Unreachable with one line."""
    try:
        yield
    except TimeoutError as error:
        raise Unreachable(f"W&B took too long: {wandb_client.words(error)}") from error
    except Exception as error:
        if not wandb_client.is_wandbs(error) and not isinstance(error, OSError):
            raise
        raise Unreachable(wandb_client.words(error)) from error
