"""Users of a redis server: counters, queues, caches that expire, and its own upkeep."""

import time

import wire


def wait():
    deadline = time.monotonic() + 120
    while True:
        try:
            with wire.Redis() as redis:
                if redis.call("PING") == b"+PONG":
                    return
        except OSError:
            if time.monotonic() > deadline:
                raise
        time.sleep(0.3)


def counters(chance):
    with wire.Redis() as redis:
        for _ in range(5):
            redis.call("INCR", f"hits:{chance.randrange(100)}")


def cache(chance):
    with wire.Redis() as redis:
        key = f"page:{chance.randrange(500)}"
        if redis.call("GET", key) is None:
            redis.call("SETEX", key, chance.randrange(1, 30), chance.randbytes(chance.choice([50, 4000])))


def queue(chance):
    with wire.Redis() as redis:
        redis.call("LPUSH", "jobs", chance.randbytes(40))
        redis.call("RPOP", "jobs")


def script(chance):
    with wire.Redis() as redis:
        redis.call("EVAL", "return redis.call('incr', KEYS[1])", 1, "scripted")


def wrong(chance):
    with wire.Redis() as redis:
        redis.call("LPUSH", "hits:1", "no list")
        redis.call("NOSUCHCOMMAND")


def save(chance):
    with wire.Redis() as redis:
        redis.call("BGSAVE")


def rewrite(chance):
    with wire.Redis() as redis:
        redis.call("BGREWRITEAOF")


def look(chance):
    with wire.Redis() as redis:
        redis.call("INFO")
        redis.call("CONFIG", "GET", "maxmemory")
        redis.call("DBSIZE")


ACTIONS = [
    (counters, 40, 25),
    (cache, 30, 40),
    (queue, 20, 15),
    (script, 3, 6),
    (wrong, 2, 4),
    (save, 2, 3),
    (rewrite, 2, 2),
    (look, 3, 5),
]
