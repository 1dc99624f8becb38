"""Upgrades under load: the next geod gets the socket while the one before it drains."""

import signal
import threading

from support import raw_http
from support.raw_http import Closed


def upgrade_under_load(times, start, connect, ask):
    """Kept connections and such as ask once, three of each: no request of theirs fails.

    start() gives a running geod, connect() a connection to it, ask(connection, kept) an answer. Gives the last geod,
    and how many answers there were.
    """
    answered, failed, over = [0, 0], [], threading.Event()

    def client(kept):
        while not over.is_set():
            try:
                with connect() as connection:
                    while True:
                        answer = ask(connection, kept)
                        assert answer.status == 302, answer
                        answered[kept] += 1
                        if not kept or over.is_set() or (answer.header("Connection") or "").lower() == "close":
                            break
            except (OSError, Closed, AssertionError) as fault:
                failed.append((kept, repr(fault)))

    running = start()
    clients = [threading.Thread(target=client, args=[kept]) for kept in (True, False) * 3]
    for it in clients:
        it.start()
    try:
        for _ in range(times):
            before = list(answered)
            raw_http.eventually(lambda: all(now > was + 20 for now, was in zip(answered, before)), "requests are under way")
            following = start()
            running.signal(signal.SIGTERM)
            assert running.process.wait(40) == 0, running.stderr()
            running = following
    finally:
        over.set()
        for it in clients:
            it.join(30)
    assert not failed, f"{len(failed)} of {sum(answered)}: {failed[:3]}"
    assert min(answered) > 20 * times
    return running, sum(answered)
