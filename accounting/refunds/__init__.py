"""Refunds 환급: GPU-seconds given back for jobs that a fault of the center ended.

What was used stays gross; a refund stands beside it in the ledger, on the line that the job was charged to at its end,
and follows every later correction of its job. Three ways lead to one: the rule (rule.py), a maintenance window
(maintenance.py) and a request of the project (request.py); follow.py is the only writer of its ledger entries.
"""
