"""The tag of an incident, and what an alert does with the tickets that have it."""

from __future__ import annotations

import pytest

from airflow_provider_usedesk.api import values
from airflow_provider_usedesk.api.records import TicketRow
from airflow_provider_usedesk.notifications.open_ticket import (
    MAX_TAG,
    AddComment,
    CloseDuplicate,
    KeepTicket,
    NoAction,
    OpenTicket,
    SolveTickets,
    action_after_opening,
    ends_incident,
    first_action,
    is_raised,
    open_tickets,
    scope_tag,
    with_tag,
)

TAG = "airflow/sales"


class TestTag:
    @pytest.mark.parametrize(
        ("scope", "tag"),
        [
            ("dag", "airflow/sales"),
            ("task", "airflow/sales/load"),
            ("run", "airflow/sales/run=manual__2026-01-01T00:00:00+00:00"),
        ],
        ids=["dag", "task", "run"],
    )
    def test_tag_depends_on_scope(self, scope, tag):
        run_id = "manual__2026-01-01T00:00:00+00:00"
        assert scope_tag(scope, dag_id="sales", task_id="load", run_id=run_id) == (tag, scope)

    @pytest.mark.parametrize("scope", ["task", "run"])
    def test_unknown_scope_becomes_dag(self, scope):
        assert scope_tag(scope, dag_id="sales") == ("airflow/sales", "dag")

    def test_tags_are_escaped_and_unique(self):
        tags = [scope_tag("run", dag_id="a", run_id=run)[0] for run in ("a,b", "a b", "a/b", "a%2Fb", "a\nb")]
        assert tags[0] == "airflow/a/run=a%2Cb"
        assert len(set(tags)) == 5
        assert not [tag for tag in tags if set(tag) & set(", \n;")]
        task, run = (scope_tag(s, dag_id="a", task_id="x", run_id="x")[0] for s in ("task", "run"))
        assert task != run

    def test_long_names_get_digest(self):
        one, other = (scope_tag("dag", dag_id="d" * 240 + end)[0] for end in "12")
        assert one != other
        assert len(one) == len(other) == MAX_TAG

    @pytest.mark.parametrize(
        ("given", "tags"),
        [
            (None, TAG),
            ("", TAG),
            ("data", f"data,{TAG}"),
            ("data, shop", f"data,shop,{TAG}"),
            (["data", "shop"], f"data,shop,{TAG}"),
            ("['data', 'shop']", f"data,shop,{TAG}"),
        ],
        ids=["none", "empty", "one", "commas", "list", "list-text"],
    )
    def test_tags_of_user_stay(self, given, tags):
        assert values.tags(with_tag(given, TAG)) == tags

    @pytest.mark.parametrize("given", [["a,b"], [None], "a,,b", "None"])
    def test_invalid_tags_are_rejected(self, given):
        with pytest.raises(ValueError):  # noqa: PT011 (the text is that of any tag)
            values.tags(with_tag(given, TAG))

    def test_prefix_separates_airflows(self):
        tag, _ = scope_tag("task", dag_id="sales", task_id="load", prefix="test site")
        assert tag == "test%20site/sales/load"

    @pytest.mark.parametrize(
        ("scope", "about", "is_mapped", "ends"),
        [
            ("dag", "dag", False, True),
            ("run", "dag", False, True),
            ("task", "task", False, True),
            ("task", "task", True, False),
            ("dag", "task", False, False),
            ("run", "task", False, False),
        ],
    )
    def test_success_of_part_ends_nothing(self, scope, about, is_mapped, ends):
        assert ends_incident(scope, about=about, is_mapped=is_mapped) == ends


class TestDecisions:
    def test_only_open_tickets_with_tag_count(self):
        statuses = dict(enumerate([8, 1, 5, 6, 2, 3, 4, 7, 9, 10, None], 11))
        rows = [TicketRow(number, status=status, tags=("x", TAG)) for number, status in statuses.items()]
        others = [TicketRow(1, status=1), TicketRow(2, status=1, tags=(f"{TAG}_2", "airflow"))]
        assert open_tickets([*reversed(rows), *others], TAG) == (11, 12, 13, 14)

    def test_tag_ignores_case_and_blanks(self):
        assert open_tickets([TicketRow(1, status=1, tags=(" Airflow/Sales ",))], TAG) == (1,)

    def test_first_action(self):
        assert first_action(False, ()) == OpenTicket()
        assert first_action(False, (5, 3)) == AddComment(3)
        assert first_action(True, ()) == NoAction()
        assert first_action(True, (5, 3)) == SolveTickets((3, 5))

    @pytest.mark.parametrize(
        ("current", "wanted", "raised"),
        [
            ("low", "medium", True),
            ("medium", "extreme", True),
            ("urgent", "urgent", False),
            ("extreme", "urgent", False),
            (None, "urgent", False),
            ("critical", "urgent", False),
            (None, "extreme", True),
        ],
    )
    def test_priority_is_only_raised(self, current, wanted, raised):
        assert is_raised(current, wanted) == raised

    def test_lowest_id_stays(self):
        assert action_after_opening(5, (5,)) == KeepTicket()
        assert action_after_opening(5, ()) == KeepTicket()
        assert action_after_opening(5, (5, 6)) == KeepTicket()
        assert action_after_opening(5, (3, 4, 5)) == CloseDuplicate(3)
