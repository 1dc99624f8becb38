"""A geo-resolver that does what a scene tells it: answers, waits, lies."""

import http.server
import json
import threading
from urllib.parse import parse_qs, urlsplit


class Far:
    def __init__(self, body=None):
        self.asked = []
        self.open = threading.Event()  # until then nobody is answered
        self.open.set()
        self.body = body  # instead of a place
        far = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                ip = parse_qs(urlsplit(self.path).query)["ip"][0]
                far.asked.append(ip)
                far.open.wait(60)
                body = far.body if far.body is not None else json.dumps({
                    "ip": ip, "country_code": "RU", "region_iso": "MOW", "region": "Moscow", "city": "Moscow",
                    "coordinates": [55.75, 37.61], "provider": "double", "cached": False}).encode()
                try:
                    self.send_response(200)
                    self.send_header("Content-Type", "application/json")
                    self.send_header("Content-Length", str(len(body)))
                    self.end_headers()
                    self.wfile.write(body)
                except ConnectionError:  # whoever asked did not wait
                    self.close_connection = True

            def log_message(self, *_):
                pass

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True

        self.server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.open.set()
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()
