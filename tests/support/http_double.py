"""What the doubles of HTTP services share: a server on loopback, faults, answers that come slowly or are cut off."""

import http.server
import json
import socket
import threading


def cut(connection):
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass


class HttpDouble:
    """A service with faults. Subclasses name theirs in FAULTS and give a Handler below as `handler()`."""

    FAULTS = ()

    def __init__(self, port=0, fault=None, delay=1.0):
        self.fault, self.delay = fault, delay
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._connections = set()

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 1024

        self._server = Server(("127.0.0.1", port), self.handler())
        self.port = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        """Gone, with all of its connections; another may take its port."""
        self._ended.set()
        self._server.shutdown()
        self._server.server_close()
        with self._lock:
            connections = list(self._connections)
        for connection in connections:
            cut(connection)
        self._thread.join()

    def set_fault(self, kind=None, delay=1.0):
        if kind is not None and kind not in self.FAULTS:
            raise ValueError(f"{kind}: none of {' '.join(self.FAULTS)}")
        self.fault, self.delay = kind, delay

    def serve_alone(self):
        """Prints its port, then answers until it is ended."""
        print(self.port, flush=True)
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            self.close()


def handler_for(double):
    """A base for the double's handler."""

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def log_message(self, *_):
            pass

        def setup(self):
            super().setup()
            with double._lock:
                double._connections.add(self.connection)

        def finish(self):
            with double._lock:
                double._connections.discard(self.connection)
            try:
                super().finish()
            except OSError:
                pass  # the client has gone

        def _body(self):
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))

        def _set_fault(self, body):
            wanted = json.loads(body)
            double.set_fault(wanted.get("kind"), wanted.get("delay", 1.0))
            self._send(200, "{}")

        def _holds_back(self):
            """Waits where the fault says so. True: nothing is to be answered."""
            if double.fault == "cut_before_header":
                self._cut()
                return True
            if double.fault == "never":
                double._ended.wait()
                self._cut()
                return True
            if double.fault == "slow_answer":
                double._ended.wait(double.delay)
            return False

        def _how(self):
            """Of a body, by the fault: for _send()."""
            return {"pace": double.delay if double.fault == "slow_body" else None,
                    "stop": double.fault == "cut_after_header"}

        def _send(self, status, body, headers=None, kind="application/json", pace=None, stop=False):
            body = body.encode() if isinstance(body, str) else body
            try:
                self.send_response(status)
                for name, value in {"Content-Type": kind, "Content-Length": len(body), **(headers or {})}.items():
                    self.send_header(name, str(value))
                self.end_headers()
                if stop:
                    return self._cut()
                if pace is None:
                    return self.wfile.write(body)
                for byte in body:
                    self.wfile.write(bytes([byte]))
                    if double._ended.wait(pace):
                        return self._cut()
            except OSError:
                self.close_connection = True  # the client has gone

        def _cut(self):
            self.close_connection = True
            cut(self.connection)

    return Handler
