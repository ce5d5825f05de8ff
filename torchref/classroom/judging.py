"""One task of one student: the submission is copied, read, run in a process of its own, and graded."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torchref
from torchref.check.reference import asked
from torchref.check.report.verdict import COULD_NOT_RUN, Verdict
from torchref.check.running.child import LONGEST, SPARE, TOKEN
from torchref.check.running.message import decode
from torchref.classroom import imports
from torchref.classroom.assignment import Assignment, Task
from torchref.classroom.grade import MISSING, NOT_ALLOWED, NOT_RUN, Grade, grade, without
from torchref.classroom.submissions import Submission, copy, digest, pick
from torchref.classroom.workplace import workplace
from torchref.compare.faults import how_it_ended, message, reason
from torchref.compare.files import write_whole

__all__ = ["judge"]

STARTING = 60.0  # seconds for what is not the student's: Python starts, torchref is imported
COPY = "submission"  # the folder of the copy
LOOK = 0.05  # seconds between two looks at a process
SETTINGS = {  # of a task's process: nothing in it depends on the machine's cores, or on chance
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "PYTHONHASHSEED": "0",
    "PYTHONIOENCODING": "utf-8",
}


def judge(assignment: Assignment, task: Task, submission: Submission, kept: Path, stop: threading.Event) -> Grade:
    """The grade, which is kept in the file `kept`; the one that is there already, if nothing has changed."""
    with workplace() as place:
        folder = place / COPY
        folder.mkdir()
        try:
            copy(submission, assignment, folder)
            path, why = pick(folder, task.file)
            handed_in = digest(folder)
        except Exception as problem:  # noqa: BLE001 -- zipfile, zlib, lzma, ... of an archive that may hold anything
            said = reason(problem) if isinstance(problem, OSError) else message(problem)
            return without(submission.student, task, NOT_RUN, f"the submission cannot be read: {said}")
        key = _key(assignment, task, handed_in)
        if kept.is_file():
            text = kept.read_text(encoding="utf-8", errors="replace")
            if (found := Grade.from_document(text, key, submission.student, task)) is not None:
                return found
        if path is None:
            result = without(submission.student, task, MISSING, why)
        else:
            result = _judged(assignment, task, submission.student, path, place, stop)
        if not stop.is_set():
            write_whole(kept, result.as_document(key))
        return result


def _key(assignment: Assignment, task: Task, handed_in: str) -> str:
    """What the grade depends on, as one number."""
    references = [Path(file).read_bytes().hex() for o in task.operations if (file := asked.file_of(o))]
    limits = (assignment.forbidden, assignment.cpu, assignment.wall, assignment.memory)
    parts = [torchref.__version__, asdict(task), limits, references, handed_in]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _judged(assignment: Assignment, task: Task, student: str, path: Path, place: Path, stop: threading.Event) -> Grade:
    """The grade of the file `path`, which is below `place`."""
    files = imports.modules_of(path)
    names = tuple(name for name in assignment.forbidden if name not in task.allow)
    if found := imports.forbidden_imports(files, names):
        return without(student, task, NOT_ALLOWED, f"it {found}, which this task does not allow")
    request = {
        "path": str(path),
        "function": task.function,
        "operations": task.operations,
        "form": task.form,
        "only": task.only,
        "arguments": task.arguments,
        "strict": task.strict,
        "forbidden": names,
        "wall": assignment.wall,
        "cpu": assignment.cpu,
        "memory": int(assignment.memory * (1 << 30)),
    }
    seconds = (assignment.wall + SPARE) * len(task.operations) + STARTING
    judgement = _in_a_process(request, place / "answer", path.parent, seconds, stop)
    judgement.name = judgement.name or task.function
    judgement.against = judgement.against or task.operation
    judgement.file = task.file
    for folder in (place.resolve() / COPY, place / COPY):  # the copy is none of the student's business
        judgement.error = judgement.error.replace(f"{folder}{os.sep}", "")
    result = grade(student, task, judgement)
    result.look_at = imports.to_look_at(files)
    return result


def _in_a_process(
    request: dict[str, Any], answer: Path, folder: Path, seconds: float, stop: threading.Event
) -> Verdict:
    """The judgement that a process gives, or one that says why it gave none. The process and its children are ended."""
    token = os.urandom(TOKEN)
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "torchref.classroom.one_task"],  # -P: no module of the student's folder is found
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd=folder,
        env=_environment(),
        start_new_session=True,
    )
    try:
        assert process.stdin is not None
        with contextlib.suppress(BrokenPipeError), process.stdin as stdin:
            stdin.write(json.dumps({**request, "answer": str(answer), "token": token.hex()}).encode())
        ended = _wait(process, time.monotonic() + seconds, stop)
    finally:
        _end(process)
    if not ended:
        return Verdict(COULD_NOT_RUN, error=f"there was no answer within {seconds:g} s")
    return _read(answer, token, process.returncode)


def _environment() -> dict[str, str]:
    """Of a task's process, which stands in another folder: there the folders of PYTHONPATH are the same ones."""
    searched = os.environ.get("PYTHONPATH", "")
    folders = os.pathsep.join(os.path.abspath(folder) for folder in searched.split(os.pathsep) if folder)
    return {**os.environ, **SETTINGS, **({"PYTHONPATH": folders} if folders else {})}


def _wait(process: subprocess.Popen[bytes], deadline: float, stop: threading.Event) -> bool:
    """Wait until the process has ended; False if it has not by then, or if all is to stop."""
    while not _has_ended(process):
        if stop.wait(LOOK) or time.monotonic() > deadline:
            return False
    return True


def _has_ended(process: subprocess.Popen[bytes]) -> bool:
    """Whether it has ended. Its number stays taken until `_end`, which ends what has the same number as its group."""
    if not hasattr(os, "waitid"):  # Windows
        return process.poll() is not None
    return os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the process and what it has started; what has gone into a session of its own lives on."""
    with contextlib.suppress(OSError):
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
    process.wait()


def _read(answer: Path, token: bytes, status: int) -> Verdict:
    """The judgement in the answer's file. It is read as data: nothing in it is run."""
    if not answer.is_file():
        return Verdict(COULD_NOT_RUN, error=f"the judge's process {how_it_ended(status)}: the code has ended it")
    with open(answer, "rb") as file:
        data = file.read(TOKEN + LONGEST + 1)
    try:
        if data[:TOKEN] != token or len(data) > TOKEN + LONGEST:
            raise ValueError("the answer is not the judge's")
        return decode(data[TOKEN:])
    except ValueError as problem:
        return Verdict(COULD_NOT_RUN, error=str(problem))
