"""Users of a database: a shop's tables, reports, upkeep, and those who mistype."""

import time

import wire

TABLES = """CREATE TABLE IF NOT EXISTS items (id serial PRIMARY KEY, name text, price numeric);
CREATE TABLE IF NOT EXISTS orders (id serial PRIMARY KEY, item int, at timestamptz DEFAULT now());
INSERT INTO items (name, price) SELECT 'thing' || n, n FROM generate_series(1, 500) n"""


def wait():
    deadline = time.monotonic() + 180
    while True:
        try:
            with wire.Postgresql() as sql:
                sql.query(TABLES)
            return
        except OSError:
            if time.monotonic() > deadline:
                raise
        time.sleep(0.5)


def run(*queries):
    with wire.Postgresql() as sql:
        for query in queries:
            sql.query(query)


def look(chance):
    run(*(f"SELECT * FROM items WHERE id = {chance.randrange(1, 500)}" for _ in range(4)))


def order(chance):
    item = chance.randrange(1, 500)
    run("BEGIN", f"INSERT INTO orders (item) VALUES ({item})",
        f"UPDATE items SET price = price + 0.1 WHERE id = {item}", "COMMIT")


def report(chance):
    run("SELECT items.name, count(*) FROM orders JOIN items ON items.id = orders.item GROUP BY 1 ORDER BY 2 DESC LIMIT 10")


def big_sort(chance):
    run("SET work_mem = '64kB'", f"SELECT count(*) FROM (SELECT n, md5(n::text) AS m FROM generate_series(1, {chance.randrange(8000, 20000)}) n ORDER BY m) s")


def scratch(chance):
    run("CREATE TEMP TABLE scratch AS SELECT * FROM items", "CREATE INDEX ON scratch (name)",
        "SELECT count(*) FROM scratch WHERE name LIKE 'thing1%'", "DROP TABLE scratch")


def change(chance):
    name = f"imported_{chance.randrange(1000)}"
    run(f"CREATE TABLE {name} (n int, t text)", f"INSERT INTO {name} SELECT n, 'x' FROM generate_series(1, 200) n",
        f"TRUNCATE {name}", f"DROP TABLE {name}")


def mistake(chance):
    run("SELECT * FROM no_such_table", "SELEC 1", "SELECT 1/0")


def upkeep(chance):
    run("VACUUM ANALYZE orders", "CHECKPOINT")


def reload(chance):
    run("SELECT pg_reload_conf()")


ACTIONS = [
    (look, 40, 30),
    (order, 30, 30),
    (report, 10, 14),
    (big_sort, 4, 6),
    (scratch, 4, 5),
    (change, 3, 4),
    (mistake, 3, 6),
    (upkeep, 4, 3),
    (reload, 2, 2),
]
