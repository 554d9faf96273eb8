// C calls that Swift cannot make by itself.
