"""The table of faults. One that finds nothing to hit says None, and is not counted."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, Final, NamedTuple

from batchio.stores import lease
from tests.chaos import processes

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tests.chaos.campaign import Attack
    from tests.chaos.processes import Process

Hit = str | None


class Fault(NamedTuple):
    """One kind of misfortune."""

    name: str
    weight: int
    """How often it is drawn, compared with the others."""
    strike: Callable[[Attack], Hit]
    """Do it, and say what was hit."""
    reruns: bool = False
    """Whether what has just ended may have to run again."""


def head_pid(attack: Attack) -> int:
    """Return the pid of the job's head; 0: there is none."""
    holder = lease.holder(attack.job_folder) if attack.job else None
    return holder.pid if holder else 0


def _kill_head(attack: Attack) -> Hit:
    if not (pid := head_pid(attack)):
        return None
    processes.send(pid)
    return f"head {pid}"


def _stop_head(attack: Attack) -> Hit:
    if not (pid := head_pid(attack)):
        return None
    return _stop(attack, [pid])


def _term_head(attack: Attack) -> Hit:
    if not (pid := head_pid(attack)):
        return None
    number = attack.rng.choice([signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
    processes.send(pid, number)
    return f"head {pid} by {number.name}"


def _stop(attack: Attack, pids: Sequence[int]) -> Hit:
    seconds = attack.seconds(0.05, 3)
    processes.send_all(pids, signal.SIGSTOP)
    attack.later(seconds, lambda: processes.send_all(pids, signal.SIGCONT))
    return f"{list(pids)} for {seconds:.2f} s"


def _one(attack: Attack, found: list[Process]) -> int:
    return attack.rng.choice(found).pid if found else 0


def _kill_agent(attack: Attack) -> Hit:
    if not (pid := _one(attack, attack.place.agents(attack.job))):
        return None
    processes.send(pid)
    return f"agent {pid}"


def _term_agent(attack: Attack) -> Hit:
    if not (pid := _one(attack, attack.place.agents(attack.job))):
        return None
    processes.send(pid, signal.SIGTERM)
    return f"agent {pid}"


def _stop_agent(attack: Attack) -> Hit:
    if not (pid := _one(attack, attack.place.agents(attack.job))):
        return None
    return _stop(attack, [pid])


def _stop_task(attack: Attack) -> Hit:
    if not (pid := _one(attack, attack.place.tasks(attack.job))):
        return None
    return _stop(attack, [pid])


def _kill_client(attack: Attack) -> Hit:
    alive = [typed for typed in attack.user.typed if typed.runs]
    for typed in alive:
        typed.signal(signal.SIGKILL)
    return f"{len(alive)} clients" if alive else None


def _interrupt_client(attack: Attack) -> Hit:
    alive = [typed for typed in attack.user.typed if typed.runs]
    for typed in alive:
        typed.signal(signal.SIGINT)
    return f"{len(alive)} clients" if alive else None


def _kill_all(attack: Attack) -> Hit:
    """As when a computer breaks down: head, agents, tasks and clients, in any order."""
    head = head_pid(attack)
    found = [one.pid for one in (*attack.place.agents(attack.job), *attack.place.tasks(attack.job))]
    pids = [*found, *([head] if head else [])]
    attack.rng.shuffle(pids)
    processes.send_all(pids, signal.SIGSTOP)  # else a shell tells of its killed child
    processes.send_all(pids)
    clients = _kill_client(attack)
    return f"{len(pids)} processes, {clients or 'no client'}" if pids or clients else None


def _kill_head_and_agent(attack: Attack) -> Hit:
    hits = [_kill_head(attack), _kill_agent(attack)]
    return " and ".join(hit for hit in hits if hit) or None


def _recover(attack: Attack) -> Hit:
    return _typed(attack, attack.rng.choice([1, 1, 2, 3]), "recover", "-y")


def _retry(attack: Attack) -> Hit:
    return _typed(attack, attack.rng.choice([1, 1, 2]), "retry", "-y")


def _cancel(attack: Attack) -> Hit:
    return _typed(attack, attack.rng.choice([1, 1, 2]), "cancel", "-y")


def _cancel_tasks(attack: Attack) -> Hit:
    first = attack.rng.randrange(attack.shape.tasks)
    last = min(first + attack.rng.randrange(3), attack.shape.tasks - 1)
    return _typed(attack, 1, "cancel", "-y", "--task", f"{first}-{last}")


def _look(attack: Attack) -> Hit:
    words = attack.rng.choice([("status",), ("logs",), ("explain",), ("list",), ("wait",)])
    return _typed(attack, attack.rng.choice([1, 2]), *words)


def _typed(attack: Attack, times: int, *words: str) -> Hit:
    """So many of the same command at once; they are answered when the job is settled."""
    if not attack.job:
        return None
    target = () if words[0] == "list" else (attack.job,)
    for _ in range(times):
        attack.user.begin(*words, *target)
    return f"{times} times" if times > 1 else "once"


def _remove_lock(attack: Attack) -> Hit:
    """The file that keeps two heads apart; then it is the epoch that does."""
    if not head_pid(attack):
        return None
    (attack.job_folder / lease.LOCK_FILE).unlink(missing_ok=True)
    return lease.LOCK_FILE


ANYWHERE: Final = (
    Fault("kill head", 10, _kill_head),
    Fault("stop head", 4, _stop_head),
    Fault("end head by a signal", 2, _term_head),
    Fault("kill agent", 7, _kill_agent, reruns=True),
    Fault("end agent by TERM", 2, _term_agent, reruns=True),
    Fault("stop agent", 4, _stop_agent),
    Fault("stop task", 1, _stop_task),
    Fault("kill client", 3, _kill_client),
    Fault("interrupt client", 1, _interrupt_client),
    Fault("kill all", 4, _kill_all, reruns=True),
    Fault("kill head and agent", 4, _kill_head_and_agent, reruns=True),
    Fault("recover", 8, _recover),
    Fault("retry", 3, _retry),
    Fault("cancel", 2, _cancel, reruns=True),
    Fault("cancel some", 2, _cancel_tasks, reruns=True),
    Fault("look on", 3, _look),
    Fault("remove lock", 1, _remove_lock),
)
"""Faults of processes and people, on every place."""
