"""Known answers as JSON, and the scripts that make them."""
