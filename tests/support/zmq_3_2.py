"""libzmq 3.2 by the names that python3-zmq has, as far as tests use them; made by support/libzmq_3_2."""

import ctypes
import os

PUB, SUB, XPUB, XSUB = 1, 2, 9, 10
SUBSCRIBE, UNSUBSCRIBE, RCVMORE, LAST_ENDPOINT = 6, 7, 13, 32
SNDMORE = 2
LONGEST = 1 << 20

library = ctypes.CDLL(os.environ["PSISTATS_TEST_LIBZMQ_3_2"], use_errno=True)
for function in ("zmq_ctx_new", "zmq_socket"):
    getattr(library, function).restype = ctypes.c_void_p


def call(function, *arguments):
    """The answer of a function, which is -1 where it failed."""
    answer = getattr(library, function)(*arguments)
    if answer == -1:
        raise OSError(ctypes.get_errno(), function)
    return answer


class Context:
    def __init__(self):
        self.handle = ctypes.c_void_p(library.zmq_ctx_new())

    def socket(self, kind):
        return Socket(ctypes.c_void_p(library.zmq_socket(self.handle, kind)), kind)


class Socket:
    def __init__(self, handle, kind):
        self.handle, self.type = handle, kind
        self.buffer = ctypes.create_string_buffer(LONGEST)

    def setsockopt(self, option, value):
        call("zmq_setsockopt", self.handle, option, value, ctypes.c_size_t(len(value)))

    def subscribe(self, prefix):
        self.setsockopt(SUBSCRIBE, prefix)

    def connect(self, endpoint):
        call("zmq_connect", self.handle, endpoint.encode())

    def bind(self, endpoint):
        call("zmq_bind", self.handle, endpoint.encode())

    def bind_to_random_port(self, address):
        self.bind(address + ":*")
        length = ctypes.c_size_t(LONGEST)
        call("zmq_getsockopt", self.handle, LAST_ENDPOINT, self.buffer, ctypes.byref(length))
        return int(self.buffer.value.rsplit(b":", 1)[1])

    def send_multipart(self, frames):
        for frame in frames[:-1]:
            call("zmq_send", self.handle, frame, ctypes.c_size_t(len(frame)), SNDMORE)
        call("zmq_send", self.handle, frames[-1], ctypes.c_size_t(len(frames[-1])), 0)

    def recv_multipart(self):
        frames, more = [], ctypes.c_int(1)
        while more.value:
            length = call("zmq_recv", self.handle, self.buffer, ctypes.c_size_t(LONGEST), 0)
            frames.append(ctypes.string_at(self.buffer, length))
            size = ctypes.c_size_t(ctypes.sizeof(more))
            call("zmq_getsockopt", self.handle, RCVMORE, ctypes.byref(more), ctypes.byref(size))
        return frames
