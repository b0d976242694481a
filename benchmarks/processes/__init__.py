"""What a process of the program costs: its start, its memory, its packages."""
