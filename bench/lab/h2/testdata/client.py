"""A client on python3-h2. Standard input has {url, exchanges}, and standard output gets an answer
for each, or an error."""

import hashlib
import json
import socket
import ssl
import sys
from urllib.parse import urlsplit

import h2.connection
import h2.events


def connect(url):
    """A socket that speaks HTTP/2."""
    conn = socket.create_connection((url.hostname, url.port), timeout=30)
    if url.scheme == "http":
        return conn
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols(["h2"])
    conn = context.wrap_socket(conn, server_hostname="localhost")
    assert conn.selected_alpn_protocol() == "h2"
    return conn


def text(headers):
    return [(n.decode(), v.decode()) for n, v in headers]


class Client:
    def __init__(self, url):
        self.scheme = url.scheme
        self.conn = connect(url)
        self.h2 = h2.connection.H2Connection()
        self.h2.initiate_connection()
        self.flush()

    def flush(self):
        self.conn.sendall(self.h2.data_to_send())

    def ask(self, e):
        stream = self.h2.get_next_available_stream_id()
        headers = [
            (":method", e["method"]),
            (":scheme", self.scheme),
            (":authority", "localhost"),
            (":path", e["path"]),
        ]
        if e["upload"] >= 0 and e["sized"]:
            headers.append(("content-length", str(e["upload"])))
        self.h2.send_headers(stream, headers, end_stream=e["upload"] < 0)
        self.body = None
        if e["upload"] >= 0:
            size = e["upload"]
            self.body = (b"0123456789abcdef" * (size // 16 + 1))[:size]
        answer = {"status": 0, "size": 0, "interim": [], "trailers": {}}
        digest = hashlib.sha256()
        while True:
            self.send(stream)
            data = self.conn.recv(1 << 16)
            if not data:
                raise EOFError("the connection ended")
            for event in self.h2.receive_data(data):
                if self.take(event, stream, answer, digest):
                    self.flush()
                    answer["digest"] = digest.hexdigest()
                    return answer

    def send(self, stream):
        """Sends of the body what flow control allows."""
        while self.body is not None:
            n = min(
                len(self.body),
                self.h2.local_flow_control_window(stream),
                self.h2.max_outbound_frame_size,
            )
            if n == 0 and self.body:
                break
            part, self.body = self.body[:n], self.body[n:]
            over = not self.body
            self.h2.send_data(stream, part, end_stream=over)
            if over:
                self.body = None
        self.flush()

    def take(self, event, stream, answer, digest):
        """Notes an event, and says whether the response has ended."""
        if isinstance(event, h2.events.InformationalResponseReceived):
            answer["interim"].append(int(dict(text(event.headers))[":status"]))
        elif isinstance(event, h2.events.ResponseReceived):
            answer["status"] = int(dict(text(event.headers))[":status"])
        elif isinstance(event, h2.events.TrailersReceived):
            answer["trailers"] = dict(text(event.headers))
        elif isinstance(event, h2.events.DataReceived):
            answer["size"] += len(event.data)
            digest.update(event.data)
            self.h2.acknowledge_received_data(event.flow_controlled_length, stream)
        elif isinstance(event, (h2.events.StreamReset, h2.events.ConnectionTerminated)):
            raise ConnectionError(repr(event))
        return isinstance(event, h2.events.StreamEnded)


def main():
    asked = json.load(sys.stdin)
    client = Client(urlsplit(asked["url"]))
    answers = []
    for e in asked["exchanges"]:
        try:
            answers.append(client.ask(e))
        except Exception as err:
            answers.append({"error": repr(err)})
            client = Client(urlsplit(asked["url"]))
    json.dump(answers, sys.stdout)


main()
