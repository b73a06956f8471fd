#!/usr/bin/python3
"""What the original client node does, in its own language: psutil samples, libzmq's PUB sends.

chasar_like.py PORT: every second a message to the master node at this port of 127.0.0.1, with what its
original means to tell: the interface is that of the default route, and shares of the processors are real.
"""

import json
import socket
import sys
import time
from datetime import datetime, timezone

import psutil
import zmq

INTERVAL = 1


def interface():
    with open("/proc/net/route") as table:
        routes = [line.split() for line in table][1:]
    return min(((int(r[6]), r[0]) for r in routes if r[1] == r[7] == "00000000"), default=(0, None))[1]


def message():
    addresses = psutil.net_if_addrs().get(interface(), [])
    memory, disk = psutil.virtual_memory(), psutil.disk_usage("/")
    processes = {}
    # With what they were before: process_iter keeps them, which cpu_percent needs.
    for process in psutil.process_iter():
        told = process.as_dict(["name", "pid", "status", "cpu_percent", "memory_percent"])
        processes[told["name"]] = {
            "pid": told["pid"],
            "status": told["status"],
            "percent_cpu_used": told["cpu_percent"],
            "percent_memory_used": told["memory_percent"],
        }
    return {
        "computer_utc_clock": str(datetime.now(timezone.utc).replace(tzinfo=None)),
        "computer_clock": str(datetime.now()),
        "hostname": socket.gethostname(),
        "mac_address": next((a.address for a in addresses if a.family == psutil.AF_LINK), None),
        "ipv4_interfaces": [
            {"addr": a.address, "netmask": a.netmask, "broadcast": a.broadcast}
            for a in addresses
            if a.family == socket.AF_INET
        ],
        "cpu": {"percent_used": psutil.cpu_percent(percpu=True)},
        "memory": {
            "total_bytes": memory.total,
            "total_bytes_used": memory.used,
            "percent_used": memory.percent,
        },
        "disk": {
            "total_bytes": disk.total,
            "total_bytes_used": disk.used,
            "total_bytes_free": disk.free,
            "percent_used": disk.percent,
        },
        "process": processes,
    }


def main(port):
    publisher = zmq.Context().socket(zmq.PUB)
    publisher.connect(f"tcp://127.0.0.1:{port}")
    deadline = time.monotonic()
    while True:
        deadline += INTERVAL
        time.sleep(max(0, deadline - time.monotonic()))
        publisher.send_multipart([b"status", json.dumps(message()).encode()])


if __name__ == "__main__":
    main(int(sys.argv[1]))
