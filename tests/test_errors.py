from __future__ import annotations

import pytest

from salt_like.errors import nearest


@pytest.mark.parametrize(
    ("name", "hint"),
    [("Adamw", "AdamW"), ("adam", "Adam"), ("AdamWw", "AdamW"), ("sgd", "SGD"), ("Rprop", None), ("", None)],
)
def test_nearest_in_letters_of_any_case(name, hint):
    found = nearest(name, ["Adam", "AdamW", "SGD"])
    assert found == (f" (did you mean '{hint}'?)" if hint else "")
