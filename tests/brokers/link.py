"""A long way in the network that it runs in: link.py NAME NAME DELAY LOSS

Makes two interfaces. What goes into one comes out of the other DELAY seconds later, but for the part LOSS (0 to 1) of
all packets. tc netem would do the same, but many kernels are built without CONFIG_NET_SCH_NETEM. Prints `there`.
"""
import collections
import fcntl
import os
import random
import select
import struct
import sys
import time

TUNSETIFF, TAP_WITHOUT_HEADER = 0x400454CA, 0x0002 | 0x1000


def tap(name):
    fd = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(fd, TUNSETIFF, struct.pack("16sH22x", name.encode(), TAP_WITHOUT_HEADER))
    return fd


ends = [tap(name) for name in sys.argv[1:3]]
delay, loss = map(float, sys.argv[3:])
print("there", flush=True)
under_way = collections.deque()  # when it arrives, where, the packet; in the order of the time
while True:
    wait = max(0, under_way[0][0] - time.monotonic()) if under_way else None
    for end in select.select(ends, [], [], wait)[0]:
        packet = os.read(end, 1 << 16)
        if random.random() >= loss:
            under_way.append((time.monotonic() + delay, ends[end == ends[0]], packet))
    while under_way and under_way[0][0] <= time.monotonic():
        _, end, packet = under_way.popleft()
        try:
            os.write(end, packet)
        except OSError:
            pass  # that end is down: a packet that is lost
