"""The SQLite files of a map: opening, locks, changes, unfinished builds."""
