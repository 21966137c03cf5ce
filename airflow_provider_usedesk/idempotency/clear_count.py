"""How often clearing a task has sent its messages again."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class StoredClearCount:
    """
    What an earlier attempt stored.

    :param clear_count: its ``clear_count``
    :param max_tries: ``max_tries`` of its task instance, which only clearing changes
    """

    clear_count: int
    max_tries: int


def clear_count_of(stored: StoredClearCount | None, max_tries: int, clear_number: int) -> int:
    """
    Return the ``clear_count`` of an attempt: that of earlier attempts until the task is cleared.

    :param stored: what an earlier attempt stored; None if it is unknown
    :param max_tries: ``max_tries`` of the task instance
    :param clear_number: how often tasks of the Dag run were cleared
    """
    if stored is not None and stored.max_tries == max_tries:
        return stored.clear_count
    return clear_number


@dataclass(frozen=True)
class Clears:
    """
    How a task was cleared.

    :param max_tries: ``max_tries`` of its task instance; default: 0
    :param clear_number: how often tasks of the Dag run were cleared; default: 0
    :param send_again: whether clearing the task sends all rows again; default: false
    """

    max_tries: int = 0
    clear_number: int = 0
    send_again: bool = False

    def count(self, stored: StoredClearCount | None) -> int:
        """
        Return the ``clear_count`` of this attempt, that of the earlier one unless clearing sends again.

        :param stored: what the earlier attempt stored; None if there was none
        """
        if self.send_again:
            return clear_count_of(stored, self.max_tries, self.clear_number)
        # An earlier attempt may have sent again; what it sent counts after the argument is removed, too.
        return stored.clear_count if stored else 0

    def count_without_store(self, retries: int) -> int:
        """
        Return the ``clear_count`` of an attempt that cannot know the earlier ones.

        It is ``max_tries``, which a clear of this task raises above its retries. ``clear_number`` also counts
        the clears of other tasks, and can grow between two attempts.

        :param retries: the retries of the task
        """
        was_cleared = self.clear_number > 0 and self.max_tries > retries
        return self.max_tries if self.send_again and was_cleared else 0
