"""Did it work? What became of accounts that came into a playbook or segment, beside accounts like them that did not."""
