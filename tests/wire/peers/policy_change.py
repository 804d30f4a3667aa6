"""A policy change, from the first look to the roll-back, by a client that was generated from the OpenAPI document.

Usage: policy_change.py FOLDER URL TOKEN COOKIE POLICY (the file); `made` is importable from FOLDER.
"""

import sys

folder, url, token, cookie, policy = sys.argv[1:]
sys.path.insert(0, folder)

from made import AuthenticatedClient, Client  # noqa: E402
from made.api.policies import (  # noqa: E402
    get_policies,
    get_policies_number,
    post_policies,
    post_policies_number_activate,
    post_policies_number_approve,
    post_policies_roll_back,
    post_policies_validate,
)
from made.models import (  # noqa: E402
    ActivateBody,
    PolicyBook,
    SaveBody,
    TextBody,
    ProblemBody,
    ReasonBody,
    Standing,
)

# An answer that the document does not know is an error, not a None.
common = {"base_url": url, "raise_on_unexpected_status": True, "httpx_args": {"trust_env": False}, "timeout": 60}
author = AuthenticatedClient(token=token, **common)
name, value = cookie.split("=", 1)
approver = Client(cookies={name: value}, headers={"X-Ringward": "1"}, **common)

text = open(policy, encoding="utf-8").read()
before = get_policies.sync(client=author)
assert isinstance(before, PolicyBook), before
checked = post_policies_validate.sync(client=author, body=TextBody(text=text))
assert checked.new_refusals, checked
broken = post_policies_validate.sync_detailed(client=author, body=TextBody(text="[policy]\nname = 7\n"))
assert broken.status_code == 422 and isinstance(broken.parsed, ProblemBody) and broken.parsed.faults, broken

draft = SaveBody(text=text, reason="forgers")
saved = post_policies.sync(client=author, body=draft, idempotency_key="change-1")
again = post_policies.sync(client=author, body=draft, idempotency_key="change-1")
assert saved.number == again.number, (saved, again)
read = get_policies_number.sync(saved.number, client=author)
assert read.text == text, read

wish = ActivateBody(reason="forgers")
proposed = post_policies_number_activate.sync_detailed(saved.number, client=author, body=wish)
assert proposed.status_code == 202 and proposed.parsed == Standing(state="proposed"), proposed
alone = post_policies_number_approve.sync(saved.number, client=author, body=ReasonBody(reason="me too"))
assert isinstance(alone, ProblemBody) and alone.status == 409, alone
agreed = post_policies_number_approve.sync(saved.number, client=approver, body=ReasonBody(reason="seen"))
assert agreed == Standing(state="live"), agreed
assert get_policies.sync(client=approver).live == saved.number
back = post_policies_roll_back.sync(client=author, body=ReasonBody(reason="too many"))
assert back == Standing(state="live"), back
assert get_policies.sync(client=author).live == before.live
nobody = get_policies_number.sync(saved.number + 100, client=author)
assert isinstance(nobody, ProblemBody) and nobody.type_ == "urn:ringward:problem:no-such-policy", nobody
print("done")
