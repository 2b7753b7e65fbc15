"""Plain second implementations that tests compare against."""
