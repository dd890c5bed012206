from engine.model.ids import draw_id


class AllButSmall:
    """Knows every id except a few, so that drawing has to go on; never asks for zero."""

    def __init__(self):
        self.asked = []

    def __contains__(self, drawn):
        self.asked.append(drawn)
        return len(self.asked) < 5


def test_an_id_has_at_most_52_bits_and_is_never_zero():
    drawn = {draw_id(set()) for _ in range(1_000)}
    assert len(drawn) == 1_000
    assert all(0 < id_ < 2**52 for id_ in drawn)
    assert max(drawn) > 2**48


def test_known_ids_are_drawn_again():
    known = AllButSmall()
    assert draw_id(known) == known.asked[-1]
    assert len(known.asked) == 5
