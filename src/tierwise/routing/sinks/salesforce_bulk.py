"""One job of Salesforce's Bulk API 2.0, from its making to its results."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime

from tierwise.routing.sinks import salesforce_payload as payload
from tierwise.routing.sinks.crm_http import Answer, Stop
from tierwise.routing.sinks.crm_sink import understood
from tierwise.routing.sinks.salesforce_payload import Results
from tierwise.routing.sinks.salesforce_session import Session

_INGEST = "/jobs/ingest"
_LONGEST_PAUSE = 15.0
_ENDED = (401, 403, 404, 410)
"""Answers after which asking on is of no use."""


@dataclass(frozen=True)
class Job:
    """What is asked of one job: rows of one object, matched by a key column; an upsert's key is an external id."""

    object: str
    operation: str
    key: str
    csv: bytes
    rows: int


def run(session: Session, job: Job, at: datetime, pause: Callable[[float], None], seconds: float) -> Results:
    """Make a job, upload its rows, close it, wait for it, and read what became of each row.

    A job that is not done in so many seconds, or whose upload broke off, is aborted, so that it cannot write old values
    after newer ones.

    Raises
    ------
    Stop : it did not come to results.
    """
    external = job.key if job.operation == "upsert" else None
    made = session.call("POST", _INGEST, at, body=payload.new_job(job.object, job.operation, external))
    job_id = understood(made, lambda said: str(said["id"]))
    if not job_id.isalnum():
        raise Stop("Salesforce gave a job an id that is none")
    path = f"{_INGEST}/{job_id}"
    try:
        session.call("PUT", f"{path}/batches", at, body=job.csv, content_type="text/csv; charset=UTF-8", wanted=(201,))
    except Stop:
        _abort(session, path, at)
        raise
    try:
        session.call("PATCH", path, at, body=payload.state("UploadComplete"))
    except Stop as stop:
        if not stop.unknown:
            _abort(session, path, at)
            raise
    state, message = _waited(session, path, at, pause, seconds)
    ended = "" if state == "JobComplete" else session.hide(f"{state}: {message or 'no reason was given'}")
    return _results(session, path, job, at, ended)


def _pauses(seconds: float) -> Iterator[float]:
    """How long to wait before each question: 1, 1, 2, 3, 5, 8, 13, 15, 15, ... within so many seconds."""
    now, after, left = 1.0, 1.0, seconds
    while left > 0:
        wait = min(now, _LONGEST_PAUSE, left)
        left -= wait
        yield wait
        now, after = after, now + after


def _waited(
    session: Session, path: str, at: datetime, pause: Callable[[float], None], seconds: float
) -> tuple[str, str]:
    """The state in which a closed job ended, and Salesforce's message."""
    trouble = ""
    for wait in _pauses(seconds):
        pause(wait)
        try:
            answer = session.call("GET", path, at)
            state, message = understood(answer, lambda said: (str(said["state"]), str(said.get("errorMessage") or "")))
        except Stop as stop:
            if stop.status in _ENDED:
                raise
            trouble = stop.said
            continue
        if state in ("JobComplete", "Failed", "Aborted"):
            return state, message
        if state == "Open":
            session.call("PATCH", path, at, body=payload.state("UploadComplete"))
    _abort(session, path, at)
    said = f"Salesforce's job was not done within {seconds / 60:g} minutes, and was aborted"
    raise Stop(f"{said}; at last: {trouble}" if trouble else said, unknown=True)


def _results(session: Session, path: str, job: Job, at: datetime, ended: str) -> Results:
    def rows(kind: str) -> dict[str, dict[str, str]]:
        return _rows(session.call("GET", f"{path}/{kind}/", at, accept="text/csv"), job.key)

    done, failed = rows("successfulResults"), rows("failedResults")
    errors = {key: session.hide(row.get("sf__Error", "")) for key, row in failed.items()}
    begun = done.keys() | errors.keys()
    unprocessed = rows("unprocessedRecords") if len(begun) < job.rows else {}
    return Results(frozenset(done.keys() - errors.keys()), errors, frozenset(unprocessed.keys() - begun), ended)


def _rows(answer: Answer, key: str) -> dict[str, dict[str, str]]:
    try:
        return payload.rows_of(answer.text(), key)
    except ValueError as error:
        raise Stop(f"Salesforce's job ran, and {error}") from None


def _abort(session: Session, path: str, at: datetime) -> None:
    """Ask for an end, whatever comes of it: a job that is done is done."""
    try:
        session.call("PATCH", path, at, body=payload.state("Aborted"))
    except Stop:
        return
