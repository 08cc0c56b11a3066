"""A receiver of tierwise's webhooks, to try them with or to begin from: `python docs/receiver.py [PORT]`.

It takes an action once, however often it is sent, and only with the right signature and a fresh timestamp, as
standardwebhooks.com asks. The secret is read from SEQUENCER_SECRET.
"""

import base64
import hashlib
import hmac
import http.server
import json
import os
import sys
import time

KEY = base64.b64decode(os.environ["SEQUENCER_SECRET"].removeprefix("whsec_"))
TAKEN = set()


class Receiver(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        letter, sent_at = self.headers["webhook-id"], self.headers["webhook-timestamp"]
        signed = hmac.new(KEY, f"{letter}.{sent_at}.".encode() + body, hashlib.sha256).digest()
        given = self.headers["webhook-signature"].removeprefix("v1,")
        genuine = hmac.compare_digest(base64.b64encode(signed).decode(), given)
        if not genuine or abs(time.time() - int(sent_at)) > 300:
            return self.answer(401)
        if letter not in TAKEN:
            TAKEN.add(letter)
            action = json.loads(body)["data"]
            print(f"{len(TAKEN):,} {action['tier']} {action['play']}: {action['message']}", flush=True)
        return self.answer(204)

    def answer(self, status):
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


if __name__ == "__main__":
    port = int(sys.argv[1]) if len(sys.argv) > 1 else 8899
    print(f"http://127.0.0.1:{port}/ (stop with Ctrl-C)", flush=True)
    http.server.ThreadingHTTPServer(("127.0.0.1", port), Receiver).serve_forever()
