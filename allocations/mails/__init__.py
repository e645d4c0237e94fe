"""Which mail goes out when: one module for each side of the work, each function one mail."""
