"""What schemathesis is told beside the document: two requests are two requests. And what it says of each: how it was answered."""

import itertools
import os

import schemathesis

numbers = itertools.count(1)


@schemathesis.hook
def before_call(context, case, kwargs):
    """A key that was sent with another request is answered 422, and nothing else is looked at: each one is new."""
    key = (case.headers or {}).get("Idempotency-Key")
    if isinstance(key, str) and 0 < len(key) <= 90:
        case.headers["Idempotency-Key"] = f"{key}-{next(numbers)}"


@schemathesis.hook
def after_call(context, case, response):
    """A line for each answer, for who wants to know whether an operation was ever done rather than refused."""
    if answers := os.environ.get("RINGWARD_ANSWERS"):
        with open(answers, "a", encoding="utf-8") as lines:
            lines.write(f"{case.operation.method.upper()} {case.operation.path} {response.status_code}\n")
