"""An action in one line, for people."""

from __future__ import annotations

from tierwise.routing.sinks.sink import Letter


def told(letter: Letter) -> str:
    """Its message, who owes it, and by when."""
    body = letter.body
    due, word = body.get("due_at"), "was due" if body.get("overdue_of") else "due"
    owed = [f"owner {body['owner']}"] if body.get("owner") else []
    owed += [f"{word} {str(due)[:16].replace('T', ' ')} UTC"] if due else []
    said = str(body.get("message") or body.get("play") or letter.letter_id)
    return " ".join(said.split()) + (f" ({', '.join(owed)})" if owed else "")
