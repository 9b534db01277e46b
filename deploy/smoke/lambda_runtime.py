"""A little Lambda Runtime API on 127.0.0.1, for the real runtime client to ask for its events.

https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html; and the events that API Gateway,
function URLs and load balancers make of a request.
"""

import base64
import json
import queue
import threading
import time
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Event = dict[str, Any]
PREFIX = "/2018-06-01/runtime/invocation/"
PATIENCE = 30.0  # seconds for an answer


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of a function that was ended while it waited for its next event."""


class LambdaRuntime:
    """Hands events to the runtime client that asks, and its answers to whoever sent the events."""

    def __init__(self) -> None:
        self._events: queue.Queue[tuple[str, bytes]] = queue.Queue()
        self._answers: dict[str, queue.Queue[tuple[bool, bytes]]] = {}
        self.server = _Server(("127.0.0.1", 0), self._handler())
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def address(self) -> str:
        """What AWS_LAMBDA_RUNTIME_API says."""
        return f"127.0.0.1:{self.server.server_address[1]}"

    def invoke(self, event: Event, patience: float = PATIENCE) -> Event:
        """Return the function's answer to an event.

        Raises TimeoutError, which is an OSError, when none comes, and ValueError for a failure.
        """
        identity = str(uuid.uuid4())
        answer: queue.Queue[tuple[bool, bytes]] = queue.Queue()
        self._answers[identity] = answer
        self._events.put((identity, json.dumps(event).encode()))
        try:
            good, content = answer.get(timeout=patience)
        except queue.Empty:
            raise TimeoutError("the function does not answer") from None
        if not good:
            raise ValueError(content.decode("utf-8", "replace")[:300])
        found: Event = json.loads(content)
        return found

    def close(self) -> None:
        """End the server."""
        self.server.shutdown()
        self.server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        events, answers = self._events, self._answers

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True  # else each event waits 40 ms for the client's receipt

            def do_GET(self) -> None:  # next
                identity, content = events.get()
                self.send_response(200)
                self.send_header("Lambda-Runtime-Aws-Request-Id", identity)
                self.send_header("Lambda-Runtime-Deadline-Ms", str(int(1000 * (time.time() + 30))))
                arn = "arn:aws:lambda:local:0:function:reader"
                self.send_header("Lambda-Runtime-Invoked-Function-Arn", arn)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def do_POST(self) -> None:  # ID/response or ID/error
                content = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                identity, _, kind = self.path.removeprefix(PREFIX).partition("/")
                if identity in answers:
                    answers.pop(identity).put((kind == "response", content))
                self.send_response(202)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:
                pass

        return Handler


def rest_api(path: str, body: bytes, content_type: str) -> Event:
    """Return API Gateway's event of a REST API (payload format 1.0)."""
    headers = {"Content-Type": content_type, "Host": "reader.example", "X-Forwarded-Proto": "https"}
    return {
        "resource": "/{proxy+}",
        "path": path,
        "httpMethod": "POST",
        "headers": headers,
        "multiValueHeaders": {name: [value] for name, value in headers.items()},
        "queryStringParameters": {"preprocessing": "enhanced"},
        "multiValueQueryStringParameters": {"preprocessing": ["enhanced"]},
        "requestContext": {"identity": {"sourceIp": "192.0.2.1"}, "stage": "prod"},
        "body": base64.b64encode(body).decode(),
        "isBase64Encoded": True,
    }


def http_api(path: str, body: bytes, content_type: str) -> Event:
    """Return API Gateway's event of an HTTP API (payload format 2.0)."""
    return {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": "preprocessing=enhanced",
        "headers": {"content-type": content_type, "host": "reader.example"},
        "requestContext": {
            "http": {
                "method": "POST",
                "path": path,
                "protocol": "HTTP/1.1",
                "sourceIp": "192.0.2.1",
            },
            "stage": "$default",
        },
        "body": base64.b64encode(body).decode(),
        "isBase64Encoded": True,
    }


def function_url(path: str, body: bytes, content_type: str) -> Event:
    """Return a function URL's event: an HTTP API's, without a query here."""
    event = http_api(path, body, content_type)
    event["rawQueryString"] = ""
    event["requestContext"]["domainName"] = "reader.lambda-url.example"
    return event


def load_balancer(path: str, body: bytes, content_type: str) -> Event:
    """Return an application load balancer's event."""
    return {
        "requestContext": {"elb": {"targetGroupArn": "arn:aws:elasticloadbalancing:local:0:x"}},
        "httpMethod": "POST",
        "path": path,
        "queryStringParameters": {},
        "headers": {"content-type": content_type, "host": "reader.example"},
        "body": base64.b64encode(body).decode(),
        "isBase64Encoded": True,
    }


EVENTS = {
    "REST API": rest_api,
    "HTTP API": http_api,
    "function URL": function_url,
    "load balancer": load_balancer,
}


def content_of(answer: Event) -> bytes:
    """Return the body of a function's answer."""
    body: str = answer["body"]
    return base64.b64decode(body) if answer.get("isBase64Encoded") else body.encode()
