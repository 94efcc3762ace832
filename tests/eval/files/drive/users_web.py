"""Users of the shop."""

import wire


def wait():
    wire.wait(80)
    wire.wait(8000)


def cookie(chance):
    return f"session={chance.randrange(40):08x}"


def front(chance):
    wire.http("GET", "/", cookie=cookie(chance))


def static(chance):
    wire.http("GET", "/static/style.css")
    wire.http("GET", "/robots.txt")


def item(chance):
    wire.http("GET", f"/item?id={chance.randrange(1, 30)}", cookie=cookie(chance))


def create(chance):
    wire.http("POST", f"/item?name=thing{chance.randrange(1000)}")


def upload(chance):
    name = f"{chance.choice(['photo', 'scan', 'invoice'])}-{chance.randrange(10_000)}.{chance.choice(['png', 'pdf'])}"
    wire.http("POST", f"/upload?name={name}", body=chance.randbytes(chance.choice([800, 30_000])))
    wire.http("GET", f"/size?file={name}", cookie=cookie(chance))


def report(chance):
    wire.http("GET", f"/report?day={chance.randrange(1, 366)}")


def prices(chance):
    wire.http("GET", "/prices")


def calculate(chance):
    wire.http("POST", "/calculate", body=f"{chance.randrange(99)} * {chance.randrange(99)}".encode())


def absent(chance):
    wire.http("GET", f"/{chance.choice(['admin', 'wp-login', 'old'])}{chance.randrange(50)}.php")


def broken(chance):
    wire.http("GET", "/item?id=none")
    wire.http("GET", "/static/none.css")


ACTIONS = [
    (front, 30, 18),
    (static, 12, 20),
    (item, 20, 14),
    (create, 8, 12),
    (upload, 8, 12),
    (report, 6, 4),
    (prices, 8, 10),
    (calculate, 4, 3),
    (absent, 3, 6),
    (broken, 3, 5),
]
