"""Making claims: the operator's side, from a log file to a signed proof."""
