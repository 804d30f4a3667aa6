"""What schemathesis is told beside the document: two requests are two requests."""

import itertools

import schemathesis

numbers = itertools.count(1)


@schemathesis.hook
def before_call(context, case, kwargs):
    """A key that was sent with another request is answered 422, and nothing else is looked at: each one is new."""
    key = (case.headers or {}).get("Idempotency-Key")
    if isinstance(key, str) and 0 < len(key) <= 90:
        case.headers["Idempotency-Key"] = f"{key}-{next(numbers)}"
