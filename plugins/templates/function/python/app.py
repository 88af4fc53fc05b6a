"""Glue between HTTP and the function. What is answered is in hello.py, which is tested natively."""

import sys

import hello
import wit_world.exports
from componentize_py_types import Err, Ok
from wit_world.imports import environment
from wit_world.imports.streams import StreamError_Closed
from wit_world.imports.types import Fields, OutgoingBody, OutgoingResponse, ResponseOutparam

# Most bytes of one read or write, as wasi:io has it for writes.
PIECE_BYTES_MAX = 4096
# Longest body that is read.
BODY_BYTES_MAX = 64 * 1024


class IncomingHandler(wit_world.exports.IncomingHandler):
    """What the platform calls."""

    def handle(self, request, response_out):
        """Answers a request."""
        # The variable GREETING of leyden.toml. Secrets are found in the same way.
        greeting = dict(environment.get_environment()).get("GREETING", "Hello")
        body = body_of(request)
        if body is None:
            status, text = 413, f"at most {BODY_BYTES_MAX} bytes\n"
        else:
            status, text = 200, hello.greet(greeting, body.decode(errors="replace"))
        print(f"answers {status}", file=sys.stderr)
        answer(response_out, status, text.encode())


def body_of(request):
    """The request's body; None where it is too long."""
    body = b""
    with request.consume() as incoming, incoming.stream() as stream:
        while len(body) <= BODY_BYTES_MAX:
            try:
                body += stream.blocking_read(PIECE_BYTES_MAX)
            except Err as error:
                if isinstance(error.value, StreamError_Closed):
                    return body
                raise
    return None


def answer(response_out, status, text):
    """Writes an answer."""
    response = OutgoingResponse(Fields.from_list([("content-type", b"text/plain; charset=utf-8")]))
    response.set_status_code(status)
    body = response.body()
    ResponseOutparam.set(response_out, Ok(response))
    with body.write() as stream:
        for start in range(0, len(text), PIECE_BYTES_MAX):
            stream.blocking_write_and_flush(text[start : start + PIECE_BYTES_MAX])
    OutgoingBody.finish(body, None)
