"""A mail server that asks for TLS and a password, and prints each letter as one line of JSON.

mail_server.py PORT MODE CERTIFICATE KEY REFUSALS [ADDRESS ANSWER]: MODE is starttls or tls; the first REFUSALS letters are put off
(451); ANSWER is what is said to every letter for ADDRESS.
"""

import json
import ssl
import sys
import threading

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult

port, mode, certificate, key, refusals = int(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4], int(sys.argv[5])
shut, answer = (sys.argv + [None, None])[6:8]


class Letters:
    left = refusals

    async def handle_RCPT(self, server, session, envelope, address, options):
        if address == shut:
            print(json.dumps({"shut": address}), flush=True)
            return answer
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 known"

    async def handle_DATA(self, server, session, envelope):
        if self.left > 0:
            self.left -= 1
            print(json.dumps({"put_off": True}), flush=True)
            return "451 4.3.0 busy, try again"
        letter = {
            "is_tls": session.ssl is not None or mode == "tls",
            "is_proven": session.authenticated,
            "hello": session.host_name,
            "from": envelope.mail_from,
            "to": envelope.rcpt_tos,
            "text": envelope.content.decode(),
        }
        print(json.dumps(letter), flush=True)
        return "250 2.0.0 taken"


def prove(server, session, envelope, mechanism, login):
    is_right = (login.login, login.password) == (b"ringward", b"twelve octets")
    return AuthResult(success=is_right)


context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
context.load_cert_chain(certificate, key)
tls = {"ssl_context": context, "auth_require_tls": False} if mode == "tls" else {"tls_context": context, "require_starttls": True}
Controller(Letters(), hostname="127.0.0.1", port=port, authenticator=prove, auth_required=True, **tls).start()
print(json.dumps({"ready": True}), flush=True)
threading.Event().wait()
