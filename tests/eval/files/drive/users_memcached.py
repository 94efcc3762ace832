"""Users of a memcached server."""

import wire


def wait():
    wire.wait(11211)


def store(chance):
    value = chance.randbytes(chance.choice([20, 2000, 60_000])).hex().encode()
    wire.memcached(b"set page:%d 0 %d %d\r\n%s\r\n" % (chance.randrange(500), chance.randrange(1, 60), len(value), value))


def fetch(chance):
    wire.memcached(*(b"get page:%d\r\n" % chance.randrange(500) for _ in range(4)))


def count(chance):
    wire.memcached(b"add hits 0 0 1\r\n0\r\n", b"incr hits 1\r\n")


def forget(chance):
    wire.memcached(b"delete page:%d\r\n" % chance.randrange(500))


def look(chance):
    wire.memcached(b"stats\r\n", b"stats slabs\r\n")


def wrong(chance):
    wire.memcached(b"nonsense\r\n")


ACTIONS = [(store, 30, 20), (fetch, 50, 45), (count, 10, 20), (forget, 4, 6), (look, 3, 4), (wrong, 3, 5)]
