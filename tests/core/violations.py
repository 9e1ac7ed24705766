"""For each constraint of csbox's own apps: what a row of its model must hold, so that the database refuses it.

A check refuses the first such row, a unique constraint the second one that agrees with the first in the constraint's
fields. A function is called for its value.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

from accounts.models import EndUser
from alerts.models import Alert, AlertRule, Milestone, MilestoneChange, NoticeChannel
from health.models import HealthConfig
from segments.models import AccountMembership, Segment
from tests.rows import DAY, NOON, any_row

HOUR, ONE_DAY = dt.timedelta(hours=1), dt.timedelta(days=1)
ENDS_FIRST = {"started_at": NOON, "ended_at": NOON - HOUR}
DAYS_BACKWARDS = {"first_day": DAY, "last_day": DAY - ONE_DAY}


CORE = {
    "one_workspace": {"id": 2},
    "workspace_currency_is_a_code": {"currency": "usd"},
    "workspace_reach_known": {"csm_reach": "some"},
    "one_job_per_local_date": {},
    "one_answer_per_key": {},
}
ACCOUNTS = {
    "stage_kind_known": {"kind": "paused"},
    "account_has_external_id": {"external_id": ""},
    "account_mrr_not_negative": {"mrr": -1},
    "account_stated_mrr": {"stated_mrr": -1},
    "account_not_own_parent": {"id": 10**9, "parent_id": 10**9},
    "account_churned_after_it_came": {"customer_since": DAY, "churned_on": DAY - ONE_DAY},
    "attribute_key_unique": {"key": "region"},
    "attribute_has_key": {"key": ""},
    "attribute_subject_known": {"subject": "team"},
    "attribute_kind_known": {"kind": "colour"},
    "attribute_change_subject_known": {"subject": "team"},
    "user_has_external_id": {"external_id": ""},
    "one_open_relationship": {},
    "relationship_ends_after_start": ENDS_FIRST,
    "member_access_known": {"access": "owner"},
    "one_open_assignment_per_role": {},
    "assignment_ends_after_start": ENDS_FIRST,
    "note_kind_known": {"kind": "fax"},
    "one_mention_of_note_and_member": {},
    "note_file_is_not_empty": {"size": 0},
    "one_erasure_in_force": {},
    "erasure_forgets_the_id_when_done": {"state": "done", "external_id": "somebody"},
    "erasure_kind_known": {"kind": "team"},
    "export_kind_known": {"kind": "team"},
    "one_part_of_export": {},
    "subscription_status_kind_known": {"kind": "paused"},
    "exchange_rate_positive": {"rate": 0},
    "exchange_rate_currency_is_a_code": {"currency": "€"},
    "subscription_has_external_id": {"external_id": ""},
    "subscription_mrr_not_negative": {"mrr": -1},
    "subscription_currency_is_a_code": {"currency": "US"},
    "subscription_billing_period_known": {"billing_period": "weekly"},
    "subscription_ends_after_start": {"starts_on": DAY, "ends_on": DAY - ONE_DAY},
    "subscription_trial_ends_after_start": {"trial_starts_on": DAY, "trial_ends_on": DAY - ONE_DAY},
}
USAGE = {
    "one_count_of_feed_and_hour": {},
    "one_time_of_feed_and_event": {},
    "one_open_silence": {},
    "silence_ends_after_start": {"since": NOON, "ended_at": NOON - HOUR},
    "trait_key_unique": {},
    "trait_name_unique": {"name": "Seats used"},
    "trait_is_named": {"name": ""},
    "trait_subject_known": {"subject": "team"},
    "one_traits_row_per_user_and_account": {},
    "one_trait_row_per_account_and_day": {},
    "absent_are_some_of_all": {"count": 1, "absent": 2},
    "one_count_per_day": {},
    "one_active_month": {},
    "one_first_use": {},
    "one_recent_count": {},
    "one_activity_per_user_and_account": {},
}
SEGMENTS = {
    "one_notice_of_silence_and_user": {},
    "segment_name_unique": {"name": "Live customers"},
    "segment_live_not_ahead": {"requested_rev": 1, "live_rev": 2},
    "segment_subject_known": {"subject": "team"},
    "segment_version_unique": {},
    "one_open_pin": {},
    "one_open_pin_of_user": {"account": None, "user": lambda: any_row(EndUser)},
    "pin_has_reason": {"reason": ""},
    "pin_has_one_member": {"account": None},
    "pin_kind_known": {"kind": "by"},
    "one_open_account_membership": {},
    "account_membership_ends_after_start": {"entered_at": NOON, "left_at": NOON - HOUR},
    "one_open_user_membership": {},
    "user_membership_ends_after_start": {"entered_at": NOON, "left_at": NOON - HOUR},
}
HEALTH = {
    "back_test_ends_after_start": DAYS_BACKWARDS,
    "back_test_knows_churn": {"cancelled": False, "silent_days": None},
    "one_back_test_row_per_day": {},
    "one_default_health_config": {"is_default": True, "segment": None},
    "default_health_config_has_no_segment": {"is_default": True},
    "health_config_version_unique": {},
    "one_health_row_per_account_and_day": {},
    "one_health_mix_a_day": {},
    "health_mix_of_one_thing": {"segment": lambda: any_row(Segment), "config": lambda: any_row(HealthConfig)},
    "one_open_health_override": {},
    "health_override_has_reason": {"reason": ""},
    "health_override_is_a_band": {"band": "none"},
    "pulse_from_1_to_5": {"value": 6},
}
REACHED = {"state": "reached", "reached_at": NOON, "won_at": NOON}
ALERTS = {
    "alert_rule_name_unique": {"name": "Silent"},
    "alert_rule_asks_something": {"watch": None},
    "alert_rule_holds_at_most_a_year": {"hold_days": 366},
    "alert_rule_cools_at_most_a_year": {"cooldown_days": 366},
    "alert_rule_version_unique": {},
    "one_open_alert": {},
    "alert_opens_after_it_began": {"began_at": NOON, "opened_at": NOON - HOUR},
    "alert_ends_after_it_opened": {"ended_at": NOON - HOUR, "ending": "closed"},
    "alert_that_ended_says_how": {"ended_at": NOON, "ending": ""},
    "milestone_name_unique": {"name": "Onboarded"},
    "milestone_days_at_most_ten_years": {"expected_days": 3_651},
    "milestone_names_its_date": {"start": "field", "start_field": ""},
    "milestone_version_unique": {},
    "one_state_of_account_and_milestone": {},
    "milestone_reached_says_when": {"state": "reached", "reached_at": NOON, "won_at": None},
    "milestone_waited_for_was_not_reached": {"state": "pending", "reached_at": NOON, "won_at": NOON},
    "milestone_won_after_reached": REACHED | {"won_at": NOON - HOUR},
    "milestone_lost_after_won": REACHED | {"state": "lost", "lost_at": NOON - HOUR},
    "milestone_won_again_after_lost": REACHED | {"lost_at": NOON + HOUR},
    "milestone_overdue_has_a_due_day": {"state": "overdue", "due_on": None},
    "milestone_set_by_hand_says_why": {"origin": "hand", "reason": ""},
    "notice_channel_name_unique": {"name": "Chat"},
    "notice_channel_has_address": {"address": ""},
    "quiet_hours_begin_and_end": {"quiet_from": dt.time(20), "quiet_to": None},
    "notice_cap_from_1_to_500": {"cap": 0},
    "one_choice_of_member_and_rule": {},
    "notice_is_for_one": {"channel": lambda: any_row(NoticeChannel)},
    "notice_has_key": {"key": ""},
    "delivery_that_was_sent_says_when": {"state": "sent", "sent_at": None},
    "task_has_title": {"title": ""},
    "task_that_is_over_says_when": {"state": "done", "done_at": None},
    "task_outcome_of_done_ones": {"state": "open", "outcome": "success"},
    "task_of_alert_says_so": {"alert": lambda: any_row(Alert), "origin": "hand"},
    "playbook_name_unique": {"name": "Welcome"},
    "playbook_entry_by_segment_has_one": {"entry": "segment", "segment": None},
    "playbook_rule_of_entry_by_alert": {"entry": "hand", "rule": lambda: any_row(AlertRule)},
    "playbook_milestone_of_entry_by_one": {"entry": "hand", "milestone": lambda: any_row(Milestone)},
    "playbook_again_after_days": {"again": "after", "again_days": 0},
    "playbook_version_unique": {},
    "one_running_enrolment": {},
    "one_enrolment_per_stay": {"membership": lambda: any_row(AccountMembership)},
    "one_enrolment_per_alert": {"alert": lambda: any_row(Alert)},
    "one_enrolment_per_milestone_change": {"milestone_change": lambda: any_row(MilestoneChange)},
    "enrolment_that_is_over_says_when": {"state": "finished", "ended_at": None},
    "enrolment_ends_after_it_started": ENDS_FIRST | {"state": "finished", "due_at": None},
    "one_run_of_a_step": {"state": "waiting"},
    "step_that_is_done_says_when": {"state": "done", "done_at": None},
    "alert_replay_ends_after_start": DAYS_BACKWARDS,
    "one_alert_replay_row_per_day": {},
}
INTEGRATIONS = {
    "connection_has_name": {"name": ""},
    "one_open_run_per_connection": {},
    "one_link_per_record": {},
}
VIOLATIONS: dict[str, dict[str, Any]] = CORE | ACCOUNTS | USAGE | SEGMENTS | HEALTH | ALERTS | INTEGRATIONS
