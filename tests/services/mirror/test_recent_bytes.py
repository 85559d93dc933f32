"""The newest bytes of a file that grows."""

from __future__ import annotations

from strongroom.services.mirror.arrivals import RecentBytes


def test_recent_bytes_are_shared_and_let_go_in_pieces() -> None:
    """What was let go is not found; what is there comes up to the end of its piece."""
    recent = RecentBytes()
    pieces = [b"abc", b"def", b"ghi"]
    for piece in pieces:
        recent.append(piece)
    assert recent.stop == 9
    assert recent.find(3, stop=9) is pieces[1]
    assert recent.find(4, stop=9) == b"ef"
    assert recent.find(3, stop=5) == b"de"
    recent.forget_before(-5)
    assert recent.find(0, stop=9) is pieces[0]
    recent.forget_before(4)
    assert recent.find(2, stop=9) is None
    assert recent.find(3, stop=9) is pieces[1]
    recent.forget()
    assert recent.find(6, stop=9) is None
    assert recent.stop == 9


def test_they_are_whole_until_something_is_let_go() -> None:
    """Nothing is whole neither: there is nothing that anybody could read."""
    recent = RecentBytes()
    seen = [recent.is_whole]
    for piece in (b"abc", b"def", b"ghi"):
        recent.append(piece)
    for offset in (2, 3):
        recent.forget_before(offset)
        seen.append(recent.is_whole)
    assert seen == [False, True, False]
