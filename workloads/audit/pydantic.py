"""Models checked and written again, of one class that all threads share."""

from _threads import compare

from pydantic import BaseModel, TypeAdapter


class Row(BaseModel):
    id: int
    name: str
    ratio: float


SHARED = TypeAdapter(list[Row])


def work(share: int) -> object:
    rows = [{"id": str(n), "name": f"name {n} of {share}", "ratio": n / 7} for n in range(500)]
    return [SHARED.dump_json(SHARED.validate_python(rows)) for _ in range(30)]


compare(work)
