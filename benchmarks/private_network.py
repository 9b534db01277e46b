"""A network of this process's own, with nothing in it but 127.0.0.1 (Linux, as root).

Some servers open ports on all interfaces and cannot be told otherwise. In here nobody else can
reach them.
"""

import ctypes
import socket
import struct
import sys

CLONE_NEWNET = 0x40000000  # unshare(2)
SIOCSIFFLAGS, UP_AND_RUNNING = 0x8914, 0x41  # netdevice(7)


def enter() -> bool:
    """Move this thread, and all that it starts from now on, there; return whether that worked."""
    if not sys.platform.startswith("linux") or ctypes.CDLL(None).unshare(CLONE_NEWNET):
        return False
    import fcntl

    with socket.socket() as any_socket:
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sh22x", b"lo", UP_AND_RUNNING))
    return True
