"""What pages read: each function is one page's or one section's data in a bounded number of queries."""
