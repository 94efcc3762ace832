"""Others that leave files for a job: measurements and orders, some empty, some broken."""

import os

INCOMING = "/var/spool/incoming"


def wait():
    os.makedirs(INCOMING, exist_ok=True)


def leave(name, text):
    draft = f"{INCOMING}/.{name}"
    with open(draft, "w") as file:
        file.write(text)
    os.rename(draft, f"{INCOMING}/{name}")


def measurements(chance):
    rows = "".join(f"{n},{chance.random():.3f}\n" for n in range(chance.randrange(10, 200)))
    leave(f"measured-2026{chance.randrange(1, 13):02d}{chance.randrange(1, 29):02d}-{chance.randrange(10_000)}.csv", rows)


def orders(chance):
    leave(f"orders_{chance.randrange(16**8):08x}.csv", "1,2,3\n" * chance.randrange(1, 50))


def empty(chance):
    leave(f"empty-{chance.randrange(1000)}.csv", "")


def broken(chance):
    # A part that was never renamed.
    with open(f"{INCOMING}/part-{chance.randrange(1000)}.tmp", "w") as file:
        file.write("?")


ACTIONS = [(measurements, 50, 35), (orders, 30, 40), (empty, 6, 10), (broken, 3, 6)]
