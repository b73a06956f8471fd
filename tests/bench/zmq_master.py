"""`zmq_master.py proxy|republish PORT PUBLISH_PORT`: the masters that ours is compared with.

proxy: libzmq's own zmq_proxy between an XSUB and an XPUB, which runs without the interpreter.
republish: what the original's master does, but for ending at the first bad message.
"""

import json
import sys

import zmq

BACKLOG = 4096


def main():
    what, port, publish_port = sys.argv[1:]
    context = zmq.Context()
    kinds = {"proxy": (zmq.XSUB, zmq.XPUB), "republish": (zmq.SUB, zmq.PUB)}[what]
    inward, outward = (bound(context, *address) for address in zip(kinds, (port, publish_port)))
    if what == "proxy":
        zmq.proxy(inward, outward)
    inward.subscribe(b"")
    while True:
        _, data = inward.recv_multipart()
        try:
            status = json.loads(data)
        except ValueError:
            continue
        if isinstance(status, dict):
            outward.send_multipart([b"Chasar-Client", data])


def bound(context, kind, port):
    """A socket that drops nothing."""
    socket = context.socket(kind)
    socket.set_hwm(0)
    socket.setsockopt(zmq.BACKLOG, BACKLOG)
    socket.bind(f"tcp://127.0.0.1:{port}")
    return socket


main()
