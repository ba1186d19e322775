"""The lease on a run: which attempt may end it, among hosts that share nothing but its folder.

A sleeper (a stopped process, a paused machine) wakes at any moment and goes on with what it was
about to do, so that no question asked beforehand protects a shared file. What protects it: each
change of a shared file is the rename of a file that bears the attempt's number, which one process
alone can win, and which a successor has taken away before it begins.

    lease/<n>             attempt n is alive: its holder writes a new beat into it every 10 s
    lease/<n>.ended       it ended by itself, unfinished
    lease/<n>.dead        its beats had stopped for LEASE_SECONDS, and another host goes on
    lease/<n>.finishing   it has won: whoever sees this puts its result in place
    lease/<n>.result      its result, which becomes result.json; then <n>.finishing becomes DONE
    lease/<n>-<x>.draft   the curve it goes on from, which becomes history.jsonl
    lease/<host>.lock     flock among the processes of one host, which the kernel frees at any death

No clocks are compared: a host watches a lease by its own. The numbers are never used again.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path

from experiments.files import room_for, write_atomic

LEASE_SECONDS = 60.0
HEARTBEAT_SECONDS = 10.0
ENDS = ("ended", "dead", "finishing")
BEAT_BYTES = 256


class Busy(RuntimeError):
    """Another process holds the run."""


class TakenOver(Busy):
    """Another host took this attempt for dead while it slept, and goes on with the run."""


@functools.cache
def this_host() -> str:
    """One running kernel: its name, and its boot, because two machines may share a name.

    EXPERIMENTS_HOST overrides it.
    """
    boot = Path("/proc/sys/kernel/random/boot_id")
    suffix = f"-{boot.read_text(encoding='ascii')[:8]}" if boot.exists() else ""
    return os.environ.get("EXPERIMENTS_HOST") or f"{socket.gethostname()}{suffix}"


def folder_of(run: Path) -> Path:
    return run / "lease"


def lock_file(run: Path) -> Path:
    return folder_of(run) / f"{this_host()}.lock"


def tokens(run: Path) -> dict[int, str]:
    """How each attempt ended, by its number: one of ENDS, or '' while it is alive."""
    found: dict[int, str] = {}
    with contextlib.suppress(FileNotFoundError):
        for path in folder_of(run).iterdir():
            number, _, end = path.name.partition(".")
            # A token beside its own end is a loser's, which is about to remove it.
            if number.isdigit() and (end in ENDS or (not end and int(number) not in found)):
                found[int(number)] = end
    return found


def living(run: Path) -> Path | None:
    """The token of the newest attempt if that is alive, or was when its host was last seen."""
    found = tokens(run)
    newest = max(found, default=0)
    return folder_of(run) / str(newest) if found.get(newest) == "" else None


def holder(token: Path) -> str:
    """The host that holds a token; '' when it died before it could say."""
    try:
        return json.loads(token.read_text(encoding="utf-8"))["host"]
    except (ValueError, KeyError):
        return ""


# The beat last seen in each token, and since when: by this process's own clock.
_seen: dict[Path, tuple[bytes, float]] = {}


def unmoved_seconds(token: Path) -> float:
    """How long a token is known to have stood still; 0 when first looked at, or when it moved."""
    beat = token.read_bytes()
    before = _seen.get(token)
    if before is None or before[0] != beat:
        _seen[token] = beat, time.monotonic()
        return 0.0
    return time.monotonic() - before[1]


def bury(token: Path) -> None:
    """Declare an attempt dead; from here on it can finish nothing. One process alone succeeds."""
    try:
        token.rename(token.with_name(f"{token.name}.dead"))
    except FileNotFoundError as error:
        raise Busy(f"{token.parent.parent}: another process was quicker") from error


def is_held_elsewhere(run: Path) -> bool:
    """Whether an attempt of another host is alive, as far as looking again and again tells."""
    token = living(run)
    if token is None or holder_or_none(token) in (None, this_host()):
        return False
    try:
        if unmoved_seconds(token) < LEASE_SECONDS:
            return True
        bury(token)
    except (Busy, FileNotFoundError):
        return True
    return False


def holder_or_none(token: Path) -> str | None:
    """As holder(); None when the token has just gone."""
    try:
        return holder(token)
    except FileNotFoundError:
        return None


def next_number(run: Path, *, noted: Callable[[], int], should_stop: Callable[[], bool]) -> int:
    """The number of the next attempt, once the newest one is not alive; Busy when it is.

    noted(): the highest number that the run's log knows. An attempt of this host is dead, because
    the caller holds lock_file. One of another host is watched for LEASE_SECONDS.
    """
    # The log first, then the tokens, each once: an attempt that began since has the number
    # returned here, so that two can never be under way with different numbers.
    before = noted()
    found = tokens(run)
    newest = max(found, default=0)
    if found.get(newest) == "":
        token = folder_of(run) / str(newest)
        host = holder_or_none(token)
        if host != this_host():
            print(f"{run}: watching whether its attempt on {host or 'a host'} is alive", flush=True)
            try:
                _watch(token, should_stop=should_stop)
            except FileNotFoundError as error:
                raise Busy(f"{run}: another process was quicker") from error
        bury(token)
    return 1 + max(newest, before)


def _watch(token: Path, *, should_stop: Callable[[], bool]) -> None:
    """Return once the token has stood still for LEASE_SECONDS; Busy as soon as it moves."""
    first = token.read_bytes()
    while unmoved_seconds(token) < LEASE_SECONDS:
        time.sleep(min(1.0, LEASE_SECONDS / 20))
        if token.read_bytes() != first:
            raise Busy(f"{token.parent.parent} is being trained on {holder(token)}")
        if should_stop():
            raise Busy(f"{token.parent.parent}: asked to stop while watching its lease")


def complete(run: Path) -> int | None:
    """Put the result of an attempt that has won in place, whoever it was; returns its number.

    Done twice, by a helper and by a sleeper that wakes, it does what it did once.
    """
    for number, end in tokens(run).items():
        if end == "finishing":
            token = folder_of(run) / f"{number}.finishing"
            with contextlib.suppress(FileNotFoundError):
                token.with_suffix(".result").replace(run / "result.json")
            with contextlib.suppress(FileNotFoundError):
                token.replace(run / "DONE")
            return number
    return None


class Lease:
    """Attempt `number` of a run, held by this process and kept alive by a thread of it.

    Raises Busy when another was quicker. noted() is that of next_number, which gave the number.
    """

    def __init__(self, run: Path, number: int, *, noted: Callable[[], int]) -> None:
        self.run = run
        self.number = number
        self.token = folder_of(run) / str(number)
        self.beats = 0
        try:
            self.fd = os.open(self.token, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o644)
        except FileExistsError as error:
            raise Busy(f"{run}: another process was quicker") from error
        self.identity = os.fstat(self.fd)
        try:
            with room_for(self.token):
                self._beat()
            # Whoever slept since it chose the number may have created what had come and gone.
            newer = any(n > number or (n == number and end) for n, end in tokens(run).items())
            if newer or noted() >= number or (run / "DONE").exists():
                raise Busy(f"{run}: another process was quicker")
        except BaseException:
            self.token.unlink(missing_ok=True)
            os.close(self.fd)
            raise
        for draft in folder_of(run).glob("*.draft"):
            if int(draft.name.partition("-")[0]) < number:
                draft.unlink(missing_ok=True)
        self._over = threading.Event()
        self._heart = threading.Thread(target=self._keep_alive, daemon=True)
        self._heart.start()

    def check(self) -> None:
        """Raises TakenOver when the token is no longer this attempt's."""
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(os.stat(self.token), self.identity):
                return
        raise TakenOver(f"{self.run}: another host took over")

    def finish(self, result: str) -> None:
        """Make this attempt's result the run's: the one moment that ends it. Or TakenOver."""
        self._stop()
        write_atomic(self.token.with_suffix(".result"), result)
        self._become("finishing")
        complete(self.run)

    def end(self) -> None:
        """Leave the run, unfinished, to whoever wants it next."""
        self._stop()
        self._become("ended")

    def _become(self, end: str) -> None:
        try:
            self.token.rename(self.token.with_suffix(f".{end}"))
        except FileNotFoundError as error:
            self.token.with_suffix(".result").unlink(missing_ok=True)
            raise TakenOver(f"{self.run}: another host took over") from error

    def _stop(self) -> None:
        if not self._over.is_set():
            self._over.set()
            self._heart.join()
            os.close(self.fd)

    def _keep_alive(self) -> None:
        while not self._over.wait(HEARTBEAT_SECONDS):
            # A beat that cannot be written is one missed: others judge by what they see.
            with contextlib.suppress(OSError):
                self._beat()

    def _beat(self) -> None:
        """In place and by descriptor: by name, it would bring back a token that was taken away."""
        self.beats += 1
        beat = {"host": this_host(), "pid": os.getpid(), "attempt": self.number, "beat": self.beats}
        os.pwrite(self.fd, json.dumps(beat).ljust(BEAT_BYTES - 1).encode() + b"\n", 0)
        os.fsync(self.fd)
