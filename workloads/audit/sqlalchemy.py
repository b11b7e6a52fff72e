"""Rows written to and read from a database in memory of each thread's own, by tables that all share."""

from _threads import compare

from sqlalchemy import Column, Integer, MetaData, String, Table, create_engine, func, select

METADATA = MetaData()
ROWS = Table("rows", METADATA, Column("id", Integer, primary_key=True), Column("name", String))


def work(share: int) -> object:
    engine = create_engine("sqlite://")
    METADATA.create_all(engine)
    with engine.begin() as connection:
        connection.execute(ROWS.insert(), [{"name": f"{share} {n % 50}"} for n in range(2000)])
        found = [tuple(row) for row in connection.execute(select(ROWS.c.name, func.count()).group_by(ROWS.c.name))]
        found += [tuple(row) for row in connection.execute(select(ROWS))]
    engine.dispose()
    return found


compare(work)
