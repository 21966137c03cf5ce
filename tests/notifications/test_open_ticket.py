"""What an alert says, what its ticket is found by, and what is done with the tickets that are found."""

from __future__ import annotations

from contextlib import nullcontext
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest

from airflow_provider_usedesk.api import values
from airflow_provider_usedesk.api.errors import (
    UsedeskAgentNotFound,
    UsedeskOutcomeUnknown,
    UsedeskRejected,
    UsedeskTicketNotFound,
    UsedeskUnavailable,
)
from airflow_provider_usedesk.api.records import Comment as TicketComment, TicketDetails, TicketRow
from airflow_provider_usedesk.api.responses import CreatedTicket
from airflow_provider_usedesk.notifications.incident import (
    Incident,
    default_message,
    default_subject,
    fit_message,
    fit_subject,
    read_incident,
)
from airflow_provider_usedesk.notifications.open_ticket import (
    MAX_TAG,
    SETTLE,
    Alert,
    AlertResult,
    CloseDuplicate,
    Comment,
    Delivery,
    Keep,
    Nothing,
    Open,
    Resolve,
    ends_incident,
    first_step,
    open_tickets,
    scope_tag,
    step_after_opening,
    with_tag,
)

TAG = "airflow/sales"


class Unloadable:
    """What Airflow hands over detached from its database: any look at it fails."""

    def __getattr__(self, name):
        raise RuntimeError(name)


def task_context(**changes):
    ti = {
        "dag_id": "sales",
        "run_id": "manual__1",
        "task_id": "load",
        "map_index": -1,
        "try_number": 2,
        "max_tries": 2,
        "state": "failed",
        "log_url": "https://airflow.example/log?a=1&b=2",
    }
    error = ValueError("no <orders>")
    return {"ti": SimpleNamespace(**{**ti, **changes}), "exception": error, "run_id": "manual__1"}


class TestWords:
    def test_a_failed_task(self):
        incident = read_incident(task_context(map_index=3))
        assert default_subject(incident) == "Airflow: Task load[3] of Dag sales failed"
        assert default_message(incident) == (
            "<p>Task load[3] of Dag sales failed.</p>"
            "<p>Run: manual__1<br>Try: 2 of 3<br>State: failed<br>Error: ValueError: no &lt;orders&gt;</p>"
            '<p><a href="https://airflow.example/log?a=1&amp;b=2">Log of the task</a></p>'
        )

    @pytest.mark.parametrize(
        ("changes", "words"),
        [
            ({"state": "up_for_retry"}, "Task load of Dag sales failed and will be tried again"),
            ({"state": "success"}, "Task load of Dag sales succeeded"),
            ({"state": "skipped"}, "Task load of Dag sales was skipped"),
            ({"state": None}, "Task load of Dag sales failed"),
            ({"state": "deferred"}, "Task load of Dag sales is deferred"),
        ],
    )
    def test_other_states(self, changes, words):
        assert default_subject(read_incident(task_context(**changes))) == f"Airflow: {words}"

    def test_a_task_that_starts_has_no_error(self):
        context = task_context(state="running")
        del context["exception"]
        assert default_subject(read_incident(context)) == "Airflow: Task load of Dag sales started"

    @pytest.mark.parametrize(("reason", "verb"), [("task_failure", "failed"), ("success", "succeeded")])
    def test_a_whole_dag_although_airflow_names_one_of_its_tasks(self, reason, verb):
        incident = read_incident({**task_context(state="upstream_failed"), "reason": reason})
        assert default_subject(incident) == f"Airflow: Dag sales {verb}"
        assert "Last task: load<br>" in default_message(incident)
        assert "Try" not in default_message(incident)
        assert incident.own_task_id is None

    def test_recovery(self):
        whole = read_incident({**task_context(), "reason": "success"})
        assert default_subject(whole, recovered=True) == "Airflow: Dag sales succeeded again"
        task = read_incident(task_context(state="success"))
        assert default_subject(task, recovered=True) == "Airflow: Task load of Dag sales succeeded again"

    @pytest.mark.parametrize("time", [datetime(2026, 3, 1, 5, tzinfo=UTC), "2026-03-01T05:00:00Z"])
    def test_a_deadline_with_its_small_context(self, time):
        run = {"dag_id": "sales", "dag_run_id": "scheduled__1", "state": "running"}
        incident = read_incident({"dag_run": run, "deadline": {"id": "1", "deadline_time": time}})
        assert default_subject(incident) == "Airflow: Dag sales missed its deadline"
        assert default_message(incident) == (
            "<p>Dag sales missed its deadline.</p>"
            "<p>Run: scheduled__1<br>Deadline: 2026-03-01 05:00:00 UTC<br>State: running</p>"
        )

    def test_an_sla_of_airflow_2(self):
        slas = [SimpleNamespace(task_id="load"), SimpleNamespace(task_id="send")]
        context = {"dag": SimpleNamespace(dag_id="sales"), "slas": slas, "blocking_tis": []}
        incident = read_incident(context)
        assert default_subject(incident) == "Airflow: Dag sales missed an SLA"
        assert "Tasks: load, send" in default_message(incident)

    @pytest.mark.parametrize(
        "context",
        [
            {},
            {"ti": None, "dag": None, "dag_run": None, "deadline": None, "exception": None, "slas": None},
            {"ti": Unloadable(), "dag": Unloadable(), "dag_run": Unloadable()},
            {"ti": {}, "deadline": {"deadline_time": "soon"}},
            {"ti": SimpleNamespace(log_url="javascript:alert(1)"), "exception": "killed"},
        ],
    )
    def test_no_context_is_too_small(self, context):
        incident = read_incident(context)
        assert "Dag without a name" in default_subject(incident)
        assert "href" not in default_message(incident)

    def test_an_error_is_short_on_one_line_without_secrets(self):
        secret = "s3cr3t"
        error = RuntimeError("line one\n\tline two \udc80 " + "x" * 464 + secret + "y" * 900)
        incident = read_incident({"exception": error}, lambda text: text.replace(secret, "***"))
        assert incident.error.startswith("RuntimeError: line one line two xxx")
        assert incident.error.endswith("x***…")
        assert len(incident.error) <= 500

    def test_an_error_without_a_text_or_with_a_broken_one(self):
        class Broken(Exception):
            def __str__(self):
                raise RuntimeError

        assert read_incident({"exception": KeyboardInterrupt()}).error == "KeyboardInterrupt"
        assert read_incident({"exception": Broken()}).error == "Broken"
        assert read_incident({"exception": "task was killed"}).error == "task was killed"

    def test_what_is_too_long_is_cut(self):
        assert len(fit_subject("x\n" * 300)) == 255
        assert len(default_subject(Incident("dag", dag_id="d" * 250, state="failed"))) == 255
        assert fit_message("ж" * 10, 9) == "жжж…"
        assert fit_message("half \udc80", 100) == "half ?"
        assert fit_message('<p>a</p><a href="https://x">', 16) == "<p>a</p>…"

    def test_names_are_escaped(self):
        message = default_message(Incident("task", dag_id='"<b>', task_id="&", log_url="https://a/\"><b>'"))
        assert "<b>" not in message
        assert "Task &amp; of Dag &quot;&lt;b&gt; called back." in message
        assert '<a href="https://a/&quot;&gt;&lt;b&gt;&#x27;">' in message

    @pytest.mark.parametrize(
        "changes",
        [{"try_number": "2", "max_tries": 3}, {"map_index": "x"}, {"task_id": 5}, {"run_id": object}],
    )
    def test_odd_parts_of_a_context_are_no_fault(self, changes):
        assert "Task " in default_message(read_incident(task_context(**changes)))

    def test_an_odd_sla_is_no_fault(self):
        assert read_incident({"blocking_tis": [], "slas": 5}).late_tasks == ()


class TestTag:
    @pytest.mark.parametrize(
        ("scope", "tag"),
        [
            ("dag", "airflow/sales"),
            ("task", "airflow/sales/load"),
            ("run", "airflow/sales/run=manual__2026-01-01T00:00:00+00:00"),
        ],
    )
    def test_scopes(self, scope, tag):
        run_id = "manual__2026-01-01T00:00:00+00:00"
        assert scope_tag(scope, dag_id="sales", task_id="load", run_id=run_id) == (tag, scope)

    @pytest.mark.parametrize("scope", ["task", "run"])
    def test_what_is_not_known_counts_by_dag(self, scope):
        assert scope_tag(scope, dag_id="sales") == ("airflow/sales", "dag")

    def test_nothing_in_it_ends_a_tag_and_no_two_names_make_one(self):
        tags = [scope_tag("run", dag_id="a", run_id=run)[0] for run in ("a,b", "a b", "a/b", "a%2Fb", "a\nb")]
        assert tags[0] == "airflow/a/run=a%2Cb"
        assert len(set(tags)) == 5
        assert not [tag for tag in tags if set(tag) & set(", \n;")]
        task, run = (scope_tag(s, dag_id="a", task_id="x", run_id="x")[0] for s in ("task", "run"))
        assert task != run

    def test_long_names_stay_different(self):
        one, other = (scope_tag("dag", dag_id="d" * 240 + end)[0] for end in "12")
        assert one != other
        assert len(one) == len(other) == MAX_TAG

    @pytest.mark.parametrize(
        ("own", "tags"),
        [
            (None, TAG),
            ("", TAG),
            ("data", f"data,{TAG}"),
            ("data, shop", f"data,shop,{TAG}"),
            (["data", "shop"], f"data,shop,{TAG}"),
            ("['data', 'shop']", f"data,shop,{TAG}"),
        ],
    )
    def test_the_other_tags_stay(self, own, tags):
        assert values.tags(with_tag(own, TAG)) == tags

    @pytest.mark.parametrize("own", [["a,b"], [None], "a,,b", "None"])
    def test_what_is_no_tag_is_none_beside_ours_either(self, own):
        with pytest.raises(ValueError):  # noqa: PT011 (the words are those of any tag)
            values.tags(with_tag(own, TAG))

    def test_two_airflows_with_one_account(self):
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
    def test_the_success_of_a_part_does_not_end_the_incident_of_the_whole(
        self, scope, about, is_mapped, ends
    ):
        assert ends_incident(scope, about=about, is_mapped=is_mapped) == ends


class TestDecisions:
    def test_only_open_tickets_with_the_tag_count(self):
        statuses = dict(enumerate([8, 1, 5, 6, 2, 3, 4, 7, 9, 10, None], 11))
        rows = [TicketRow(number, status=status, tags=("x", TAG)) for number, status in statuses.items()]
        strangers = [TicketRow(1, status=1), TicketRow(2, status=1, tags=(f"{TAG}_2", "airflow"))]
        assert open_tickets([*reversed(rows), *strangers], TAG) == (11, 12, 13, 14)

    def test_case_and_blanks_of_a_tag_do_not_matter(self):
        assert open_tickets([TicketRow(1, status=1, tags=(" Airflow/Sales ",))], TAG) == (1,)

    def test_the_first_step(self):
        assert first_step(False, ()) == Open()
        assert first_step(False, (5, 3)) == Comment(3)
        assert first_step(True, ()) == Nothing()
        assert first_step(True, (5, 3)) == Resolve((3, 5))

    def test_the_lowest_id_stays(self):
        assert step_after_opening(5, (5,)) == Keep()
        assert step_after_opening(5, ()) == Keep()
        assert step_after_opening(5, (5, 6)) == Keep()
        assert step_after_opening(5, (3, 4, 5)) == CloseDuplicate(3)


class Usedesk:
    """Answer from a script, and keep what was asked."""

    def __init__(self, *listings, comment=None, status=1, update=None):
        self.listings = list(listings)
        self.comment = comment
        self.status = status
        self.update = update
        self.calls = []

    def ticket_pages(self, **filters):
        self.calls.append(("look", filters))
        answer = self.listings.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return iter([[TicketRow(number, status=1, tags=(TAG,)) for number in answer]])

    def create_ticket(self, **params):
        self.calls.append(("open", params))
        return CreatedTicket(50)

    def create_comment(self, **params):
        self.calls.append(("comment", params["ticket_id"], params["type"]))
        if isinstance(self.comment, Exception):
            raise self.comment
        if self.comment:
            self.comment(params)

    def update_ticket(self, **params):
        self.calls.append(("update", params["ticket_id"], params["status"]))
        if self.update:
            self.update(params)

    def ticket(self, ticket_id):
        self.calls.append(("read", ticket_id))
        return self.details(ticket_id)

    def details(self, ticket_id):
        return TicketDetails(ticket_id, status=self.status, comments=(TicketComment(1),))

    @property
    def deeds(self):
        return [call for call in self.calls if call[0] not in ("look", "read")]


class Clock:
    now = 0.0

    def __call__(self):
        return self.now

    def sleep(self, seconds):
        self.now += seconds


def tell(usedesk, *, resolve=False, tag=TAG, until=30.0, clock=None, **params):
    clock = clock or Clock()
    alert = Alert({"subject": "s", "message": "m", **params}, tag, resolve)
    return Delivery(lambda: nullcontext(usedesk), alert, until, sleep=clock.sleep, clock=clock)()


class TestDelivery:
    def test_without_a_scope_nothing_is_looked_up(self):
        usedesk = Usedesk()
        assert tell(usedesk, tag=None) == AlertResult("opened", (50,))
        assert usedesk.calls == [("open", {"subject": "s", "message": "m"})]

    def test_opens_and_looks_again_when_others_must_be_listed(self):
        usedesk, clock = Usedesk((), (50,)), Clock()
        assert tell(usedesk, clock=clock) == AlertResult("opened", (50,))
        assert clock.now == SETTLE
        filters = {"tag": TAG, "fstatus": [8, 1, 5, 6], "sort": "id", "order": "desc"}
        assert usedesk.calls[0] == usedesk.calls[2] == ("look", filters)
        assert usedesk.calls[1][1]["tag"] == [TAG]

    def test_comments_on_the_open_one(self):
        usedesk = Usedesk((7, 9))
        assert tell(usedesk) == AlertResult("commented on", (7,))
        assert usedesk.deeds == [("comment", 7, "private")]

    def test_a_ticket_that_is_gone_meanwhile_takes_no_alert_with_it(self):
        usedesk = Usedesk((7,), (7, 50), comment=UsedeskTicketNotFound("gone"))
        assert tell(usedesk) == AlertResult("opened", (50,))
        assert [action[:2] for action in usedesk.deeds if action[0] == "comment"] == [("comment", 7)] * 2
        assert not [action for action in usedesk.deeds if action[0] == "update"]

    @pytest.mark.parametrize("status", [2, 3, 4, 7])
    def test_a_ticket_that_is_closed_meanwhile_takes_no_alert_with_it(self, status):
        """Usedesk takes a comment on a ticket that somebody has just solved or deleted, too."""
        usedesk = Usedesk((7,), (7, 50), status=status)
        assert tell(usedesk) == AlertResult("opened", (50,))
        assert not [action for action in usedesk.deeds if action[0] == "update"]

    def test_a_refused_author_does_not_cost_the_comment(self, caplog):
        def refuse(params):
            if "user_id" in params:
                raise UsedeskAgentNotFound("no such agent")

        usedesk = Usedesk((7,), comment=refuse)
        assert tell(usedesk, user_id=5) == AlertResult("commented on", (7,))
        assert usedesk.deeds == [("comment", 7, "private")] * 2
        assert "took no comment: no such agent" in caplog.text

    def test_a_comment_that_is_always_refused_opens_a_ticket_and_says_why(self, caplog):
        usedesk = Usedesk((7,), (7, 50), comment=UsedeskRejected("no comments today"))
        assert tell(usedesk) == AlertResult("opened", (50,))
        assert "took no comment: no comments today" in caplog.text

    def test_a_recovery_goes_on_after_a_refusal_and_tells_of_it(self):
        def refuse(params):
            if params["ticket_id"] == 7:
                raise UsedeskRejected("not this one")

        usedesk = Usedesk((7, 9), update=refuse)
        with pytest.raises(UsedeskRejected, match="not this one"):
            tell(usedesk, resolve=True)
        assert ("update", 9, 2) in usedesk.deeds

    def test_a_ticket_with_the_alert_of_somebody_else_is_not_deleted(self, caplog):
        usedesk = Usedesk((), (48, 50))
        comments = (TicketComment(1), TicketComment(2))
        usedesk.details = lambda ticket_id: TicketDetails(ticket_id, status=1, comments=comments)
        assert tell(usedesk) == AlertResult("opened", (50,))
        assert not [action for action in usedesk.deeds if action[0] == "update"]
        assert "ticket 50 stays" in caplog.text

    def test_gives_way_to_the_one_that_was_opened_earlier(self):
        usedesk = Usedesk((), (48, 49, 50))
        assert tell(usedesk) == AlertResult("commented on", (48,))
        assert usedesk.deeds[1:] == [("comment", 48, "private"), ("update", 50, 4)]

    def test_resolves_all_that_are_open(self):
        usedesk = Usedesk((7, 9))
        assert tell(usedesk, resolve=True) == AlertResult("solved", (7, 9))
        assert usedesk.deeds == [
            ("comment", 7, "private"),
            ("update", 7, 2),
            ("comment", 9, "private"),
            ("update", 9, 2),
        ]

    def test_resolves_nothing_with_one_request(self):
        usedesk = Usedesk(())
        assert tell(usedesk, resolve=True) == AlertResult("nothing")
        assert len(usedesk.calls) == 1

    def test_two_tickets_are_better_than_none(self):
        usedesk = Usedesk(UsedeskUnavailable("down"), UsedeskUnavailable("down"))
        assert tell(usedesk) == AlertResult("opened", (50,))

    @pytest.mark.parametrize(("listing", "comment"), [(None, None), ((3, 50), UsedeskUnavailable("down"))])
    def test_what_fails_after_opening_takes_nothing_back(self, listing, comment):
        usedesk = Usedesk((), listing or UsedeskUnavailable("down"), comment=comment)
        assert tell(usedesk) == AlertResult("opened", (50,))
        assert not [action for action in usedesk.deeds if action[0] == "update"]

    def test_without_a_dag_there_is_nothing_to_resolve(self):
        usedesk = Usedesk()
        assert tell(usedesk, resolve=True, tag=None) == AlertResult("nothing")
        assert usedesk.calls == []

    def test_a_recovery_that_cannot_look_says_so(self):
        with pytest.raises(UsedeskUnavailable):
            tell(Usedesk(UsedeskUnavailable("down")), resolve=True)

    def test_does_nothing_more_when_the_time_is_over(self):
        """The callback has gone on by then, and said that it failed."""
        usedesk = Usedesk(())
        with pytest.raises(UsedeskOutcomeUnknown):
            tell(usedesk, until=0.0)
        assert usedesk.calls == []

    def test_waits_for_the_listing_only_as_long_as_there_is_time(self):
        usedesk, clock = Usedesk((), (50,)), Clock()
        tell(usedesk, until=2.0, clock=clock)
        assert clock.now == 1.0
        assert len(usedesk.calls) == 3

    def test_a_service_that_ignores_the_filter_is_not_read_to_the_end(self):
        usedesk, taken = Usedesk(), []

        def pages(**filters):
            for page in range(100):
                taken.append(page)
                yield [TicketRow(number, status=1, tags=("other",)) for number in range(100)]

        usedesk.ticket_pages = pages
        assert tell(usedesk, resolve=True) == AlertResult("nothing")
        assert len(taken) == 3
