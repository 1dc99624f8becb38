"""A terminal, and what a program shows on it."""

import os
import pty
import subprocess
import termios

from support.world import environment


def on_a_terminal(command, env, size=None):
    """The exit status, and all that it writes to stdout and stderr. size: (lines, columns)."""
    leader, follower = pty.openpty()
    if size:
        termios.tcsetwinsize(follower, size)
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=follower, stderr=follower, env=environment(env))
    os.close(follower)
    data = b""
    try:
        while chunk := os.read(leader, 65536):
            data += chunk
    except OSError:  # Linux says EIO when the other side is closed
        pass
    finally:
        os.close(leader)
    return process.wait(20), data.decode()
