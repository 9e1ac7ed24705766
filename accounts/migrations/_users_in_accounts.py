"""The view that rules about users are asked of: a row for each open relationship, one for a user who has none."""

from __future__ import annotations

CREATE = """
CREATE VIEW accounts_user_in_account AS
    SELECT coalesce(r.id, -u.id) AS id, u.id AS user_id, r.account_id, r.role, r.attributes, r.folded, r.stamps,
           r.started_at
    FROM accounts_enduser u LEFT JOIN accounts_relationship r ON r.user_id = u.id AND r.ended_at IS NULL
"""
DROP = "DROP VIEW accounts_user_in_account"
