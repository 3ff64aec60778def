"""A server that does not answer is found out in time."""

from __future__ import annotations

import http.server
import socket
import threading
import time

import pytest

from salt_like.tracking.reach import unreachable, within


@pytest.fixture
def silent():
    """Address of a server that takes connections and never says anything."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}/"


def test_a_silent_server_is_given_up(silent):
    began = time.monotonic()
    assert unreachable(silent, patience=0.3) is not None
    assert time.monotonic() - began < 5


def test_nobody_listens():
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"http://127.0.0.1:{server.getsockname()[1]}/"
    assert "refused" in unreachable(address)


def test_a_name_that_is_none():
    assert unreachable("http://comet.invalid/", patience=2) is not None
    assert unreachable("not an address") is not None


@pytest.mark.parametrize("status", [200, 404, 500])
def test_any_answer_is_one(status):
    class Answer(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(status)
            self.end_headers()

        def log_message(self, *_):
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Answer) as server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        assert unreachable(f"http://127.0.0.1:{server.server_port}/") is None
        thread.join()


def test_what_takes_too_long_is_not_waited_for():
    done = threading.Event()
    assert not within(0.05, lambda: done.wait(5))
    done.set()
    assert within(5, lambda: None)
