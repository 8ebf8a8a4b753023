"""Holding back a socket's packets for a moment, so that several small writes leave as one."""

import os
import socket

__all__ = ["Cork"]

_CORK = getattr(socket, "TCP_CORK", None)


class Cork:
    """For a TCP socket that somebody else (libpq) writes to. Where there is no such thing (not Linux, a Unix socket) it does nothing."""

    def __init__(self, fd: int) -> None:
        # A descriptor of our own on the same socket: closing it leaves libpq's alone.
        self._socket = socket.socket(fileno=os.dup(fd))
        self._holds = _CORK is not None and self._socket.family in (socket.AF_INET, socket.AF_INET6)

    def put_in(self) -> None:
        """From here on nothing leaves until a packet is full."""
        if self._holds:
            self._socket.setsockopt(socket.IPPROTO_TCP, _CORK or 0, 1)

    def pull_out(self) -> None:
        """Send what was held back."""
        if self._holds:
            self._socket.setsockopt(socket.IPPROTO_TCP, _CORK or 0, 0)

    def close(self) -> None:
        """Let go of the socket."""
        self._socket.close()
