"""A project's usage and jobs, as its people ask for them: a period and a grouping, or filters, in the address."""
