"""Relative poses in metres, from tracked matches and a second map image of known pose."""
